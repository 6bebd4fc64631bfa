import base64
import dataclasses
import json
from collections.abc import Callable
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from shelfsure.core.reports import jpeg_uri
from shelfsure.evaluation import report
from shelfsure.evaluation.compare import EvaluationInput, compare
from shelfsure.evaluation.report import write_report

FILES = {"metrics.json", "per_category.csv", "rows.csv", "report.html", "comparison.png"}
HOSTILE = (
    '</script><script>alert(1)</script><img src="http://evil.example/x.png" onerror=a()> {{ 7*7 }}'
)


class Page(HTMLParser):
    """Every tag with its attributes, every script's text, and the text that people see."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.styles = ""
        self.text = ""
        self._inside = ""
        self.feed(path.read_bytes().decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            self.scripts[-1] += data
        elif self._inside == "style":
            self.styles += data
        else:
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def photo(row: int) -> str | None:
    return None if row % 3 == 0 else jpeg_uri(Image.new("RGB", (160, 240), (200, 30, row % 255)))


def write(evaluation: EvaluationInput, out: Path, **options: object) -> Page:
    arguments = {"photos": photo, "header": {"model": "starter"}} | options
    return Page(write_report(evaluation, out, **arguments))


def test_write_report_writes_its_files_and_nothing_else(
    make_random: Callable[..., EvaluationInput], tmp_path: Path
) -> None:
    evaluation = make_random()
    assert write_report(evaluation, tmp_path / "new", photos=None, header={}) == (
        tmp_path / "new" / "report.html"
    )
    assert {p.name for p in (tmp_path / "new").iterdir()} == FILES
    assert json.loads((tmp_path / "new/metrics.json").read_text()) == compare(evaluation)
    assert len(pd.read_csv(tmp_path / "new/rows.csv")) == 200
    assert len(pd.read_csv(tmp_path / "new/per_category.csv")) == 3
    with Image.open(tmp_path / "new/comparison.png") as picture:
        assert picture.width > 1200


def test_write_report_loads_nothing_from_outside(
    make_random: Callable[..., EvaluationInput], tmp_path: Path
) -> None:
    page = write(make_random(title=HOSTILE), tmp_path, header={HOSTILE: HOSTILE})
    assert len(page.tags) > 100
    loading = [
        value
        for tag, attributes in page.tags
        for name, value in attributes.items()
        if name in {"src", "srcset", "href", "data", "action", "poster", "background", "xlink:href"}
    ]
    assert len(loading) == sum(tag == "img" for tag, _ in page.tags) > 0
    assert all(value and value.startswith("data:image/jpeg;base64,") for value in loading)
    assert not page.all("link")
    assert page.styles.strip()
    assert "url(" not in page.styles
    assert "@import" not in page.styles
    assert not [a for _, attributes in page.tags for a in attributes if a.startswith("on")]


def test_write_report_lets_only_its_own_scripts_run(
    make_random: Callable[..., EvaluationInput], tmp_path: Path
) -> None:
    names = [HOSTILE, "Home > Rugs", "Toys > Kites"]
    page = write(make_random(title=HOSTILE, listing_id=HOSTILE, class_names=names), tmp_path)
    policy = next(a for a in page.all("meta") if "http-equiv" in a)["content"]
    assert policy
    assert "default-src 'none'" in policy
    data, *scripts = page.scripts
    assert len(scripts) == 2
    for script in scripts:
        digest = base64.b64encode(sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    assert set(json.loads(data)) >= {"accuracy", "coverage", "confusion"}
    assert HOSTILE in page.text  # shown as written


def test_write_report_shows_the_surest_mistakes_with_their_photos(
    make_random: Callable[..., EvaluationInput], tmp_path: Path
) -> None:
    asked: list[int] = []

    def ask(row: int) -> str | None:
        asked.append(row)
        return photo(row)

    evaluation = make_random()
    page = write(evaluation, tmp_path, photos=ask)
    confidence = evaluation.confidence("fusion")
    wrong = np.flatnonzero(~evaluation.correct("fusion"))
    assert asked == wrong[np.argsort(-confidence[wrong], kind="stable")][:12].tolist()
    images = page.all("img")
    assert len(images) > 0
    assert [image["src"] for image in images] == [photo(row) for row in asked if photo(row)]
    assert all(image["alt"] for image in images)


def test_write_report_lists_where_fusion_broke_an_answer(
    by_hand: EvaluationInput, tmp_path: Path
) -> None:
    page = write(by_hand, tmp_path)
    listing = page.text.split("Where fusion broke a correct answer")[1]
    assert "1 listing that" in listing
    assert "blue lamp" in listing
    assert "red rug" not in listing


def test_write_report_cuts_long_lists_and_says_so(
    make_random: Callable[..., EvaluationInput], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "MAX_BROKEN", 5)
    names = [f"Department > Category {i}" for i in range(60)]
    page = write(make_random(n=600, class_names=names), tmp_path)
    assert "the 40 of 60 categories" in page.text
    assert "The first 5 are shown" in page.text
    confusion = json.loads(page.scripts[0])["confusion"]
    assert len(confusion["data"][0]["z"]) == 40


def test_write_report_is_accessible(
    make_random: Callable[..., EvaluationInput], tmp_path: Path
) -> None:
    page = write(make_random(), tmp_path)
    assert len(page.all("h1")) == 1
    assert page.all("html")[0]["lang"] == "en"
    assert len(page.all("th")) > 10
    assert all("scope" in th for th in page.all("th"))
    charts = [a for a in page.all("div") if a.get("role") == "img"]
    assert {a["id"] for a in charts} == set(json.loads(page.scripts[0]))
    assert all(a["aria-label"] for a in charts)
    assert "prefers-color-scheme: dark" in page.styles


def test_write_report_works_without_mistakes_views_photos_or_acceptance(
    make_random: Callable[..., EvaluationInput], tmp_path: Path
) -> None:
    evaluation = make_random(n=40, baselines=("fusion",))
    answers = [evaluation.class_names[i] for i in evaluation.predicted("fusion")]
    perfect = dataclasses.replace(evaluation, categories=answers, accepted=np.zeros(40, dtype=bool))
    page = write(perfect, tmp_path, photos=None)
    assert "Fusion made no mistake." in page.text
    assert "none is sure enough" in page.text
    assert not page.all("img")


def test_write_report_survives_half_a_character_in_a_title(
    make_random: Callable[..., EvaluationInput], tmp_path: Path
) -> None:
    assert "bad ?" in write(make_random(title="bad \ud83d"), tmp_path).text


def test_write_report_leaves_no_numbers_beside_files_of_a_failed_run(
    make_random: Callable[..., EvaluationInput], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(make_random(), tmp_path)

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(report, "save_comparison", fail)
    with pytest.raises(OSError, match="disk full"):
        write(make_random(), tmp_path)
    assert not (tmp_path / "metrics.json").exists()
    assert not [p.name for p in tmp_path.iterdir() if "partial" in p.name]
