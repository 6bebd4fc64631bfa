"""Listings to try with one click, drawn by `sample` and so nobody's property."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...pipeline.starter import N_PER_CATEGORY
from ...sample.looks import draw_look
from ...sample.photos import Photo, develop
from ...sample.plan import plan_catalogue, plan_uploads

_SEED = 11
_SHOP_SEED = 7  # of the sample catalogue that `starter` draws
_MUG, _VASE = "Kitchen > Mugs", "Home > Vases"


@dataclass(frozen=True)
class Example:
    """A listing to try.

    Parameters
    ----------
    name
        What its button says.
    photo
        A JPEG file; None for a listing without a photo.
    """

    name: str
    title: str
    photo: Path | None


def draw_examples(folder: Path) -> tuple[Example, ...]:
    """Draw one listing for each thing that a verdict may say; photos go into `folder`."""
    mug, vase, other_mug, car = (
        _photo(folder, subject, number)
        for subject, number in ((_MUG, 5), (_VASE, 4), (_MUG, 6), ("car", 2))
    )
    return (
        Example("A mug", "Ceramic coffee mug with a printed design, 330 ml", mug),
        Example("A vase", "Handmade ceramic flower vase, showpiece", vase),
        _seen_before(folder),
        Example("Mismatched", "Round analog wall clock for the living room", other_mug),
        Example("Not sold here", "Family car, five doors, diesel", car),
        Example("A title alone", "Analog wrist watch for men, leather strap", None),
    )


def _seen_before(folder: Path) -> Example:
    """Draw an edited copy of a vase in the starter's catalogue."""
    rng = np.random.default_rng(_SHOP_SEED)
    catalogue = plan_catalogue(rng, _SHOP_SEED, N_PER_CATEGORY)
    uploads = plan_uploads(rng, _SHOP_SEED, catalogue, N_PER_CATEGORY)
    copy, recipe = next(
        (row.listing, row.photo)
        for row in uploads
        if row.photo and row.kind == "near_duplicate" and row.listing.category == _VASE
    )
    path = folder / "seen-before.jpg"
    path.write_bytes(develop(recipe))
    return Example("Listed already", copy.title or "", path)


def _photo(folder: Path, subject: str, number: int) -> Path:
    look = draw_look(np.random.default_rng((_SEED, number)))
    path = folder / f"example-{number}.jpg"
    path.write_bytes(develop(Photo(subject, (_SEED, number), look, quality=88)))
    return path
