"""Uploads that mean no good: no error of ours, no path, no trace, and nothing piles up."""

import base64
import io
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from shelfsure.pipeline.pipeline import ListingPipeline
from shelfsure.serving.rest.api import create_app
from shelfsure.serving.rest.limits import BodyLimits
from shelfsure.serving.service import Service


@pytest.fixture(scope="module")
def client(
    tiny_trained: ListingPipeline, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TestClient]:
    pipeline = tiny_trained.save(tmp_path_factory.mktemp("hostile") / "shop")
    with Service(lambda: pipeline) as service:
        _ = service.pipeline
        yield TestClient(create_app(service), raise_server_exceptions=False)


def image_bytes(kind: str, size: tuple[int, int] = (40, 30)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, "red").save(buffer, kind)
    return buffer.getvalue()


def png_that_claims(width: int, height: int, data: bytes = b"") -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(name + body))
        return struct.pack(">I", len(body)) + name + body + crc

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


REJECTED = {
    "bomb by header": png_that_claims(60_000, 60_000),
    "bomb by data": png_that_claims(30_000, 30_000, zlib.compress(b"\0" * 20_000_000)),
    "svg with a script": b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
    "html": b"<html><script>alert(1)</script></html>",
    "zip": b"PK\x03\x04" + b"\0" * 300,
    "pdf": b"%PDF-1.7\n1 0 obj",
    "executable": b"\x7fELF" + b"\0" * 300,
    "pickle": b"\x80\x04\x95\x1f\x00\x00\x00",
    "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n",
    "cut off": image_bytes("JPEG")[:200],
    "nothing": b"",
    "path": b"/etc/passwd",
}
USABLE = {
    "one pixel": image_bytes("PNG", (1, 1)),
    "one column": image_bytes("PNG", (1, 300)),
    "jpeg and zip": image_bytes("JPEG") + b"PK\x03\x04<script>alert(1)</script>",
    "gif and javascript": image_bytes("GIF") + b"/*=1;alert(1)*/",
}


@pytest.mark.parametrize("name", [*REJECTED, *USABLE])
def test_verdict_of_a_hostile_photo_is_a_verdict(
    client: TestClient, name: str, tiny_folder: Path
) -> None:
    data = {**REJECTED, **USABLE}[name]
    for file_name in (
        "../../../etc/passwd",
        "<img src=x onerror=alert(1)>.png",
        "a\r\nb",
        "x" * 999,
    ):
        answer = client.post("/v1/verdict", files={"photo": (file_name, data)})
        assert answer.status_code == 200
        assert (answer.json()["decision"] == "rejected") == (name in REJECTED)
        assert answer.headers["x-content-type-options"] == "nosniff"
        for told in (file_name, str(tiny_folder), "Traceback", 'File "', "/usr/", "/home"):
            assert told not in answer.text


@settings(max_examples=40)  # each is sent to every door, as every kind
@given(body=st.binary(max_size=300))
def test_no_body_is_an_error_of_ours(client: TestClient, body: bytes) -> None:
    for kind in ("application/json", "multipart/form-data; boundary=x", "text/plain", ""):
        for path in ("/v1/verdict", "/v1/verdicts", "/v1/duplicates", "/v1/explain"):
            answer = client.post(path, content=body, headers={"content-type": kind})
            assert answer.status_code in {400, 415, 422} or (
                # a form without any field
                answer.json().get("decision") == "rejected" or answer.json()["error"]
            )


@given(
    item=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["title", "photo", "listing_id", "description", "x"]) | st.text(),
                inner,
                max_size=4,
            )
        ),
        max_leaves=8,
    )
)
def test_no_item_is_an_error_of_ours(client: TestClient, item: object) -> None:
    try:
        answer = client.post("/v1/verdicts", json={"listings": [item, {"title": "lamp"}]})
    except (UnicodeEncodeError, ValueError):  # the client itself can't send it
        return
    assert answer.status_code == 200
    first, second = answer.json()["results"]
    assert second["verdict"]["category"] == "Home > Lamps"
    assert (first["verdict"] is None) != (first["error"] is None)
    assert first["error"] is None or first["error"]["status"] == 422


@pytest.mark.parametrize("charset", ["utf-16", "unicode_escape", "idna", "bz2", "x" * 500])
def test_form_in_another_charset_is_refused(client: TestClient, charset: str) -> None:
    kind = f"multipart/form-data; boundary=x; charset={charset}"
    part = b'--x\r\nContent-Disposition: form-data; name="title"\r\n\r\n\\ud800\r\n--x--\r\n'
    answer = client.post("/v1/verdict", content=part, headers={"content-type": kind})
    assert answer.status_code == 415


def test_bodies_are_let_go_after_the_answer(client: TestClient) -> None:
    limited = client.app.app.app.__closure__
    held = [cell.cell_contents for cell in limited if isinstance(cell.cell_contents, BodyLimits)]
    assert len(held) == 1
    big = base64.b64encode(image_bytes("BMP", (600, 600))).decode()
    for status, body in ((200, {"photo": big}), (422, {"photo": big, "x": 1})):
        assert client.post("/v1/verdict", json=body).status_code == status
    assert client.post("/v1/verdict", content=b"x" * 33_000_000).status_code == 413
    assert held[0].held_bytes == 0


@pytest.mark.parametrize("unit", ["[],", "{},", '"a",', "1,", '{"a":1},'])
def test_json_of_many_values_is_refused_before_it_is_read(client: TestClient, unit: str) -> None:
    body = '{"listings":[' + unit * 1_500_000 + "0]}"
    for path in ("/v1/verdict", "/v1/verdicts"):
        answer = client.post(path, content=body, headers={"content-type": "application/json"})
        assert answer.status_code == 413
        assert len(answer.content) < 1_000


def test_item_of_many_fields_gets_one_fault(client: TestClient) -> None:
    many = {f"field{n}": n for n in range(5_000)}
    answer = client.post("/v1/verdicts", json={"listings": [many, {"title": "lamp"}]})
    first, second = answer.json()["results"]
    assert "at most 8 fields" in first["error"]["detail"]
    assert second["verdict"]["category"] == "Home > Lamps"
    assert len(answer.content) < 5_000
    assert client.post("/v1/verdict", json=many).status_code == 422


def test_longest_listing_of_commas_is_read(client: TestClient) -> None:
    item = {"title": "," * 2_000, "description": "[" * 20_000, "listing_id": "{" * 200}
    answer = client.post("/v1/verdicts", json={"listings": [item] * 64})
    assert answer.status_code == 200
    assert [r["error"] for r in answer.json()["results"]] == [None] * 64


def test_form_on_a_full_disk_is_told_to_come_back(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("starlette.formparsers.MultiPartParser.parse", full)
    answer = client.post("/v1/verdict", files={"photo": ("a.png", image_bytes("PNG"))})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")


def test_path_with_a_slash_too_many_is_not_redirected(client: TestClient) -> None:
    answer = client.post("/v1/verdict/", json={"title": "lamp"}, follow_redirects=False)
    assert answer.status_code == 404
