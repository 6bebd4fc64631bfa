"""Why a verdict is what it is, in words."""

from collections.abc import Mapping, Sequence

from ..fusion.accept_rule import AcceptRule
from .verdict import MISMATCH, Duplicate, Guess, percent


def explain(
    best: Guess,
    likeliest: Guess,
    views: Mapping[str, Guess],
    rules: Sequence[AcceptRule],
    *,
    sure: bool,
    mismatch: bool = False,
    few: int | None = None,
    strange: float | None = None,
    original: Duplicate | None = None,
    sure_of: Guess | None = None,
) -> tuple[str, ...]:
    """Say in plain words why this decision was made, the weightiest reason first.

    Parameters
    ----------
    best, likeliest
        The answer, and the best of the trained categories; they differ where a category known by
        name only took the answer over.
    sure
        The likeliest category's probability reaches the cut-off.
    few
        Training listings of the likeliest category, where they are too few to accept it.
    strange
        The p-value of a listing that the detector refuses; None for one that belongs.
    original
        The catalogue listing that this one is again; what is there belongs there.
    """
    reasons = []
    if original is not None:
        strange = None
        reasons.append(
            f"It is in the catalogue already, as {original.listing_id}: {original.evidence}."
        )
    if strange is not None:
        share = "fewer than 0.1%" if strange < 0.001 else f"only {strange:.1%}"
        reasons.append(
            f"It looks unlike the catalogue: of its own listings {share} are as strange."
        )
    if best != likeliest:
        reasons.append(
            f"No trained category fits; by its name alone, {best.category} does "
            f"({percent(best.probability)}). Such an answer always needs a look."
        )
        return tuple(reasons)
    if strange is not None:
        reasons.append(belongs_after_all(best))
        return tuple(reasons)
    if mismatch:
        reasons.append(MISMATCH)
    if few is not None:
        reasons.append(
            f"Only {few} {'example stands' if few == 1 else 'examples stand'} behind "
            f"{best.category}: too few to accept it without a look."
        )
    held_back = mismatch or original is not None or few is not None
    reasons.append(_cut_off(best.probability, rules, sure=sure, held_back=held_back))
    if sure_of:
        reasons.append(f"Sure of {sure_of.category} ({percent(sure_of.probability)}).")
    differing = [
        f"the {part} alone says {guess.category} ({percent(guess.probability)})"
        for part, guess in views.items()
        if guess.category != best.category
    ]
    if differing:
        said = "; ".join(differing)
        reasons.append(said[0].upper() + said[1:] + ".")
    return tuple(reasons)


def _cut_off(
    probability: float, rules: Sequence[AcceptRule], *, sure: bool, held_back: bool
) -> str:
    """Compare a probability with the cut-off for going on the shelf."""
    if not rules or rules[-1].threshold > 1:
        return "Nothing is accepted on this evidence: no cut-off keeps the precision."
    cut_off = rules[-1].threshold
    if not sure:
        return (
            f"Its probability {percent(probability)} is below {cut_off:.1%}, the cut-off for "
            "accepting without a look."
        )
    if held_back:
        return (
            f"That is why it isn't accepted, although its probability {percent(probability)} "
            f"reaches the cut-off of {cut_off:.1%}."
        )
    return (
        f"Its probability {percent(probability)} reaches the cut-off of {cut_off:.1%}, above which "
        f"at least {rules[-1].target_precision * 100:g}% of answers are right on listings like "
        "those it was trained on."
    )


def belongs_after_all(best: Guess) -> str:
    """Say what a refused listing would be."""
    return (
        f"If it belongs here after all, it is most likely {best.category} "
        f"({percent(best.probability)})."
    )
