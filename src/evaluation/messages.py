"""The headline numbers in plain words, and what to be warned of."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from ..pipeline.verdict import Shift
from .baselines import FUSION, SINGLE_VIEWS, arm_label


class Headline(NamedTuple):
    """A number and the sentence that says what it means."""

    number: str
    sentence: str


def headlines(metrics: dict[str, Any], n_broken: int, n_rescued: int) -> list[Headline]:
    """Say what matters most: accuracy, auto-accept, what fusion adds, what it breaks.

    Parameters
    ----------
    metrics
        As `compare` returns them.
    n_broken, n_rescued
        Listings where fusion lost a right answer, and where it found one that no view had.
    """
    fusion = metrics["arms"][FUSION]
    n_known = metrics["n"] - metrics["n_unknown_category"]
    lines = [
        Headline(
            f"{fusion['top1']:.1%}",
            f"of {counted(n_known, metrics['n_groups_known_category'])} get the right category "
            "from fusion "
            f"(95% interval {fusion['top1_low']:.1%} to {fusion['top1_high']:.1%}).",
        ),
        _auto_accept(metrics["accepted"], drifted="shift" in metrics),
    ]
    views = [arm for arm in SINGLE_VIEWS if arm in metrics["arms"]]
    if views:
        lines += [
            _gain(metrics, max(views, key=lambda arm: metrics["arms"][arm]["top1"])),
            Headline(
                f"+{n_rescued:,} / −{n_broken:,}",
                f"Fusion found the right category in {n_rescued:,} listings where no single view "
                f"had it, and lost it in {n_broken:,} where one had.",
            ),
        ]
    return lines


def counted(n_listings: int, n_groups: int) -> str:
    """Write how many listings there are, and in how many groups where those are fewer."""
    listings = f"{n_listings:,} {'listing' if n_listings == 1 else 'listings'}"
    if n_groups == n_listings:
        return listings
    return f"{listings} in {n_groups:,} {'group' if n_groups == 1 else 'groups'}"


def warnings(metrics: Mapping[str, Any]) -> list[str]:
    """Collect what a reader must not overlook: that listings drifted, that the promise is broken.

    Parameters
    ----------
    metrics
        As `compare` returns them.
    """
    accepted, found = metrics["accepted"], []
    if shift := metrics.get("shift"):
        found.append(Shift(**shift).warning(held=not accepted["n"]))
    return found + ([broken] if (broken := broken_promise(accepted)) else [])


def broken_promise(accepted: Mapping[str, Any]) -> str:
    """Say that fewer of the accepted are right than was promised, beyond chance; else empty."""
    if not accepted["n"] or accepted["precision_high"] >= accepted["target_precision"]:
        return ""
    return (
        f"The promise is broken: {accepted['target_precision']:.1%} of accepted answers should be "
        f"right, but with 95% confidence at most {accepted['precision_high']:.1%} are, by "
        f"{counted(accepted['n'], accepted['n_groups'])}. "
        "Train with listings like them before you accept any."
    )


def accepted_text(accepted: Mapping[str, Any]) -> str:
    """Say in a line how much was accepted, how much of that is right, and what was promised."""
    if not accepted["n"]:
        return "Nothing was accepted: no answer reached its cut-off."
    said = (
        f"Accepted {accepted['coverage']:.1%} of the listings; {accepted['precision']:.1%} of them "
        f"were right (promised: {accepted['target_precision']:.1%})."
    )
    broken = broken_promise(accepted)
    return f"{said} WARNING: {broken}" if broken else said


def _auto_accept(accepted: dict[str, Any], *, drifted: bool) -> Headline:
    target = f"{accepted['target_precision']:.1%}"
    if not accepted["n"]:
        why = "they have drifted" if drifted else "none is sure enough"
        return Headline("0%", f"of listings can go live without review: {why}.")
    if accepted["precision_low"] >= accepted["target_precision"]:
        judgement = f"The target of {target} is met"
    elif accepted["precision"] >= accepted["target_precision"]:
        judgement = f"The target of {target} is met here, but chance can't be ruled out yet"
    else:
        judgement = f"The target of {target} is missed"
    return Headline(
        f"{accepted['coverage']:.0%}",
        f"of listings can go live without review; {accepted['precision']:.1%} of those are right. "
        f"{judgement} (with 95% confidence at least {accepted['precision_low']:.1%}).",
    )


def _gain(metrics: dict[str, Any], best: str) -> Headline:
    paired = metrics["paired"][f"{FUSION}_vs_{best}"]
    if paired["low"] > 0:
        judgement = "Fusion is better"
    elif paired["high"] < 0:
        judgement = "Fusion is worse"
    else:
        judgement = "No clear difference"
    return Headline(
        f"{100 * paired['difference']:+.1f}",
        f"percentage points against the best single view, {arm_label(best).lower()}. "
        f"{judgement} (95% interval {100 * paired['low']:+.1f} to {100 * paired['high']:+.1f}).",
    )
