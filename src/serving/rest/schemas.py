"""What REST takes and gives; the verdict itself is `shelfsure.pipeline.verdict.Verdict`."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ...catalog.listing import Listing
from ...pipeline.verdict import Duplicate, Verdict
from ..indexes import BUNDLE
from ..search import MAX_RESULTS
from .fields import (
    MAX_DESCRIPTION_CHARS,
    MAX_ID_CHARS,
    MAX_TITLE_CHARS,
    PHOTO_SAYS,
    Given,
    ListingId,
    Photo,
    Photos,
    Whole,
)
from .problems import Problem


class ListingIn(Given):
    """A listing to judge; a photo or a title must be there."""

    listing_id: ListingId = Field(
        "", max_length=MAX_ID_CHARS, description="Yours; the answer names it again."
    )
    title: str | None = Field(None, max_length=MAX_TITLE_CHARS)
    description: str | None = Field(None, max_length=MAX_DESCRIPTION_CHARS)
    group: str | None = Field(
        None,
        max_length=MAX_ID_CHARS,
        description="Whose it is, such as a seller; only the verdict log keeps it.",
    )
    photo: Photos | None = Field(
        None, description=f"{PHOTO_SAYS} Of several, the first is the main one."
    )

    def listing(self) -> Listing:
        photos = self.photo or []
        return Listing(
            self.listing_id,
            self.title,
            photos[0] if photos else None,
            self.description,
            group=self.group,
            more_images=tuple(photos[1:]),
        )


class VerdictItem(BaseModel):
    """One listing's answer in a batch: a verdict, or what is wrong with the item."""

    index: int
    verdict: Verdict | None = None
    error: Problem | None = None


class VerdictBatch(BaseModel):
    """One answer a listing, in the request's order."""

    results: list[VerdictItem]


class DuplicateItem(BaseModel):
    """Which catalogue listings one listing is, or what is wrong with the item."""

    index: int
    listing_id: str = ""
    duplicates: list[Duplicate] = []
    error: Problem | None = None


class DuplicateWithin(BaseModel):
    """Two listings of the request that are the same thing, or variants; `a` and `b` are indexes."""

    a: int
    b: int
    verdict: str
    probability: float
    evidence: str
    mergeable: bool


class DuplicateBatch(BaseModel):
    """Duplicates in the catalogue, one answer a listing, and among the listings themselves."""

    n_catalogue: int = Field(description="Catalogue listings looked through; 0: none is kept.")
    results: list[DuplicateItem]
    within: list[DuplicateWithin]
    groups: list[list[int]] = Field(description="Indexes; the listing to keep comes first.")


class SearchIn(Given):
    """What to search by: a photo, a title, both, or a listing that the index holds."""

    model_config = ConfigDict(
        json_schema_extra={"anyOf": [{"required": [name]} for name in ("title", "photo", "like")]}
    )

    title: str = Field("", max_length=MAX_TITLE_CHARS)
    photo: Photo = Field(b"", description=PHOTO_SAYS)
    like: ListingId = Field(
        "", max_length=MAX_ID_CHARS, description="Its id; then photo and title don't count."
    )
    k: Whole = Field(10, ge=1, le=MAX_RESULTS, description="How many to find.")
    index: str = Field(
        BUNDLE,
        max_length=MAX_ID_CHARS,
        description="`bundle`: the training listings; or an index's folder, `index/NAME`.",
    )

    @model_validator(mode="after")
    def _one_way(self) -> "SearchIn":
        if not self.model_fields_set & {"title", "photo", "like"}:
            raise ValueError("a photo, a title or `like` is needed to search by")
        return self


class SearchHit(BaseModel):
    """A listing that was found; `similarity` is a cosine, 1 = the same."""

    model_config = ConfigDict(from_attributes=True)

    listing_id: str
    similarity: float
    title: str | None
    category: str | None


class BrandLook(BaseModel):
    """The title says one brand, the photo looks like another's: a hint to look at, no verdict."""

    model_config = ConfigDict(from_attributes=True)

    says: str
    looks_like: str
    n_says: int = Field(description="Listings of the brand that the title says.")
    n_looks_like: int
    nearest_says: SearchHit
    nearest_looks_like: SearchHit
    own_fraction: float = Field(
        description="Share of the index's own listings that look as much like another brand's."
    )


class SearchAnswer(BaseModel):
    """What was found, nearest first; or what is wrong with that which was to be searched by."""

    n_listings: int = Field(description="Listings in the index.")
    results: list[SearchHit]
    brand_hint: BrandLook | None = None
    error: Problem | None = None


class ExplainOptions(BaseModel):
    """What to explain, in the address after ``?``."""

    model_config = ConfigDict(extra="forbid")

    category: str | None = Field(
        None, max_length=MAX_TITLE_CHARS, description="A trained one (default: the answer)."
    )
    details: Literal["true", "false"] = Field(
        "false", description="Words and regions of the photo, too; takes seconds."
    )


class WordValue(BaseModel):
    """A word where it stands in `text`, or several in a row, and what it adds."""

    start: int
    end: int
    nats: float


class TextValue(BaseModel):
    """A text as the model reads it, and its words; they sum to its part's value."""

    text: str
    words: list[WordValue]


class RegionValue(BaseModel):
    """What the photo's regions add, row by row from the top; they sum to the photo's value.

    `box` is left, top, right, bottom of all of them on the upright photo, in shares of its sides.
    """

    nats: list[list[float]]
    blurred_nats: float
    box: tuple[float, float, float, float]


class ListingAccount(BaseModel):
    """What adds up to the answer, in nats of its category's log-odds; positive speaks for it.

    `prior_nats` and all `parts` sum to `answer_nats`.
    """

    listing_id: str
    model_version: str
    category: str = Field("", description="Empty if there is an error.")
    prior_nats: float | None = None
    parts: dict[str, float] = {}
    answer_nats: float | None = None
    photo_text_nats: float | None = Field(
        None, description="What photo and text say only together; below 0: they say the same."
    )
    dividends: dict[str, float] = Field({}, description="By set of parts, as `photo+title`.")
    words: dict[str, TextValue] = {}
    regions: RegionValue | None = None
    error: Problem | None = None


class Category(BaseModel):
    """A category path; `trained` is False for one that is known by name only."""

    category: str
    trained: bool


class Categories(BaseModel):
    """What this model can answer."""

    model_version: str
    categories: list[Category]


class ChallengerHealth(BaseModel):
    """A model on trial; once it is off, `off` says why, and the champion answers alone."""

    model_version: str | None = Field(description="None while it loads.")
    share: float = Field(description="Of sellers or ids that it answers; 0: of none.")
    on: bool
    off: str | None = None


class Health(BaseModel):
    """`ok` while the process runs; `ready` once the model answers."""

    status: str
    model_version: str | None = None
    challenger: ChallengerHealth | None = None
