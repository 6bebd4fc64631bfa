"""What REST takes and gives; the verdict itself is `shelfsure.pipeline.verdict.Verdict`."""

import base64
import binascii
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from ...catalog.listing import Listing
from ...pipeline.verdict import Duplicate, Verdict
from .problems import Problem

MAX_ID_CHARS, MAX_TITLE_CHARS, MAX_DESCRIPTION_CHARS = 200, 2_000, 20_000
_URL_FIELDS = {"image_url", "photo_url", "url", "image_urls"}
_GAP = "[ \\t\\r\\n]*"  # base64 is often wrapped into lines
_SIGN = f"[A-Za-z0-9+/]{_GAP}"
_BASE64 = f"^{_GAP}(({_SIGN}){{4}})*(({_SIGN}){{2}}={_GAP}=|({_SIGN}){{3}}=)?{_GAP}$"
_WHITE_SPACE = str.maketrans("", "", " \t\r\n")
_ID_LIMITS = -(2**63), 2**64
"""Of numbers as ids; a double holds both exactly, so that every reader of the schema agrees."""
TINY_PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAABgAAAAYAQMAAADaua+7AAAABlBMVEX////IPCiMOMWDAAAAI0lEQVR42mNgIACY"
    "/x9gYmBgYIKwfzAxMFyA8ZHETsD5aAAAQ8QHYREFpmIAAAAASUVORK5CYII="
)
"""A red mug of 24 pixels, for the examples."""
EXAMPLE = {"listing_id": "mug-1", "title": "Red ceramic mug, 350 ml", "photo": TINY_PNG}


def _decoded(photo: Any) -> Any:
    """Decode base64; bytes (of a multipart file) stay, anything else is left to be refused."""
    if not isinstance(photo, str):
        return photo
    try:
        return base64.b64decode(photo.translate(_WHITE_SPACE), validate=True)
    except (binascii.Error, ValueError) as error:
        hint = " Leave the `data:…;base64,` prefix out." if photo[:5].lower() == "data:" else ""
        raise ValueError(
            f"a photo must be the file's bytes in base64, but: {error}.{hint}"
        ) from error


def _id_text(listing_id: Any) -> Any:
    """Write a whole number as its digits, as catalogues do; leave the rest to be checked."""
    lowest, highest = _ID_LIMITS
    if isinstance(listing_id, bool) or not isinstance(listing_id, int | float):
        return listing_id
    whole = lowest <= listing_id <= highest and listing_id == int(listing_id)
    return str(int(listing_id)) if whole else listing_id


ListingId = Annotated[
    str,
    BeforeValidator(_id_text),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "maxLength": MAX_ID_CHARS},
                {"type": "integer", "minimum": _ID_LIMITS[0], "maximum": _ID_LIMITS[1]},
            ]
        }
    ),
]
Photo = Annotated[
    bytes,
    BeforeValidator(_decoded),
    WithJsonSchema({"type": "string", "contentEncoding": "base64", "pattern": _BASE64}),
]


class ListingIn(BaseModel):
    """A listing to judge; a photo or a title must be there."""

    model_config = ConfigDict(extra="forbid", strict=True)

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
    photo: Photo | None = Field(
        None, description="JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF, in base64."
    )

    @model_validator(mode="before")
    @classmethod
    def _no_urls(cls, given: Any) -> Any:
        if isinstance(given, Mapping) and (found := sorted(_URL_FIELDS & given.keys())):
            raise ValueError(
                f"`{found[0]}` isn't read: this server fetches nothing. Send the photo's bytes."
            )
        return given

    def listing(self) -> Listing:
        return Listing(self.listing_id, self.title, self.photo, self.description, group=self.group)


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
