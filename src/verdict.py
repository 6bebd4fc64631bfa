"""The verdict: what Shelfsure says of one listing, the same object everywhere."""

from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from .fusion.decision import AcceptRule
from .vision.quality import PhotoFlag

Decision = Literal["accept", "review", "out_of_catalogue", "rejected"]
Route = Literal["fusion", "image_only", "text_only", "zero_shot"]


class Guess(BaseModel):
    """A category and its calibrated probability, 0 to 1."""

    model_config = ConfigDict(frozen=True)

    category: str
    probability: float


class NearListing(BaseModel):
    """A catalogue listing near this one; `similarity` is a cosine, 1 = the same."""

    model_config = ConfigDict(frozen=True)

    listing_id: str
    similarity: float
    title: str | None = None
    category: str | None = None


class Duplicate(BaseModel):
    """A catalogue listing that is this one again, or a variant of it, and what shows it."""

    model_config = ConfigDict(frozen=True)

    listing_id: str
    verdict: Literal["same_photo", "same_product", "variant", "different"]
    probability: float
    evidence: str


class Verdict(BaseModel):
    """What is known of one listing, and why.

    Parameters
    ----------
    listing_id
        As uploaded.
    category, probability
        The best category's path and its calibrated probability; None for a rejected listing.
    decision
        ``accept`` (sure enough to go on the shelf), ``review`` (please check),
        ``out_of_catalogue``, or ``rejected`` (couldn't be read; `reasons` say why).
    route
        Which evidence decided; ``zero_shot`` (a category known by name only) is never accepted.
    top_k
        The best categories, most probable first.
    sure_of
        For ``review``: the deepest parent of the category that is sure enough by itself.
    views
        What each modality alone says; it shows which one decided, and where they disagree.
    ood_p_value
        How ordinary the listing is for this catalogue: of the catalogue's own, this share is at
        least as strange. None if the bundle has no gate.
    mismatch
        Photo and title are each sure, of different categories.
    neighbours
        The nearest catalogue listings, nearest first.
    duplicates
        Catalogue listings that are this one again, or a variant of it.
    quality
        What the seller could improve about the photo; it doesn't change the decision.
    reasons
        Why, in plain words.
    model_version
        The bundle that answered.
    """

    model_config = ConfigDict(frozen=True, protected_namespaces=())

    listing_id: str
    category: str | None = None
    probability: float | None = None
    decision: Decision
    route: Route | None = None
    top_k: tuple[Guess, ...] = ()
    sure_of: Guess | None = None
    views: dict[str, Guess] = {}
    ood_p_value: float | None = None
    mismatch: bool = False
    neighbours: tuple[NearListing, ...] = ()
    duplicates: tuple[Duplicate, ...] = ()
    quality: tuple[PhotoFlag, ...] = ()
    reasons: tuple[str, ...] = ()
    model_version: str = ""

    @classmethod
    def rejected(cls, listing_id: str, reason: str, model_version: str) -> "Verdict":
        """Say that a listing couldn't be judged, and why."""
        return cls(
            listing_id=listing_id,
            decision="rejected",
            reasons=(reason,),
            model_version=model_version,
        )


def explain(
    best: Guess,
    views: Mapping[str, Guess],
    rules: Sequence[AcceptRule],
    *,
    accepted: bool,
    sure_of: Guess | None,
) -> tuple[str, ...]:
    """Say in plain words why this decision was made."""
    reasons = []
    if accepted:
        reasons.append(
            f"Its probability {best.probability:.1%} reaches {rules[-1].threshold:.1%}, above "
            f"which at least {rules[-1].target_precision * 100:g}% of answers are right."
        )
    elif not rules or rules[-1].threshold > 1:
        reasons.append("Nothing is accepted on this evidence: no cut-off keeps the precision.")
    else:
        reasons.append(
            f"Its probability {best.probability:.1%} is below {rules[-1].threshold:.1%}, "
            "the cut-off for accepting without a look."
        )
    if sure_of:
        reasons.append(f"Sure of {sure_of.category} ({sure_of.probability:.1%}).")
    differing = [
        f"the {part} alone says {guess.category} ({guess.probability:.0%})"
        for part, guess in views.items()
        if guess.category != best.category
    ]
    if differing:
        said = "; ".join(differing)
        reasons.append(said[0].upper() + said[1:] + ".")
    return tuple(reasons)


def explain_surroundings(
    best: Guess, route: Route, p_value: float, *, refused: bool, mismatch: bool
) -> tuple[str, ...]:
    """Say in plain words what the catalogue has to do with the decision."""
    reasons = []
    if refused:
        reasons.append(
            f"It looks unlike the catalogue: of its own listings only {p_value:.1%} are as strange."
        )
    if route == "zero_shot":
        reasons.append(
            f"No trained category fits; by its name alone, {best.category} does "
            f"({best.probability:.0%})."
        )
    if mismatch:
        reasons.append("Photo and title are each sure, but of different categories.")
    return tuple(reasons)
