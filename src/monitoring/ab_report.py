"""What an A/B test found, as files: a page for people, JSON for programs."""

import shlex
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..core.files import atomic_files, json_text
from ..core.kinds import FolderKind, folder_marked
from ..core.reports import render
from .comparison import CONFIDENCE, Comparison, Interval, Outcome, differences
from .experiment import Experiment
from .pairs import Pairs

AB_REPORT = FolderKind(
    "a report on an A/B test", folder_marked("ab.json", {"outcome", "intervals"}, "ab.html")
)
_NAMED = {
    "agreement": "same category",
    "same_decision": "same decision",
    "accepted": "accepted, challenger minus champion",
    "right": "right by reviews, challenger minus champion",
}
_SAID: Mapping[Outcome, str] = {
    "better": "The challenger is better, or as good: no loss of right answers is within the "
    "interval. Promote it:",
    "worse": "Keep the champion.",
    "undecided": "Undecided: a loss and a gain of right answers are both possible yet. Have more "
    "listings reviewed.",
}


def summary(
    experiment: Experiment,
    found: Pairs,
    comparison: Comparison,
    promises: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """Put all numbers of a report together, as JSON has them; no listing is among them.

    Parameters
    ----------
    promises
        Role -> what audits say of its accepted answers: ``n``, ``n_right``, ``low``, ``high``,
        ``target``.
    """
    audits = {
        name: {**own, "broken": own["high"] < own["target"]} for name, own in promises.items()
    }
    broken = audits["challenger"]["broken"] or experiment.off is not None
    outcome = comparison.outcome(broken=broken)
    times = [row["time"] for rows in found.answered.values() for row in rows]
    return {
        "format": 1,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        **{name: asdict(getattr(experiment, name)) for name in ("champion", "challenger")},
        "share": experiment.share,
        "off": experiment.off,
        "from": min(times).isoformat(timespec="seconds") if times else None,
        "to": max(times).isoformat(timespec="seconds") if times else None,
        "answered": {name: len(rows) for name, rows in found.answered.items()},
        "decisions": {
            name: dict(Counter(getattr(pair, name)["decision"] for pair in found.pairs))
            for name in promises
        },
        "n_pairs": len(found.pairs),
        "n_alone": found.n_alone,
        "confidence": CONFIDENCE,
        "intervals": {name: asdict(getattr(comparison, name)) for name in _NAMED},
        "n_right": dict(comparison.n_right),
        "audits": audits,
        "differences": differences(found),
        "outcome": outcome,
        "said": " ".join([*_reasons(experiment, audits["challenger"]), _SAID[outcome]]),
        "commands": _commands(experiment, outcome),
    }


def table(said: Mapping[str, Any]) -> Iterator[tuple[str, int, str, str]]:
    """Lay the numbers out as rows: what, how many listings, the value, its interval."""
    for name, heading in _NAMED.items():
        own = Interval(**said["intervals"][name])
        share = name in {"agreement", "same_decision"}
        how = "{:.1%}" if share else "{:+.1%}"
        found = "" if own.mean is None else how.format(own.mean)
        yield heading, own.n, found, f"{how.format(own.low)} to {how.format(own.high)}"
    for name, own in said["audits"].items():
        found = f"{own['n_right'] / own['n']:.1%}" if own["n"] else ""
        bounds = f"{own['low']:.1%} to {own['high']:.1%}, promised {own['target']:.1%}"
        yield f"accepted and right by audits, {name}", own["n"], found, bounds


def write_report(out: Path, said: Mapping[str, Any]) -> Path:
    """Write ``ab.html`` and ``ab.json``, both or none; gives the page."""
    page = render(Path(__file__).with_name("ab.html.j2"), said=said, rows=list(table(said)))
    numbers = json_text(said)
    with atomic_files(out) as folder:
        (folder / "ab.html").write_text(page, encoding="utf-8", errors="replace")
        (folder / "ab.json").write_text(numbers, encoding="utf-8")
    return out / "ab.html"


def _reasons(experiment: Experiment, audits: Mapping[str, Any]) -> list[str]:
    if experiment.off is not None:
        return [f"The challenger was switched off. {experiment.off}"]
    return ["Audits show that the challenger breaks its promise."] if audits["broken"] else []


def _commands(experiment: Experiment, outcome: Outcome) -> dict[str, str]:
    """Say how to let the challenger take over, and how to go back."""
    if outcome != "better":
        return {}
    new, live = (
        shlex.quote(side.bundle or other)
        for side, other in ((experiment.challenger, "NEW"), (experiment.champion, "LIVE"))
    )
    return {
        "promote": f"shelfsure registry promote {new} --name NAME --against TEST.csv",
        "serve": f"shelfsure registry pull NAME --out {live} --overwrite",
        "go back": f"shelfsure registry rollback NAME --out {live}",
    }
