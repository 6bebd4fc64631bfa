"""The real demo, asked as no browser would: nothing of this machine comes out, and no 500."""

import json
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

FILE = {"_type": "gradio.FileData"}


class Page:
    """The demo's page as a program sees it."""

    def __init__(self, url: str) -> None:
        self.http = httpx.Client(base_url=url, timeout=60)
        found = re.search(
            r"window\.gradio_config = (\{.*?\});</script>", self.http.get("/").text, re.DOTALL
        )
        self.config = json.loads(found[1])

    def event(self, elem_id: str) -> int:
        """Find the number of a button's event."""
        parts = {c["props"].get("elem_id"): c["id"] for c in self.config["components"]}
        return next(
            d["id"]
            for d in self.config["dependencies"]
            if [parts[elem_id], "click"] in [list(target) for target in d["targets"]]
        )

    def click(self, elem_id: str, data: list[Any]) -> httpx.Response:
        session = secrets.token_hex(6)
        asked = {"fn_index": self.event(elem_id), "session_hash": session, "data": data}
        joined = self.http.post("/gradio_api/queue/join", json=asked)
        if joined.status_code != 200:
            return joined
        return self.http.get("/gradio_api/queue/data", params={"session_hash": session})


@pytest.fixture(scope="module")
def demo(demo_url: str) -> Iterator[Page]:
    page = Page(demo_url)
    yield page
    page.http.close()


@pytest.mark.parametrize("meta", [{"meta": FILE}, {}, {"meta": FILE, "is_stream": True}])
def test_demo_reads_no_file_that_was_not_uploaded(
    demo: Page, tiny_folder: Path, meta: dict[str, Any]
) -> None:
    photo = {"path": str(tiny_folder / "photos/0.png"), **meta}
    table = {"path": str(tiny_folder / "catalogue.csv"), "orig_name": "a.csv", **meta}
    for answer in (
        demo.click("check-button", [photo, "lamp", "", None]),
        demo.click("check-button", [None, "lamp", "", [photo]]),
        demo.click("batch-start", [table, None, "", False, False, [], "", [], None]),
        demo.click("evaluate-start", [table, None, "", None, "", None]),
    ):
        assert answer.status_code == 422
        assert "Brand" not in answer.text


def test_demo_takes_what_was_uploaded(demo: Page, tiny_folder: Path) -> None:
    photo = (tiny_folder / "photos/0.png").read_bytes()
    [path] = demo.http.post("/gradio_api/upload", files={"files": ("../a.png", photo)}).json()
    assert Path(path).name == "a.png"
    answer = demo.click("check-button", [{"path": path, "meta": FILE}, "lamp", "", None])
    assert answer.status_code == 200
    assert "sf-verdict" in answer.text
    assert demo.http.get(f"/gradio_api/file={path}").content == photo


def test_demo_serves_no_other_file(demo: Page, tiny_folder: Path) -> None:
    for path in (tiny_folder / "catalogue.csv", "/etc/passwd", "../../etc/passwd"):
        answer = demo.http.get(f"/gradio_api/file={path}")
        assert answer.status_code in {403, 404}


def test_demo_lets_no_other_site_in(demo: Page) -> None:
    answer = demo.http.get("/", headers={"origin": "http://evil.example"})
    assert not [name for name in answer.headers if name.startswith("access-control")]
    answer = demo.http.get("/", headers={"x-forwarded-host": "evil.example"})
    assert "evil.example" not in answer.text


def test_demo_answers_a_broken_upload_with_a_problem(demo: Page) -> None:
    for files in ({"files": (None, "text")}, {"files": (None, "long" * 5_000)}):
        answer = demo.http.post("/gradio_api/upload", files=files)
        assert answer.status_code in {400, 413}
        assert answer.json()["type"].startswith("urn:shelfsure:problem:")
