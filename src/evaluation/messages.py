"""The headline numbers in plain words."""

from typing import Any, NamedTuple

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
            f"of {n_known:,} listings get the right category from fusion "
            f"(95% interval {fusion['top1_low']:.1%} to {fusion['top1_high']:.1%}).",
        ),
        _auto_accept(metrics["accepted"]),
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


def _auto_accept(accepted: dict[str, Any]) -> Headline:
    target = f"{accepted['target_precision']:.1%}"
    if not accepted["n"]:
        return Headline("0%", "of listings can go live without review: none is sure enough.")
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
