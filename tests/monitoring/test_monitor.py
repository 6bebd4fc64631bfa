"""A log and a bundle in, a report out: what has changed is found, named, shown and told."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from shelfsure.catalog.listing import Listing
from shelfsure.core.arrays import Floats, unit_rows
from shelfsure.core.errors import ConfigError
from shelfsure.embedding.listings import EmbeddedListings
from shelfsure.fusion.views import View
from shelfsure.monitoring.alerts import AlertError, check_url, run, send
from shelfsure.monitoring.drift import Drift, find_drift
from shelfsure.monitoring.log_rows import log_rows
from shelfsure.monitoring.logged import logged_listings
from shelfsure.monitoring.reference import Reference
from shelfsure.monitoring.report import gauges, summary, write_report
from shelfsure.pipeline.verdict import Verdict
from shelfsure.vision.quality import PhotoFlag, PhotoQuality
from standardwebhooks.webhooks import Webhook

START = datetime(2026, 3, 1, tzinfo=UTC)
BLURRY = PhotoFlag(flag="blurry", value=0, threshold=1, message="Hold it still.")
QUALITY = PhotoQuality(800, 1.0, 200, 0.0, 200, 0.0, 0.0)


def cloud(rng: np.random.Generator, n: int, axis: int = 0, width: float = 0.3) -> Floats:
    return unit_rows(np.eye(16)[axis] + width * rng.normal(size=(n, 16)))


def embedded(photo: Floats, title: Floats, prefix: str) -> EmbeddedListings:
    n = len(photo)
    listings = [Listing(f"{prefix}{i}", f"word{i}", category="A", group="g") for i in range(n)]
    there = np.ones(n, dtype=bool)
    made = EmbeddedListings.of_photos(listings, View(photo, there), [None] * n, View(title, there))
    made.quality.update(dict.fromkeys(range(n), QUALITY))  # type: ignore[attr-defined]
    return made


@pytest.fixture
def reference(rng: np.random.Generator) -> Reference:
    known = embedded(cloud(rng, 300), cloud(rng, 300), "k")
    return Reference(known, [()] * 300, "v1", 0.05)


def table(
    rng: np.random.Generator, n: int, strange: dict[str, Any], *, version: str = "v1"
) -> pa.Table:
    """Log listings of ten days, of which every fifth is as `strange` says."""
    photo, title = cloud(rng, n), cloud(rng, n)
    odd = np.arange(n) % 5 == 4
    for name, vectors in (("photo", photo), ("title", title)):
        if name in strange:
            vectors[odd] = strange[name](odd.sum())
    verdicts = [
        Verdict(
            listing_id=f"n{i}",
            decision="accept",
            category="A",
            probability=0.9,
            ood_p_value=float(strange.get("p", 1.0) * p if odd[i] else p),
            quality=(BLURRY,) if odd[i] and "blur" in strange else (),
            model_version=version,
        )
        for i, p in enumerate(rng.random(n))
    ]
    rows = log_rows(embedded(photo, title, "n"), verdicts, START, keep_titles=True)
    times = [START + timedelta(days=10 * i / n) for i in range(n)]
    return rows.set_column(1, "time", pa.array(times, pa.timestamp("us", tz="UTC")))


def drift_of(reference: Reference, rows: pa.Table) -> Drift:
    return find_drift(reference, logged_listings(rows, "v1")[0])


def test_the_same_kind_of_listings_is_no_drift(
    reference: Reference, rng: np.random.Generator
) -> None:
    for _ in range(5):
        drift = drift_of(reference, table(rng, 200, {}))
        assert not drift.found
        assert drift.cause is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("category", "new category"),
        ("outside", "out of catalogue"),
        ("titles", "other titles"),
        ("photos", "other photos"),
        ("blur", "photo quality"),
    ],
)
def test_what_has_changed_is_found_and_named(
    name: str, expected: str, reference: Reference, rng: np.random.Generator
) -> None:
    def other(n: int) -> Floats:
        return cloud(rng, n, 5, 0.15)

    def anything(n: int) -> Floats:
        return unit_rows(rng.normal(size=(n, 16)) - np.eye(16)[0])

    strange: dict[str, dict[str, Any]] = {
        "category": {"photo": other, "title": other, "p": 0.01},
        "outside": {"photo": anything, "title": anything, "p": 0.01},
        "titles": {"title": other},
        "photos": {"photo": other},
        "blur": {"blur": True},
    }
    drift = drift_of(reference, table(rng, 200, strange[name]))
    assert drift.found
    assert drift.stream_alarm is not None
    assert drift.stream_alarm < 150
    assert drift.cause is not None
    assert drift.cause.name == expected
    odd = [row % 5 == 4 for row in drift.cause.rows[:10]]
    assert np.mean(odd) >= 0.9
    assert any(test.alarm and test.kind == "all" for test in drift.tests)


def test_look_alikes_count_once_and_other_bundles_not_at_all(
    reference: Reference, rng: np.random.Generator
) -> None:
    far = cloud(rng, 1, 5)
    same = table(rng, 200, {"photo": lambda n: np.repeat(far, n, 0), "p": 0.001})
    drift = drift_of(reference, same)
    assert len(drift.signals.kept) <= 161
    assert not drift.found
    others = pa.concat_tables([same, table(rng, 30, {}, version="v0")])
    logged, n_of_others = logged_listings(others, "v1")
    assert (len(logged.rows), n_of_others) == (200, 30)


def test_an_empty_log_is_no_drift(
    reference: Reference, rng: np.random.Generator, tmp_path: Path
) -> None:
    drift = drift_of(reference, table(rng, 5, {}).slice(0, 0))
    said = summary(drift, reference, {"broken": False, "said": "Kept."}, 0)
    page = write_report(tmp_path / "out", said, {})
    assert (said["n"], said["drift"]["found"]) == (0, False)
    assert "No drift" in page.read_text()


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in {"src", "href"}]


def test_the_report_shows_what_is_new_offline_and_names_no_listing_to_prometheus(
    reference: Reference, rng: np.random.Generator, tmp_path: Path, tiny_folder: Path
) -> None:
    strange = {"title": lambda n: cloud(rng, n, 5, 0.15)}
    rows = table(rng, 200, strange)
    titles = [f"<b>brandnew {i}" if i % 5 == 4 else "word1" for i in range(200)]
    rows = rows.set_column(12, "title", pa.array(titles))
    drift = drift_of(reference, rows)
    said = summary(drift, reference, {"broken": False, "said": "Kept."}, 3)
    shown = said["unlike"][0]["listing_id"]
    page = write_report(tmp_path / "out", said, {shown: tiny_folder / "photos/0.png"}).read_text()
    parsed = Page()
    parsed.feed(page)
    assert "script" not in parsed.tags
    assert "b" not in parsed.tags
    assert [each[:23] for each in parsed.addresses] == ["data:image/jpeg;base64,"]
    assert parsed.tags.count("polyline") == 7
    assert "Drift: other titles" in page
    assert json.loads((tmp_path / "out/monitor.json").read_text()) == said
    assert said["new_words"][0]["word"] == "<b>brandnew"
    assert said["new_words"][0]["n"] == 40
    assert said["unlike"][0]["nearest"]["title"]["category"] == "A"
    assert next(each["slice"] for each in said["slices"] if each["kind"] == "day") == "2026-03-01"
    gauge = (tmp_path / "out/monitor.prom").read_text()
    assert gauge == gauges(said)
    assert "shelfsure_monitor_drift 1.0\n" in gauge
    assert shown not in gauge


@pytest.fixture
def receiver(
    answering_server: Callable[..., AbstractContextManager[str]],
) -> Iterator[tuple[str, list[tuple[dict[str, str], bytes]]]]:
    """A server that keeps what it is sent; it refuses what goes to /no."""
    got: list[tuple[dict[str, str], bytes]] = []

    def answer(request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers["Content-Length"]))
        got.append((dict(request.headers), body))
        request.send_response(500 if request.path == "/no" else 200)
        request.end_headers()

    with answering_server(answer) as address:
        yield address, got


def test_alerts_are_signed_and_say_when_they_fail(
    receiver: tuple[str, list[Any]], tmp_path: Path
) -> None:
    url, got = receiver
    key = "sixteen-characters"
    send(f"{url}/yes", {"n": 1}, key)
    [(headers, body)] = got
    assert Webhook(key.encode()).verify(body, headers) == {"n": 1}
    with pytest.raises(AlertError, match="500"):
        send(f"{url}/no", {}, key)
    for command in ("false", "no-such-program", "'"):
        with pytest.raises(AlertError, match="The alert command failed"):
            run(command, {})
    run(f"cp /dev/stdin {tmp_path / 'got'}", {"n": 2})
    assert json.loads((tmp_path / "got").read_text()) == {"n": 2}
    with pytest.raises(ConfigError, match="got 'file:///etc/passwd'"):
        check_url("file:///etc/passwd", key)
    with pytest.raises(ConfigError, match="SHELFSURE_ALERT_KEY to at least 16"):
        check_url("https://example.org", "short")
