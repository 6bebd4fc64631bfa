"""The conditions that uploads have, each at three severities, and a listing under one of them."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np
from PIL import Image

from ...catalog.listing import Listing
from ...core.errors import ConfigError
from ...retrieval.duplicates.edits import encode_jpeg
from ...vision.load import PhotoLimits, decode_photo
from ...vision.photo_measures import Pixels
from . import light, scene, transfer, wording

Part: TypeAlias = Literal["photo", "title"]
SIDE_PX = 512
"""Photos are disturbed at this longer side at most: encoders look at fewer pixels."""
JPEG_QUALITY = 95


@dataclass(frozen=True)
class PhotoCondition:
    """Something that happens to photos; `severities` are its strengths, mild to harsh."""

    name: str
    said: str
    severities: tuple[float, ...]
    change: Callable[[Pixels, float, np.random.Generator], Pixels]
    part: Part = "photo"


@dataclass(frozen=True)
class TitleCondition:
    """Something that happens to titles; `severities` are its strengths, mild to harsh."""

    name: str
    said: str
    severities: tuple[float, ...]
    change: Callable[[str, float, str | None, np.random.Generator], str]
    part: Part = "title"


Condition: TypeAlias = PhotoCondition | TitleCondition
CONDITIONS: tuple[Condition, ...] = (
    PhotoCondition("dark", "share of the light that is missing", (0.4, 0.65, 0.85), light.dark),
    PhotoCondition("bright", "share of light too much", (0.3, 0.7, 1.4), light.bright),
    PhotoCondition("colour_cast", "of a lamp's tint", (0.35, 0.65, 1.0), light.colour_cast),
    PhotoCondition("rotation", "degrees", (10, 25, 45), scene.rotation),
    PhotoCondition(
        "perspective", "share that the far side shrinks by", (0.1, 0.2, 0.3), scene.perspective
    ),
    PhotoCondition(
        "background", "unquiet behind what stood on white", (0.0, 0.5, 1.0), scene.background
    ),
    PhotoCondition("defocus", "disc, share of the longer side", (0.01, 0.02, 0.04), light.defocus),
    PhotoCondition("motion", "line, share of the longer side", (0.02, 0.04, 0.08), light.motion),
    PhotoCondition("noise", "share of the range", (0.05, 0.12, 0.25), light.noise),
    PhotoCondition("jpeg", "quality", (30, 12, 5), transfer.jpeg),
    PhotoCondition("crop", "share cut off both sides", (0.15, 0.3, 0.5), scene.crop),
    PhotoCondition("occlusion", "share hidden", (0.1, 0.2, 0.35), scene.occlusion),
    PhotoCondition("text_overlay", "lines of text, by ten", (0.1, 0.2, 0.4), scene.text_overlay),
    PhotoCondition("low_resolution", "pixels", (160, 96, 56), transfer.low_resolution),
    PhotoCondition("mirror", "left and right swapped", (1.0,), scene.mirror),
    TitleCondition("typos", "share of the words", (0.15, 0.35, 0.7), wording.typos),
    TitleCondition(
        "missing_brand",
        "and this share of the other words",
        (0.0, 0.25, 0.5),
        wording.missing_brand,
    ),
    TitleCondition("word_order", "share of the words", (0.3, 0.6, 1.0), wording.word_order),
    TitleCondition(
        "other_language",
        "words added, share of those there",
        (0.2, 0.5, 1.0),
        wording.other_language,
    ),
    TitleCondition("capitals", "share of the words", (0.0, 0.5, 1.0), wording.capitals),
)


def pixels_of(listing: Listing, limits: PhotoLimits) -> Pixels:
    """Decode a listing's photo, shape ``(height, width, 3)``, shrunk to `SIDE_PX` at most.

    Raises
    ------
    PhotoError
        If it can't be used.
    """
    photo = decode_photo(
        listing.image or b"", min_side_px=SIDE_PX, longer_side=True, **vars(limits)
    )
    scale = min(1.0, SIDE_PX / max(photo.width_px, photo.height_px))
    size = (max(1, round(photo.width_px * scale)), max(1, round(photo.height_px * scale)))
    return np.asarray(photo.image.resize(size, Image.Resampling.BICUBIC, box=photo.box))


def disturbed(
    listing: Listing, photo: Pixels | None, condition: Condition, severity: int
) -> Listing | None:
    """Put a listing under a condition; None where that changes nothing, or it lacks the part.

    Chance comes from the listing's id and the condition: the same listing is always disturbed in
    the same way, and harsher at a higher severity.

    Parameters
    ----------
    photo
        Its `pixels_of`.
    severity
        1 up to the number of `condition.severities`.
    """
    strength = condition.severities[severity - 1]
    seed = hashlib.sha256(f"{condition.name}\0{listing.listing_id}".encode(errors="replace"))
    rng = np.random.default_rng(list(seed.digest()))
    if isinstance(condition, TitleCondition):
        title = (listing.title or "").strip()
        changed = condition.change(title, strength, listing.brand, rng) if title else title
        return None if changed == title else replace(listing, title=changed)
    if photo is None:
        return None
    seen = condition.change(photo, strength, rng)
    if np.array_equal(seen, photo):
        return None
    return replace(listing, image=encode_jpeg(Image.fromarray(seen), JPEG_QUALITY))


def chosen(names: str | None) -> tuple[Condition, ...]:
    """Look conditions up, named as ``dark,jpeg``; None: all.

    Raises
    ------
    ConfigError
        If there is none of a name.
    """
    if names is None:
        return CONDITIONS
    wanted = [name.strip() for name in names.split(",")]
    known = {each.name: each for each in CONDITIONS}
    if unknown := [name for name in wanted if name not in known]:
        raise ConfigError(
            f"--only must name conditions, got {', '.join(map(repr, unknown))}. There are: "
            f"{', '.join(known)}."
        )
    return tuple(each for each in CONDITIONS if each.name in wanted)
