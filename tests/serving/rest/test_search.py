"""`/v1/search` over a real pipeline with fake encoders."""

import base64
import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image, ImageEnhance
from shelfsure.pipeline.pipeline import ListingPipeline
from shelfsure.retrieval.index.store import ListingIndex
from shelfsure.retrieval.zero_shot.alignment import Alignment
from shelfsure.retrieval.zero_shot.joint_space import JointSpace
from shelfsure.retrieval.zero_shot.load_space import fingerprints
from shelfsure.serving.rest.api import create_app
from shelfsure.serving.rest.limits import Limits
from shelfsure.serving.service import Service


def client_of(service: Service) -> TestClient:
    app = create_app(service, limits=Limits(max_body_bytes=500_000, max_items=8))
    return TestClient(app, raise_server_exceptions=False)


@pytest.fixture(scope="module")
def saved(
    tiny_trained: ListingPipeline, tmp_path_factory: pytest.TempPathFactory
) -> ListingPipeline:
    return tiny_trained.save(tmp_path_factory.mktemp("searched") / "shop")


@pytest.fixture(scope="module")
def client(saved: ListingPipeline) -> Iterator[TestClient]:
    with Service(lambda: saved) as service:
        assert service.pipeline is saved
        yield client_of(service)


def edited(path: Path) -> bytes:
    """The photo smaller, brighter, and as JPEG."""
    with Image.open(path) as photo:
        small = photo.convert("RGB").resize((photo.width * 3 // 4, photo.height * 3 // 4))
    made = io.BytesIO()
    ImageEnhance.Brightness(small).enhance(1.05).save(made, "JPEG", quality=85)
    return made.getvalue()


def problem(answer: Any, status: int, kind: str) -> str:
    assert answer.status_code == status, answer.text
    assert answer.json()["type"] == f"urn:shelfsure:problem:{kind}"
    return str(answer.json()["detail"])


def test_search_finds_the_listing_of_an_edited_photo(
    client: TestClient, saved: ListingPipeline, tiny_folder: Path
) -> None:
    assert saved.retrieval
    assert saved.retrieval.index
    records = saved.retrieval.index.records(saved.retrieval.index.ids())
    record = next(each for each in records.values() if each.title)
    photo = edited(Path(str(record.image)))
    by_json = client.post(
        "/v1/search",
        json={"photo": base64.b64encode(photo).decode(), "title": record.title, "k": 3},
    )
    by_form = client.post(
        "/v1/search", data={"title": record.title, "k": "3"}, files={"photo": ("a.jpg", photo)}
    )
    assert by_json.status_code == 200, by_json.text
    assert by_json.json() == by_form.json()
    found = by_json.json()
    assert found["n_listings"] == len(records)
    assert [len(found["results"]), found["error"]] == [3, None]
    first = found["results"][0]
    assert first["listing_id"] == record.listing_id
    assert first["similarity"] > 0.98
    assert (first["title"], first["category"]) == (record.title, record.category)
    assert set(first) == {"listing_id", "similarity", "title", "category"}  # no path of ours
    alike = [each["similarity"] for each in found["results"]]
    assert alike == sorted(alike, reverse=True)


def test_search_like_a_listing_leaves_it_out(client: TestClient, saved: ListingPipeline) -> None:
    assert saved.retrieval
    assert saved.retrieval.index
    listing_id = saved.retrieval.index.ids()[0]
    rows = saved.retrieval.index.take([listing_id])
    expected = saved.retrieval.index.search(rows.views, 5)[0]
    asked = {"like": listing_id, "k": 4.0}  # a whole number in JSON, however it is written
    found = client.post("/v1/search", json=asked).json()["results"]
    assert [each["listing_id"] for each in found] == [
        near.listing_id for near in expected if near.listing_id != listing_id
    ]


@pytest.mark.parametrize(
    ("body", "status", "kind", "says"),
    [
        ({}, 422, "invalid", "a photo, a title or `like` is needed"),
        ({"title": "a", "k": 0}, 422, "invalid", "#/k: Input should be greater than or equal to 1"),
        (
            {"title": "a", "k": 101},
            422,
            "invalid",
            "#/k: Input should be less than or equal to 100",
        ),
        ({"title": "a", "k": "5"}, 422, "invalid", "#/k: Input should be a valid integer"),
        ({"title": "a", "k": 2.5}, 422, "invalid", "#/k"),
        ({"title": "a" * 2001}, 422, "invalid", "at most 2000"),
        ({"image_url": "http://x"}, 422, "invalid", "`image_url` isn't read"),
        ({"like": "nobody"}, 404, "not-found", "`like` must be a listing of the index"),
        ({"title": "a", "index": "index/../.."}, 404, "not-found", "`index` must be `bundle`"),
    ],
)
def test_search_says_what_is_wrong_with_a_request(
    client: TestClient, body: dict[str, object], status: int, kind: str, says: str
) -> None:
    assert says in problem(client.post("/v1/search", json=body), status, kind)


def test_search_says_what_is_wrong_with_a_photo_or_words(client: TestClient) -> None:
    photo = base64.b64encode(b"GIF89a nonsense").decode()
    for body, says in (
        ({"photo": photo}, "photo"),
        ({"title": " "}, "A photo or words are needed"),
    ):
        answer = client.post("/v1/search", json=body)
        assert answer.status_code == 200, answer.text
        assert answer.json()["results"] == []
        assert says in answer.json()["error"]["detail"]


def test_search_reads_an_index_below_the_servers_folder_as_it_is_now(
    saved: ListingPipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert saved.retrieval
    assert saved.retrieval.index
    monkeypatch.chdir(tmp_path)
    saved.retrieval.index.copy(tmp_path / "index/shop")
    pipeline = replace(saved, retrieval=None)
    with Service(lambda: pipeline) as service:
        assert service.pipeline is pipeline
        client = client_of(service)
        said = problem(client.post("/v1/search", json={"title": "lamp"}), 409, "no-index")
        assert "shelfsure index build catalogue.csv --out index/NAME" in said
        asked = {"title": "lamp", "index": "index/shop", "k": 1}
        first = client.post("/v1/search", json=asked).json()["results"][0]["listing_id"]
        ListingIndex.open(tmp_path / "index/shop").remove([first])
        again = client.post("/v1/search", json=asked).json()
        assert again["n_listings"] == len(saved.retrieval.index.ids()) - 1
        assert again["results"][0]["listing_id"] != first


def test_search_finds_photos_without_titles_by_words_where_both_are_aligned(
    saved: ListingPipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert saved.retrieval
    assert saved.retrieval.index
    monkeypatch.chdir(tmp_path)
    rows = saved.retrieval.index.contents()
    photo, title = rows.views["photo"], rows.views["title"]
    ListingIndex.build(
        tmp_path / "index/photos", rows.records, {"photo": photo}, fingerprints(saved.embedder)
    )
    both = photo.present & title.present
    aligned = Alignment.fit(photo.array[both], title.array[both])
    joint = JointSpace(aligned, np.ones(1, np.float32), np.ones(1, np.float32))
    asked = {"title": "kites", "index": "index/photos", "k": 3}
    for retrieval, found in ((saved.retrieval, 0), (replace(saved.retrieval, joint=joint), 3)):
        pipeline = replace(saved, retrieval=retrieval)
        with Service(lambda one=pipeline: one) as service:
            assert service.pipeline is pipeline
            answer = client_of(service).post("/v1/search", json=asked)
        if not found:
            assert "must hold titles" in problem(answer, 409, "no-index")
            continue
        assert answer.status_code == 200, answer.text
        assert len(answer.json()["results"]) == found
        assert "brand_hint" not in answer.json() or answer.json()["brand_hint"] is None
