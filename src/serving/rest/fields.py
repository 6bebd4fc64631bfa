"""What a field of a request may hold, as it is read and as the schema says it."""

import base64
import binascii
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, WithJsonSchema, model_validator

from ...catalog.listing import MAX_PHOTOS

MAX_ID_CHARS, MAX_TITLE_CHARS, MAX_DESCRIPTION_CHARS = 200, 2_000, 20_000
_URL_FIELDS = {"image_url", "photo_url", "url", "image_urls"}
_GAP = "[ \\t\\r\\n]*"  # base64 is often wrapped into lines
_SIGN = f"[A-Za-z0-9+/]{_GAP}"
_BASE64 = f"^{_GAP}(({_SIGN}){{4}})*(({_SIGN}){{2}}={_GAP}=|({_SIGN}){{3}}=)?{_GAP}$"
_WHITE_SPACE = str.maketrans("", "", " \t\r\n")
_ID_LIMITS = -(2**63), 2**64
"""Of numbers as ids; a double holds both exactly, so that every reader of the schema agrees."""
_AS_DOUBLES = -(2**63) - 2**10, 2**64 + 2**11
"""Whole numbers up to these are the limits themselves to a reader that has doubles only."""
PHOTO_SAYS = "JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF, in base64."
TINY_PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAABgAAAAYAQMAAADaua+7AAAABlBMVEX////IPCiMOMWDAAAAI0lEQVR42mNgIACY"
    "/x9gYmBgYIKwfzAxMFyA8ZHETsD5aAAAQ8QHYREFpmIAAAAASUVORK5CYII="
)
"""A red mug of 24 pixels, for the examples."""
EXAMPLE = {"listing_id": "mug-1", "title": "Red ceramic mug, 350 ml", "photo": TINY_PNG}


def decoded_photo(photo: str) -> bytes:
    """Decode base64, wrapped into lines or not.

    Raises
    ------
    ValueError
        If it is none.
    """
    try:
        return base64.b64decode(photo.translate(_WHITE_SPACE), validate=True)
    except (binascii.Error, ValueError) as error:
        hint = " Leave the `data:…;base64,` prefix out." if photo[:5].lower() == "data:" else ""
        raise ValueError(
            f"a photo must be the file's bytes in base64, but: {error}.{hint}"
        ) from error


def _decoded(photo: Any) -> Any:
    """Decode text; bytes (of a multipart file) stay, anything else is left to be refused."""
    return decoded_photo(photo) if isinstance(photo, str) else photo


def _all_decoded(photos: Any) -> Any:
    """Decode one photo, or each of a list of them."""
    several = photos if isinstance(photos, list) else [photos]
    if not 1 <= len(several) <= MAX_PHOTOS:
        raise ValueError(f"a listing may have 1 to {MAX_PHOTOS} photos, got {len(several)}")
    if not all(isinstance(one, str | bytes) for one in several):
        raise ValueError("a photo must be text, its file's bytes in base64, or a list of such")
    return [_decoded(one) for one in several]


def _id_text(listing_id: Any) -> Any:
    """Write a whole number as its digits, as catalogues do; leave the rest to be checked."""
    lowest, highest = _AS_DOUBLES
    if isinstance(listing_id, bool) or not isinstance(listing_id, int | float):
        return listing_id
    whole = lowest <= listing_id <= highest and listing_id == int(listing_id)
    return str(int(listing_id)) if whole else listing_id


def _whole(number: Any) -> Any:
    """Take 5.0 for 5, as JSON does; leave the rest to be checked."""
    return int(number) if isinstance(number, float) and number.is_integer() else number


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
_PHOTO_SCHEMA = {"type": "string", "contentEncoding": "base64", "pattern": _BASE64}
Photo = Annotated[
    bytes,
    BeforeValidator(_decoded),
    WithJsonSchema(_PHOTO_SCHEMA),
]
Photos = Annotated[
    list[bytes],
    BeforeValidator(_all_decoded),
    WithJsonSchema(
        {
            "anyOf": [
                _PHOTO_SCHEMA,
                {"type": "array", "items": _PHOTO_SCHEMA, "minItems": 1, "maxItems": MAX_PHOTOS},
            ]
        }
    ),
]
Whole = Annotated[int, BeforeValidator(_whole)]


class Given(BaseModel):
    """What a request gives: nothing that isn't read, and no address to fetch from."""

    model_config = ConfigDict(extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def _no_urls(cls, given: Any) -> Any:
        if isinstance(given, Mapping) and (found := sorted(_URL_FIELDS & given.keys())):
            raise ValueError(
                f"`{found[0]}` isn't read: this server fetches nothing. Send the photo's bytes."
            )
        return given
