"""The verdict: what Shelfsure says of one listing, the same object everywhere."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from ..vision.quality import PhotoFlag

Decision = Literal["accept", "review", "out_of_catalogue", "rejected"]
Route = Literal["fusion", "image_only", "text_only", "zero_shot"]
MISMATCH = "Photo and title don't match: each is sure of another category."
"""The reason that a verdict gives where its `mismatch` is set."""


class Guess(BaseModel):
    """A category and its calibrated probability, 0 to 1."""

    model_config = ConfigDict(frozen=True)

    category: str
    probability: float


class PhotoGuess(Guess):
    """What one of a listing's further photos looks like by itself; `photo` counts from 1."""

    photo: int


class NearListing(BaseModel):
    """A catalogue listing near this one; `similarity` is a cosine, 1 = the same."""

    model_config = ConfigDict(frozen=True)

    listing_id: str
    similarity: float
    title: str | None = None
    category: str | None = None


class Duplicate(BaseModel):
    """A catalogue listing that is this one again, or a variant of it, and what shows it.

    `mergeable`: the two may become one; the same photo under unrelated titles may not.
    """

    model_config = ConfigDict(frozen=True)

    listing_id: str
    verdict: Literal["same_photo", "same_product", "variant", "different"]
    probability: float
    evidence: str
    mergeable: bool = False


class Shift(BaseModel):
    """The stream that a listing came in has drifted; a small `p_value` is strong evidence."""

    model_config = ConfigDict(frozen=True)

    p_value: float
    what: str

    @property
    def finding(self) -> str:
        """What has drifted, and how sure that is."""
        return f"{self.what} (p {self.p_value:.1g})"

    @property
    def reason(self) -> str:
        """Why a listing that would be accepted is held."""
        return (
            f"Nothing is accepted for now, or it would be. {self.what} Calibrate anew with some of "
            "them before the promise holds again."
        )

    def warning(self, *, held: bool) -> str:
        """Say what has drifted and what that means; `held`: nothing is accepted because of it."""
        meaning = (
            "Nothing is accepted before it was calibrated for them."
            if held
            else "What it promises of accepted ones doesn't hold for them."
        )
        return f"{self.finding} {meaning}"


class Verdict(BaseModel):
    """What is known of one listing, and why.

    Parameters
    ----------
    listing_id
        As uploaded.
    category, probability
        The best category's path and its calibrated probability; None for a rejected listing.
    category_id
        The category's id in a taxonomy, where one was given.
    decision
        ``accept`` (sure enough to go on the shelf, and not there yet), ``review`` (please check),
        ``out_of_catalogue``, or ``rejected`` (couldn't be read; `reasons` say why).
    route
        Which evidence decided; ``zero_shot`` (a category known by name only) is never accepted.
    top_k
        The best categories, most probable first.
    sure_of
        For ``review``: the deepest parent of the category that is sure enough by itself.
    n_examples
        Training listings of the category; 0 for one that is known by name only.
    views
        What each modality alone says; it shows which one decided, and where they disagree.
    ood_p_value
        How ordinary the listing is for this catalogue: of the catalogue's own, this share is at
        least as strange. None if the bundle has no detector.
    shift
        Listings like this one have drifted away from the training listings; None if not.
    audit
        It is accepted, and was drawn to be looked at all the same, so that the promise is watched.
    mismatch
        Photo and title are each sure, of different categories.
    n_photos
        How many different photos were looked at; the decision goes by the main one.
    further_photos
        What each of the others looks like; they tell, and change nothing.
    neighbours
        The nearest catalogue listings, nearest first.
    duplicates
        Catalogue listings that are this one again, or a variant of it. With a `mergeable` one it
        is in the catalogue already, and goes to review.
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
    category_id: str | None = None
    probability: float | None = None
    decision: Decision
    route: Route | None = None
    top_k: tuple[Guess, ...] = ()
    sure_of: Guess | None = None
    n_examples: int | None = None
    views: dict[str, Guess] = {}
    ood_p_value: float | None = None
    shift: Shift | None = None
    audit: bool = False
    mismatch: bool = False
    n_photos: int = 0
    further_photos: tuple[PhotoGuess, ...] = ()
    neighbours: tuple[NearListing, ...] = ()
    duplicates: tuple[Duplicate, ...] = ()
    quality: tuple[PhotoFlag, ...] = ()
    reasons: tuple[str, ...] = ()
    model_version: str = ""

    @property
    def original(self) -> Duplicate | None:
        """The catalogue listing that this one is again, the surest; None if it is new."""
        return next((copy for copy in self.duplicates if copy.mergeable), None)

    @classmethod
    def rejected(cls, listing_id: str, reason: str, model_version: str) -> "Verdict":
        """Say that a listing couldn't be judged, and why."""
        return cls(
            listing_id=listing_id,
            decision="rejected",
            reasons=(reason,),
            model_version=model_version,
        )

    def with_unlike_photo(self) -> "Verdict":
        """Say that photo and title may belong to different things; it decides nothing."""
        reason = (
            "The photo is less like the title than nearly all photos of the catalogue are like "
            "theirs: do they show and name the same thing?"
        )
        return self.model_copy(update={"reasons": (*self.reasons, reason)})

    def without_photo(self, why: str) -> "Verdict":
        """Say that the listing has a photo that isn't used, and why."""
        judged = self.decision != "rejected"
        said = "It goes by its title, as its photo" if judged else "Its photo"
        reason = f"{said} can't be used: {why}"
        return self.model_copy(update={"reasons": (*self.reasons, reason)})


def percent(probability: float) -> str:
    """Write a probability; one that isn't quite 0 or 1 never looks as if it were.

    >>> percent(0.9847), percent(0.0002), percent(0.99996)
    ('98.5%', '<0.1%', '>99.9%')
    """
    if 0 < probability < 0.0005:
        return "<0.1%"
    return ">99.9%" if 0.9995 <= probability < 1 else f"{probability:.1%}"
