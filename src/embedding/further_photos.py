"""Photos of listings besides the main one: as vectors, and standing in for one that is lost."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..catalog.listing import Listing, UnusablePhoto, photo_number, with_photos
from ..core.arrays import Ints
from ..core.errors import PhotoError
from ..fusion.views import View
from ..vision.load import photo_bytes
from .encoders import ImageEncoder
from .photos import PhotoRows, embed_photos
from .run_options import RunOptions


@dataclass(frozen=True)
class FurtherPhotos:
    """m photos of n listings, in the listings' order; none is another of its listing again.

    Parameters
    ----------
    rows
        Shape ``(m,)``: whose each is.
    numbers
        Its number among the photos that the listing names, from 1.
    photo
        Unit vectors; all are there, or none is, of photos that are known by their bytes only.
    hashes
        sha256 of each one's bytes, None where it isn't known.
    images
        Paths or bytes; None where they aren't known.
    """

    rows: Ints
    numbers: Sequence[int]
    photo: View
    hashes: Sequence[str | None]
    images: Sequence[str | Path | bytes | None]

    def take(self, rows: Sequence[int]) -> "FurtherPhotos | None":
        """Keep the photos of some listings, which are numbered anew; None if they have none."""
        places: dict[int, list[int]] = {}
        for place, row in enumerate(self.rows.tolist()):
            places.setdefault(row, []).append(place)
        kept = [(own, place) for own, row in enumerate(rows) for place in places.get(row, ())]
        if not kept:
            return None
        return FurtherPhotos(
            rows=np.array([own for own, _ in kept]),
            numbers=[self.numbers[place] for _, place in kept],
            photo=self.photo.take([place for _, place in kept]),
            hashes=[self.hashes[place] for _, place in kept],
            images=[self.images[place] for _, place in kept],
        )


def hash_further_photos(listings: Sequence[Listing]) -> FurtherPhotos | None:
    """Look at listings' further photos by their bytes only; what can't be read is left out.

    Returns
    -------
    FurtherPhotos or None
        Without vectors; None if there are none.
    """
    found = [
        (row, photo_number(listing, place), image, digest)
        for row, listing in enumerate(listings)
        for place, image in enumerate(listing.more_images)
        if not isinstance(image, UnusablePhoto) and (digest := _digest(image))
    ]
    if not found:
        return None
    n = len(found)
    return FurtherPhotos(
        rows=np.array([row for row, *_ in found]),
        numbers=[number for _, number, *_ in found],
        photo=View(np.zeros((n, 1), dtype=np.float32), np.zeros(n, dtype=bool)),
        hashes=[digest for *_, digest in found],
        images=[image for _, _, image, _ in found],
    )


def _digest(image: str | Path | bytes) -> str | None:
    try:
        return hashlib.sha256(photo_bytes(image)).hexdigest()
    except PhotoError:
        return None


def embed_all_photos(
    listings: Sequence[Listing],
    encoder: ImageEncoder,
    options: RunOptions,
    *,
    quality: bool = False,
) -> tuple[list[Listing], PhotoRows, FurtherPhotos | None]:
    """Embed listings' main photos, and their further ones; see `embed_photos`.

    Where a main photo can't be used, the first further one that can be stands in for it.

    Returns
    -------
    list of Listing, PhotoRows, FurtherPhotos or None
        The listings, with what can't be used of their further photos said in its place; their main
        photos; and the others, None if there are none.
    """
    main = embed_photos([one.image for one in listings], encoder, options, quality=quality)
    named = [
        (row, image)
        for row, listing in enumerate(listings)
        for image in listing.more_images
        if not isinstance(image, UnusablePhoto)
    ]
    if not named:
        return list(listings), main, None
    further = embed_photos([image for _, image in named], encoder, options)
    problems = {named[place]: why for place, why in further.problems.items()}
    told = [_told(row, listing, main, problems) for row, listing in enumerate(listings)]
    changed = [row for row, one in enumerate(told) if one.image is not listings[row].image]
    if changed:
        images = [told[row].image for row in changed]
        _put(main, changed, embed_photos(images, encoder, options, quality=quality))
    place_of = {key: place for place, key in enumerate(named)}
    return told, main, _further(told, main, place_of, further)


def _told(
    row: int,
    listing: Listing,
    main: PhotoRows,
    problems: dict[tuple[int, str | Path | bytes], str],
) -> Listing:
    """Say of a listing's photos which can't be used, and take the first that can for the main."""
    more = [
        one
        if isinstance(one, UnusablePhoto) or (row, one) not in problems
        else UnusablePhoto(problems[row, one])
        for one in listing.more_images
    ]
    if row not in main.problems:
        return replace(listing, more_images=tuple(more)) if more else listing
    n_before = sum(isinstance(one, UnusablePhoto) and one.stood_in_for for one in more)
    photos = [*more[:n_before], UnusablePhoto(main.problems[row]), *more[n_before:]]
    image, further = with_photos(photos)
    return listing if image is None else replace(listing, image=image, more_images=further)


def _put(main: PhotoRows, rows: Sequence[int], others: PhotoRows) -> None:
    """Put other photos in some rows' places."""
    main.view.array[rows], main.view.present[rows] = others.view.array, others.view.present
    if main.view.in_encoder_train_set is not None and others.view.in_encoder_train_set is not None:
        main.view.in_encoder_train_set[rows] = others.view.in_encoder_train_set
    for place, row in enumerate(rows):
        main.hashes[row] = others.hashes[place]
        main.problems.pop(row, None)
        if place in others.quality:
            main.quality[row] = others.quality[place]


def _further(
    listings: Sequence[Listing],
    main: PhotoRows,
    place_of: dict[tuple[int, str | Path | bytes], int],
    embedded: PhotoRows,
) -> FurtherPhotos | None:
    """Gather what listings have besides their main photo; the same bytes again don't count."""
    kept: list[tuple[int, int, int]] = []
    for row, listing in enumerate(listings):
        seen = {main.hashes[row]}
        for n, image in enumerate(listing.more_images):
            if isinstance(image, UnusablePhoto):
                continue
            place = place_of[row, image]
            if embedded.view.present[place] and embedded.hashes[place] not in seen:
                seen.add(embedded.hashes[place])
                kept.append((row, photo_number(listing, n), place))
    if not kept:
        return None
    images = {place: image for (_, image), place in place_of.items()}
    return FurtherPhotos(
        rows=np.array([row for row, _, _ in kept]),
        numbers=[number for _, number, _ in kept],
        photo=embedded.view.take([place for _, _, place in kept]),
        hashes=[embedded.hashes[place] for _, _, place in kept],
        images=[images[place] for _, _, place in kept],
    )
