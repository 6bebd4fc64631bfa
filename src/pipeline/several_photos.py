"""A listing's further photos in words: which agree with the main one, and which can't be used."""

from collections.abc import Iterator, Sequence

import numpy as np

from ..catalog.listing import Listing, UnusablePhoto, photo_number
from ..core.arrays import Floats
from ..embedding.listings import EmbeddedListings
from .verdict import Guess, PhotoGuess, percent

_N_NAMED = 3


def n_photos(embedded: EmbeddedListings, row: int) -> int:
    """Count the different photos of a listing that can be used."""
    further = 0 if embedded.further is None else int((embedded.further.rows == row).sum())
    return int(embedded.photo.present[row]) + further


def further_answers(
    embedded: EmbeddedListings, answers: Floats | None, row: int
) -> Iterator[tuple[int, Floats]]:
    """Give the number of each further photo of a listing, and its answer of those in `answers`."""
    if embedded.further is None or answers is None:
        return
    for place in np.flatnonzero(embedded.further.rows == row).tolist():
        yield embedded.further.numbers[place], answers[place]


def say_photos(
    listing: Listing, main: Guess | None, further: Sequence[PhotoGuess]
) -> tuple[str, ...]:
    """Say it in a sentence each; nothing of a listing with one photo.

    Parameters
    ----------
    main, further
        What the main photo alone looks like, and each other one.
    """
    unusable = [
        (photo_number(listing, place), one)
        for place, one in enumerate(listing.more_images)
        if isinstance(one, UnusablePhoto)
    ]
    said = []
    lost = [(number, one) for number, one in unusable if one.stood_in_for]
    if lost:
        said.append(
            f"Photo {len(lost) + 1} stands in for the main one, which can't be used: "
            f"{_said(lost[0][1])}."
        )
    if main is not None and further:
        said.append(_agreement(main, further))
    others = [(number, one) for number, one in unusable if not one.stood_in_for]
    said += [
        f"Photo {number} can't be used: {_said(one)}."
        if one.n == 1
        else f"{one.n} more photos: {_said(one)}."
        for number, one in others[:_N_NAMED]
    ]
    n_more = sum(one.n for _, one in others[_N_NAMED:])
    if n_more:
        said.append(f"{n_more} more photos can't be used.")
    return tuple(said)


def _said(photo: UnusablePhoto) -> str:
    return photo.why.rstrip(".")


def _agreement(main: Guess, further: Sequence[PhotoGuess]) -> str:
    differing = [one for one in further if one.category != main.category]
    n, agreeing = len(further), len(further) - len(differing)
    photos = "further photo looks" if n == 1 else "further photos look"
    said = f"{agreeing} of {n} {photos} like {main.category}, as the main one does"
    differing.sort(key=lambda one: -one.probability)
    named = [
        f"photo {one.photo} looks like {one.category} ({percent(one.probability)})"
        for one in differing[:_N_NAMED]
    ]
    more = [f"{len(differing) - _N_NAMED} more differ"] if len(differing) > _N_NAMED else []
    return "; ".join([said, *named, *more]) + "."
