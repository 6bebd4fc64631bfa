"""What monitoring found, as files: a page for people, JSON for programs, gauges for Prometheus."""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from ..core.files import atomic_files, json_text
from ..core.kinds import FolderKind, folder_marked
from ..core.reports import render
from ..embedding.listings import EmbeddedListings
from ..vision.thumbnails import thumbnail_uri
from .causes import most_unlike, ordinary_by
from .drift import Drift, slices_of
from .reference import Reference
from .stream import ALARM

MONITORING = FolderKind(
    "a monitoring report",
    folder_marked("monitor.json", {"drift", "promise"}, "monitor.html", "monitor.prom"),
)
MAX_UNLIKE = 24
MAX_WORDS = 30


def summary(
    drift: Drift, reference: Reference, promise: Mapping[str, Any], n_of_others: int
) -> dict[str, Any]:
    """Put all numbers of a report together, as JSON has them.

    Parameters
    ----------
    promise
        What audits say of accepted listings: ``broken`` and ``said``.
    n_of_others
        Logged listings that other bundles judged, left out here.
    """
    at, rows = drift.stream_alarm, drift.logged.rows
    alarm = {"place": at + 1, **_named(rows[at])} if at is not None else None
    return {
        "format": 1,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "model_version": reference.version,
        "n": len(rows),
        "n_compared": len(drift.signals.kept),
        "n_training": drift.signals.n_known,
        "n_other_bundles": n_of_others,
        "from": rows[0]["time"].isoformat() if rows else None,
        "to": rows[-1]["time"].isoformat() if rows else None,
        "promise": dict(promise),
        "drift": {
            "found": drift.found,
            "cause": drift.cause.name if drift.cause else None,
            "said": drift.cause.said if drift.cause else None,
        },
        "stream": {
            "p_value": drift.stream.p_value,
            "alarm": alarm,
            "signals": {name: own.p_value for name, own in drift.stream_of.items()},
            "detector_p_value": drift.detector_p_value,
        },
        "tests": [{**vars(test), "alarm": test.alarm} for test in drift.tests],
        "slices": [
            _counts(drift, kind, name, own) for (kind, name), own in slices_of(drift.logged).items()
        ],
        "unlike": _unlike(drift, reference.embedded),
        "new_words": new_words(drift, reference.embedded),
    }


def write_report(out: Path, said: Mapping[str, Any], photos: Mapping[str, Any]) -> Path:
    """Write ``monitor.html``, ``monitor.json`` and ``monitor.prom``, all or none; gives the page.

    Parameters
    ----------
    photos
        Listing id -> its photo, of those that are known; they are shown, small.
    """
    shown = [
        each | {"thumbnail": thumbnail_uri(photos.get(each["listing_id"]))}
        for each in said["unlike"]
    ]
    page = render(
        Path(__file__).with_name("monitor.html.j2"),
        said=said,
        unlike=shown,
        history=history(said),
        alarm_level=ALARM,
    )
    numbers = json_text(said)
    with atomic_files(out) as folder:
        # a title may hold half a character, which UTF-8 can't
        (folder / "monitor.html").write_text(page, encoding="utf-8", errors="replace")
        (folder / "monitor.prom").write_text(gauges(said), encoding="utf-8")
        (folder / "monitor.json").write_text(numbers, encoding="utf-8")
    return out / "monitor.html"


def gauges(said: Mapping[str, Any]) -> str:
    """Write gauges as Prometheus's textfile collector reads them; no listing is among them."""
    values: list[tuple[str, str, float]] = [
        ("drift", "", said["drift"]["found"]),
        ("promise_broken", "", said["promise"]["broken"]),
        ("listings", "", said["n"]),
        ("stream_p_value", "", said["stream"]["p_value"]),
        ("made_timestamp_seconds", "", datetime.fromisoformat(said["made"]).timestamp()),
    ]
    for name, p in said["stream"]["signals"].items():
        values.append(("signal_p_value", f'{{signal="{name}"}}', p))
    for name, share in said["slices"][0]["shares"].items():
        values.append(("share", f'{{of="{name}"}}', share))
    lines, seen = [], set()
    for name, labels, value in values:
        if name not in seen:
            lines.append(f"# TYPE shelfsure_monitor_{name} gauge")
            seen.add(name)
        lines.append(f"shelfsure_monitor_{name}{labels} {float(value)!r}")
    return "\n".join(lines) + "\n"


def history(said: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Lay each share's way over the days out as points of a chart 100 wide and 30 high."""
    days = [each for each in said["slices"] if each["kind"] == "day"]
    if len(days) < 2:
        return []
    drawn = []
    for name in days[0]["shares"]:
        values = [day["shares"][name] for day in days]
        top = max(0.05, *values)
        points = [
            (100 * place / (len(days) - 1), 30 - 28 * value / top)
            for place, value in enumerate(values)
        ]
        drawn.append(
            {
                "name": name,
                "points": " ".join(f"{x:.2f},{y:.2f}" for x, y in points),
                "first": values[0],
                "last": values[-1],
                "top": top,
                "from": days[0]["slice"],
                "to": days[-1]["slice"],
            }
        )
    return drawn


def new_words(drift: Drift, known: EmbeddedListings) -> list[dict[str, Any]]:
    """Count words of kept titles that no training title compared with has, the commonest first."""
    old = {word for listing in known.listings for word in (listing.title or "").lower().split()}
    titles = [row["title"] for row in drift.logged.rows if row["title"]]
    counts = Counter(word for title in titles for word in set(title.lower().split()) - old)
    return [{"word": w, "n": n} for w, n in counts.most_common(MAX_WORDS) if n > 1]


def _counts(drift: Drift, kind: str, name: str, own: Any) -> dict[str, Any]:
    rows = [row for row, there in zip(drift.logged.rows, own, strict=True) if there]
    n = max(1, len(rows))
    probabilities = [row["probability"] for row in rows if row["probability"] is not None]
    decisions = Counter(row["decision"] for row in rows)
    shares = {
        "accepted": decisions["accept"] / n,
        "out of catalogue": decisions["out_of_catalogue"] / n,
        "rejected": decisions["rejected"] / n,
        "duplicates": sum(row["n_duplicates"] > 0 for row in rows) / n,
        "no photo": sum("photo" in row["missing"] for row in rows) / n,
        "no title": sum("title" in row["missing"] for row in rows) / n,
        "flawed photos": sum(bool(row["quality"]) for row in rows) / n,
    }
    return {
        "kind": kind,
        "slice": name,
        "n": len(rows),
        "shares": shares,
        "median_probability": float(np.median(probabilities)) if probabilities else None,
        "categories": dict(Counter(row["category"] or "" for row in rows).most_common(10)),
    }


def _unlike(drift: Drift, known: EmbeddedListings) -> list[dict[str, Any]]:
    """Describe the listings most unlike training's, with the nearest training listing of each."""
    ordinary = ordinary_by(drift.signals, len(drift.logged.rows))
    rows = most_unlike(ordinary)
    if drift.cause:
        rows = np.array([*drift.cause.rows][:MAX_UNLIKE], dtype=np.intp)
    return [
        {
            **_named(drift.logged.rows[row]),
            "category": drift.logged.rows[row]["category"],
            "quality": drift.logged.rows[row]["quality"] or [],
            "title": drift.logged.rows[row]["title"],
            "p_values": {
                name: round(float(p[row]), 5) for name, p in ordinary.items() if np.isfinite(p[row])
            },
            "nearest": _nearest(drift, known, row),
        }
        for row in rows[:MAX_UNLIKE].tolist()
    ]


def _nearest(drift: Drift, known: EmbeddedListings, row: int) -> dict[str, dict[str, Any]]:
    """Find the nearest training listing by each part."""
    found: dict[str, dict[str, Any]] = {}
    for part, old, new in (
        ("photo", known.photo, drift.logged.photo),
        ("title", known.title, drift.logged.title),
    ):
        if not new.present[row] or old.features.shape[1] != new.features.shape[1]:
            continue
        similarity = np.where(old.present, old.array @ new.array[row], -np.inf)
        best = int(similarity.argmax())
        if np.isfinite(similarity[best]):
            listing = known.listings[best]
            found[part] = {
                "listing_id": listing.listing_id,
                "category": listing.category,
                "similarity": round(float(similarity[best]), 4),
            }
    return found


def _named(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "listing_id": row["listing_id"],
        "time": row["time"].isoformat(timespec="seconds"),
        "group": row["group"],
    }
