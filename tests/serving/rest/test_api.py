"""REST over a real pipeline with fake encoders: verdicts, batches, duplicates, and problems."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from shelfsure.catalog.listing import Listing
from shelfsure.pipeline.pipeline import ListingPipeline
from shelfsure.pipeline.verdict import Verdict
from shelfsure.serving.rest.api import create_app
from shelfsure.serving.rest.fields import EXAMPLE
from shelfsure.serving.rest.limits import Limits
from shelfsure.serving.rest.shopify import PATH as SHOPIFY_PATH
from shelfsure.serving.service import Service

KEY = "correct-horse-battery"


@pytest.fixture(scope="session")
def saved(
    tiny_trained: ListingPipeline, tmp_path_factory: pytest.TempPathFactory
) -> ListingPipeline:
    """The tiny pipeline with its index on disk."""
    return tiny_trained.save(tmp_path_factory.mktemp("served") / "shop")


@pytest.fixture(scope="module")
def service(saved: ListingPipeline) -> Iterator[Service]:
    with Service(lambda: saved) as service:
        assert service.pipeline is saved
        yield service


@pytest.fixture(scope="module")
def client(service: Service) -> TestClient:
    app = create_app(service, limits=Limits(max_body_bytes=500_000, max_items=8))
    return TestClient(app, raise_server_exceptions=False)


@pytest.fixture
def photo(tiny_folder: Path) -> bytes:
    return (tiny_folder / "photos/0.png").read_bytes()


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def problem_of(answer: object, status: int, kind: str) -> dict[str, object]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found = answer.json()
    assert (found["status"], found["type"]) == (status, f"urn:shelfsure:problem:{kind}")
    assert found["title"]
    assert found["detail"]
    assert found["instance"] == answer.headers["x-request-id"]
    return found


def test_verdict_by_json_and_form_is_the_pipelines(
    client: TestClient, saved: ListingPipeline, photo: bytes
) -> None:
    title, about = "lamp by Brand1", "A bulb for home use"
    [expected] = saved.predict([Listing("x", title, photo, about)])
    fields = {"listing_id": "x", "title": title, "description": about}
    by_json = client.post("/v1/verdict", json={**fields, "photo": b64(photo)})
    by_form = client.post("/v1/verdict", data=fields, files={"photo": ("../../a", photo)})
    assert by_json.status_code == by_form.status_code == 200
    assert by_json.json() == by_form.json() == json.loads(expected.model_dump_json())
    assert by_json.json()["duplicates"]


def test_verdict_takes_whole_numbers_as_ids_and_base64_in_lines(
    client: TestClient, saved: ListingPipeline, photo: bytes
) -> None:
    [expected] = saved.predict([Listing("1001", "lamp", photo)])
    text = b64(photo)
    wrapped = "\r\n".join(text[n : n + 76] for n in range(0, len(text), 76)) + "\n"
    answer = client.post(
        "/v1/verdict", json={"listing_id": 1001, "title": "lamp", "photo": wrapped}
    )
    assert answer.json() == json.loads(expected.model_dump_json())
    for listing_id in (True, 1.5, 2**65, None):
        assert client.post("/v1/verdict", json={"listing_id": listing_id}).status_code == 422


def test_verdict_takes_several_photos_as_a_list_or_as_parts(
    client: TestClient, saved: ListingPipeline, photo: bytes, tiny_folder: Path
) -> None:
    others = [(tiny_folder / f"photos/{n}.png").read_bytes() for n in (3, 1)]
    more = (others[0], b"GIF89a nonsense", others[1])
    [expected] = saved.predict([Listing("x", "lamp", photo, more_images=more)])
    assert expected.n_photos == 3
    fields = {"listing_id": "x", "title": "lamp"}
    by_json = client.post("/v1/verdict", json={**fields, "photo": [*map(b64, (photo, *more))]})
    parts = [("photo", (f"{n}.png", one)) for n, one in enumerate((photo, *more))]
    by_form = client.post("/v1/verdict", data=fields, files=parts)
    for answer in (by_json, by_form):
        assert Verdict.model_validate(answer.json()) == expected
    batch = {"listings": [{**fields, "photo": [b64(photo), b64(others[0])]}]}
    assert client.post("/v1/verdicts", json=batch).json()["results"][0]["verdict"]["n_photos"] == 2
    found = client.post("/v1/duplicates", json=batch).json()["results"][0]
    assert found["duplicates"]


@pytest.mark.parametrize(
    ("photos", "said"),
    [
        ([], "a listing may have 1 to 12 photos, got 0"),
        ([""] * 13, "a listing may have 1 to 12 photos, got 13"),
        (["aGk=", 7], "a photo must be text"),
        (["aGk=", "???"], "a photo must be the file's bytes in base64"),
        (["aGk=", ["aGk="]], "a photo must be text"),
    ],
)
def test_verdict_says_what_is_wrong_with_a_list_of_photos(
    client: TestClient, photos: list[Any], said: str
) -> None:
    answer = client.post("/v1/verdict", json={"title": "lamp", "photo": photos})
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(f"#/photo: {said}")


def test_verdict_of_a_broken_photo_is_rejected_with_the_reason(client: TestClient) -> None:
    answer = client.post("/v1/verdict", json={"photo": b64(b"GIF89a nonsense"), "title": "lamp"})
    assert answer.status_code == 200
    assert answer.json()["decision"] == "rejected"
    assert answer.json()["reasons"][0].startswith("photo: ")


def test_verdict_of_nothing_is_rejected_with_the_reason(client: TestClient) -> None:
    answer = client.post("/v1/verdict", json={})
    assert answer.json()["decision"] == "rejected"
    assert "needs a photo or a title" in answer.json()["reasons"][0]


@pytest.mark.parametrize(
    ("body", "headers", "status", "kind", "says"),
    [
        (b"{", {}, 400, "malformed", "must be JSON"),
        (b'{"title": NaN}', {}, 400, "malformed", "must be JSON"),
        (b'{"title": "\\ud800"}', {}, 400, "malformed", "hex escape"),
        (b"[" * 10_000, {}, 400, "malformed", "recursion"),
        ("{}".encode("utf-16"), {}, 400, "malformed", "must be JSON"),
        (b'{"title": 1' + b"0" * 5000 + b"}", {}, 400, "malformed", "number out of range"),
        (b"[]", {}, 422, "invalid", "an object"),
        (b'{"title": 1}', {}, 422, "invalid", "#/title: Input should be a valid string"),
        (b'{"titel": "a"}', {}, 422, "invalid", "#/titel: Extra inputs"),
        (b'{"photo": "a"}', {}, 422, "invalid", "#/photo: a photo must be the file's bytes in"),
        (b'{"photo": "data:image/png;base64,aa"}', {}, 422, "invalid", "prefix out"),
        (b'{"image_url": "http://x"}', {}, 422, "invalid", "`image_url` isn't read"),
        (json.dumps({"title": "a" * 2001}).encode(), {}, 422, "invalid", "at most 2000"),
        (b"{}", {"content-type": "text/plain"}, 415, "media-type", "application/json or"),
        (b"{}", {"content-encoding": "gzip"}, 415, "media-type", "not compressed"),
        (b"{}", {"content-type": "multipart/form-data; boundary=x"}, 400, "malformed", ""),
        (b"{}", {"content-type": "multipart/form-data"}, 400, "malformed", "oundary"),
        (b"a" * 500_001, {}, 413, "too-large", "at most 0.5 MB"),
    ],
)
def test_verdict_refuses_what_is_no_request(
    client: TestClient, body: bytes, headers: dict[str, str], status: int, kind: str, says: str
) -> None:
    given = {"content-type": "application/json", **headers}
    answer = client.post("/v1/verdict", content=body, headers=given)
    assert says in problem_of(answer, status, kind)["detail"]


def test_verdict_counts_a_body_without_length(client: TestClient) -> None:
    chunks = (b"a" * 100_000 for _ in range(100))
    answer = client.post(
        "/v1/verdict", content=chunks, headers={"content-type": "application/json"}
    )
    problem_of(answer, 413, "too-large")


def test_verdict_refuses_a_form_that_is_cut_off_anywhere(client: TestClient, photo: bytes) -> None:
    head = '--x\r\ncontent-disposition: form-data; name="{}"{}\r\n\r\n'
    whole = head.format("title", "").encode() + b"lamp\r\n"
    whole += head.format("photo", '; filename="a.png"').encode() + photo + b"\r\n--x--\r\n"
    kind = {"content-type": "multipart/form-data; boundary=x"}
    assert client.post("/v1/verdict", content=whole, headers=kind).json()["decision"] != "rejected"
    in_photo = whole.index(photo) + len(photo) // 2
    for n_bytes in (1, 20, 60, whole.index(photo) - 1, in_photo, len(whole) - 9, len(whole) - 5):
        answer = client.post("/v1/verdict", content=whole[:n_bytes], headers=kind)
        problem_of(answer, 400, "malformed")
    assert "cut off" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ([("photo", ("a.png", b"1"))] * 13, "Too many files"),
        ([("title", ("t.txt", b"lamp"))], "`photo` must be a file"),
        ([("photo", (None, b"lamp"))], "`photo` must be a file"),
        ([("title", (None, b"a")), ("title", (None, b"b"))], "given once"),
        ([("image_url", (None, b"http://x"))], "fetches nothing"),
    ],
)
def test_verdict_refuses_odd_forms(client: TestClient, files: list[object], says: str) -> None:
    answer = client.post("/v1/verdict", files=files)
    assert answer.status_code in {400, 422}
    assert says in answer.json()["detail"]


def test_verdict_reads_odd_text_like_any_other(client: TestClient) -> None:
    title = "lamp\0 <script>alert(1)</script> \U0001f4a1 ../../etc/passwd"
    answer = client.post("/v1/verdict", json={"listing_id": "\0", "title": title})
    assert answer.status_code == 200
    assert answer.json()["category"] == "Home > Lamps"


def test_verdicts_answers_each_item_in_order(
    client: TestClient, saved: ListingPipeline, photo: bytes
) -> None:
    items: list[object] = [
        {"listing_id": "a", "title": "lamp light", "photo": b64(photo)},
        {"listing_id": "b", "title": "kite", "photo": "???"},
        {"listing_id": "c", "title": "rug carpet"},
        None,
        {"listing_id": "d", "photo": b64(photo[:60])},
        {"title": ["kite"]},
    ]
    answer = client.post("/v1/verdicts", json={"listings": items})
    assert answer.status_code == 200
    results = answer.json()["results"]
    assert [result["index"] for result in results] == list(range(6))
    known = [Listing("a", "lamp light", photo), Listing("c", "rug carpet")]
    known.append(Listing("d", None, photo[:60]))
    expected = [json.loads(verdict.model_dump_json()) for verdict in saved.predict(known)]
    assert [results[n]["verdict"] for n in (0, 2, 4)] == expected
    assert results[4]["verdict"]["decision"] == "rejected"
    assert [n for n, result in enumerate(results) if result["error"]] == [1, 3, 5]
    assert results[1]["error"]["errors"][0]["pointer"] == "#/listings/1/photo"
    assert results[5]["error"]["status"] == 422


def test_verdicts_answers_when_every_item_is_bad(client: TestClient) -> None:
    answer = client.post("/v1/verdicts", json={"listings": [1, 2]})
    assert [result["error"]["status"] for result in answer.json()["results"]] == [422, 422]


@pytest.mark.parametrize("listings", [[], [{}] * 9, {}, None, "abc"])
def test_verdicts_refuses_no_list_or_a_long_one(client: TestClient, listings: object) -> None:
    answer = client.post("/v1/verdicts", json={"listings": listings})
    assert "1 to 8 items" in problem_of(answer, 422, "invalid")["detail"]


def test_verdicts_fails_only_the_listing_that_breaks_the_model(
    saved: ListingPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Breaking:
        version = "x"

        def predict(self, listings: list[Listing], **given: Any) -> object:
            if any(listing.title == "breaks" for listing in listings):
                raise OSError("/secret/path")
            return saved.predict(listings, **given)

    with Service(Breaking) as service:
        _ = service.pipeline
        client = TestClient(create_app(service), raise_server_exceptions=False)
        body = {"listings": [{"title": "lamp"}, {"title": "breaks"}, {"title": "rug"}]}
        many = client.post("/v1/verdicts", json=body)
        one = client.post("/v1/verdict", json={"title": "breaks"})
    results = many.json()["results"]
    assert [result["verdict"] is not None for result in results] == [True, False, True]
    assert results[1]["error"]["status"] == 500
    problem_of(one, 500, "internal")
    assert "/secret/path" not in many.text + one.text


def test_duplicates_finds_them_in_the_catalogue_and_within(
    client: TestClient, photo: bytes, tiny_folder: Path
) -> None:
    other = (tiny_folder / "photos/1.png").read_bytes()
    items = [
        {"listing_id": "new", "title": "lamp light", "photo": b64(photo)},
        {"listing_id": "bad", "photo": 7},
        {"listing_id": "new", "title": "lamp light", "photo": b64(photo)},
        {"listing_id": "broken", "photo": b64(b"no photo")},
        {"listing_id": "rug", "photo": b64(other)},
        {"listing_id": "text", "title": "kite"},
    ]
    answer = client.post("/v1/duplicates", json={"listings": items})
    assert answer.status_code == 200
    found = answer.json()
    assert found["n_catalogue"] == 62
    first = [result["duplicates"][:1] for result in found["results"]]
    assert [row[0]["listing_id"] if row else None for row in first] == [
        *("t00", None, "t00", None, "t01", None)
    ]
    assert first[0][0]["verdict"] == "same_photo"
    assert [(pair["a"], pair["b"]) for pair in found["within"]] == [(0, 2)]
    assert found["groups"] == [[0, 2]]
    errors = {n: result["error"] for n, result in enumerate(found["results"]) if result["error"]}
    assert list(errors) == [1, 3]
    assert errors[3]["detail"].startswith("photo: ")


def test_categories_names_what_the_model_knows(client: TestClient, saved: ListingPipeline) -> None:
    found = client.get("/v1/categories").json()
    assert found["model_version"] == saved.version
    trained = [item["category"] for item in found["categories"] if item["trained"]]
    assert trained == list(saved.class_names)


def test_healthz_and_readyz_tell_apart_running_and_ready(saved: ListingPipeline) -> None:
    import threading

    loading = threading.Event()

    def slow() -> ListingPipeline:
        assert loading.wait(20)
        return saved

    with Service(slow) as service:
        client = TestClient(create_app(service))
        assert client.get("/healthz").json()["status"] == "ok"
        unready = client.get("/readyz")
        problem_of(unready, 503, "not-ready")
        assert int(unready.headers["retry-after"]) > 0
        problem_of(client.post("/v1/verdict", json={"title": "lamp"}), 503, "not-ready")
        loading.set()
        assert service.pipeline is saved
        ready = client.get("/readyz")
    version = saved.version
    assert ready.json() == {"status": "ready", "model_version": version, "challenger": None}
    problem_of(client.post("/v1/verdict", json={"title": "lamp"}), 503, "shutting-down")


def test_verdict_is_told_to_come_back_when_the_queue_is_full(saved: ListingPipeline) -> None:
    import threading

    gate, entered = threading.Event(), threading.Event()

    class Held:
        version = "x"

        def predict(self, listings: list[Listing], **given: Any) -> object:
            entered.set()
            assert gate.wait(20)
            return saved.predict(listings, **given)

    with Service(Held, max_queue=1) as service:
        client = TestClient(create_app(service, limits=Limits(answer_s=0.05)))
        _ = service.pipeline
        service.submit([Listing("held", "lamp")])
        assert entered.wait(20)
        late = client.post("/v1/verdict", json={"title": "lamp"})
        problem_of(late, 504, "out-of-time")
        service.submit([Listing("waits", "lamp")])
        full = client.post("/v1/verdict", json={"title": "lamp"})
        gate.set()
    problem_of(full, 503, "busy")
    assert int(full.headers["retry-after"]) > 0


def test_a_body_that_is_no_object_is_told_so_in_plain_words(client: TestClient) -> None:
    for path in ("/v1/verdict", "/v1/explain", "/v1/search"):
        said = problem_of(client.post(path, json=["lamp"]), 422, "invalid")
        assert "an object" in str(said["detail"])
        assert "ListingIn" not in str(said)
        assert "SearchIn" not in str(said)


def test_what_takes_long_isnt_begun_once_the_server_ends(saved: ListingPipeline) -> None:
    with Service(lambda: saved) as service:
        client = TestClient(create_app(service, limits=Limits()))
        _ = service.pipeline
        assert client.post("/v1/explain", json={"title": "lamp"}).json()["error"] is None
        service.ending = True
        problem_of(client.post("/v1/explain", json={"title": "lamp"}), 503, "shutting-down")
        assert client.post("/v1/verdict", json={"title": "lamp"}).status_code == 200


def test_metrics_counts_requests_batches_and_decisions(
    client: TestClient, service: Service
) -> None:
    client.post("/v1/verdict", json={"title": "secret words"})
    client.post("/v1/verdict", content=b"{")
    client.get("/v1/secret-path")
    page = client.get("/metrics")
    assert page.headers["content-type"].startswith("text/plain")
    for line in (
        'shelfsure_http_requests_total{method="POST",route="/v1/verdict",status="200"}',
        'shelfsure_http_requests_total{method="GET",route="none",status="404"}',
        "shelfsure_batch_listings_bucket",
        "shelfsure_queue_listings 0.0",
        "shelfsure_ready 1.0",
        'shelfsure_verdicts_total{decision="',
    ):
        assert line in page.text
    assert "secret" not in page.text


def test_unknown_paths_and_methods_are_problems(client: TestClient) -> None:
    problem_of(client.get("/v1/nothing"), 404, "not-found")
    answer = client.get("/v1/verdict")
    problem_of(answer, 405, "method-not-allowed")
    assert answer.headers["allow"] == "POST"


def test_explain_adds_up_to_the_verdicts_log_odds(
    client: TestClient, saved: ListingPipeline, photo: bytes
) -> None:
    item = {"listing_id": "x", "title": "lamp", "photo": b64(photo), "description": "A bulb"}
    probability = client.post("/v1/verdict", json=item).json()["probability"]
    found = client.post("/v1/explain", json=item).json()
    assert (found["listing_id"], found["model_version"]) == ("x", saved.version)
    assert 1 / (1 + np.exp(-found["answer_nats"])) == pytest.approx(probability, abs=1e-5)
    total = found["answer_nats"] - found["prior_nats"]
    assert sum(found["parts"].values()) == pytest.approx(total, abs=1e-6)
    assert sum(found["dividends"].values()) == pytest.approx(total, abs=1e-6)
    assert set(found["parts"]) == {"photo", "title", "description"}
    assert len(found["dividends"]) == 7
    assert (found["words"], found["regions"], found["error"]) == ({}, None, None)


def test_explain_with_details_shares_each_parts_value_out(client: TestClient, photo: bytes) -> None:
    fields = {"title": "red lamp", "description": "A bulb for home"}
    answer = client.post("/v1/explain?details=true", data=fields, files={"photo": ("a", photo)})
    found = answer.json()
    for part, text in found["words"].items():
        words = [text["text"][word["start"] : word["end"]] for word in text["words"]]
        assert words == fields[part].split()
        nats = sum(word["nats"] for word in text["words"])
        assert nats == pytest.approx(found["parts"][part], abs=1e-3)
    assert np.sum(found["regions"]["nats"]) == pytest.approx(found["parts"]["photo"], abs=1e-3)


def test_explain_takes_a_category(client: TestClient) -> None:
    kites = client.post("/v1/explain?category=Toys > Kites", json={"title": "lamp"}).json()
    assert kites["category"] == "Toys > Kites"
    assert kites["answer_nats"] < 0
    assert kites["photo_text_nats"] is None


@pytest.mark.parametrize(
    ("query", "item", "says"),
    [
        ("", {"photo": b64(b"GIF89a nonsense"), "title": "lamp"}, "photo: "),
        ("", {"description": "only this"}, "neither"),
        ("?category=Boats", {"title": "a boat"}, "'Boats'"),
    ],
)
def test_explain_says_what_it_cant_explain(
    client: TestClient, query: str, item: dict[str, str], says: str
) -> None:
    answer = client.post(f"/v1/explain{query}", json=item)
    assert answer.status_code == 200
    assert says in answer.json()["error"]["detail"]
    assert answer.json()["parts"] == {}


def test_explain_refuses_options_that_it_doesnt_know(client: TestClient) -> None:
    for query in ("?details=perhaps", "?details=1", "?words=true"):
        answer = client.post(f"/v1/explain{query}", json={"title": "lamp"})
        [fault] = problem_of(answer, 422, "invalid")["errors"]  # type: ignore[misc]
        assert fault["pointer"] == f"?/{query[1:].split('=')[0]}"
    twice = client.post("/v1/explain?details=true&details=false", json={"title": "lamp"})
    assert "comes twice" in str(problem_of(twice, 422, "invalid")["detail"])


def test_answers_carry_security_headers(client: TestClient) -> None:
    for answer in (client.get("/healthz"), client.get("/v1/nothing")):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-store"
        assert "access-control-allow-origin" not in answer.headers


def test_openapi_examples_work(client: TestClient) -> None:
    page = client.get("/v1/openapi.json").json()
    bodies = {
        path: operations["post"]["requestBody"]["content"]["application/json"]["examples"]
        for path, operations in page["paths"].items()
        if "post" in operations and path != SHOPIFY_PATH  # an event has to be signed
    }
    named = {"verdict", "verdicts", "duplicates", "search", "explain"}
    assert set(bodies) == {f"/v1/{name}" for name in named}
    for path, examples in bodies.items():
        assert examples
        for example in examples.values():
            answer = client.post(path, json=example["value"])
            assert answer.status_code == 200
            assert "rejected" not in answer.text
            assert '"error":{' not in answer.text
    assert client.post("/v1/verdict", json=EXAMPLE).json()["route"] == "fusion"
