"""Listings in memory, on their way into or out of an index."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...catalog.listing import Listing
from ...core.arrays import Floats
from ...embedding.further_photos import FurtherPhotos
from ...embedding.listings import EmbeddedListings
from ...fusion.views import View, Views
from .further import PHOTO, further_id, photo_of
from .records import Record, records_of

_SPACE_NAME = re.compile(r"[a-z][a-z0-9_]*")  # it becomes part of a file's name
_UNIT_TOLERANCE = 1e-3


@dataclass(frozen=True)
class IndexRows:
    """Records and, row by row, their vectors in each space.

    Raises
    ------
    ValueError
        If rows don't match, an id is blank or comes twice, or a vector isn't of unit length.
    """

    records: Sequence[Record]
    views: Views

    def __post_init__(self) -> None:
        times = Counter(record.listing_id for record in self.records)
        wrong = [key for key, n in times.items() if n > 1 or not key]
        if wrong:
            raise ValueError(
                f"Every listing in an index must have an id of its own, but {wrong[0]!r} is blank "
                "or comes twice. Give each listing its own id."
            )
        check_views(self.views, len(self.records))


def index_rows(embedded: EmbeddedListings) -> IndexRows:
    """Keep of listings what an index holds; a space that none of them is in is left out.

    Further photos come after them, as rows with a photo and nothing else.
    """
    photo, title, further = embedded.photo, embedded.title, embedded.further
    records = records_of(embedded.listings, embedded.photo_hashes)
    if further is not None:
        records += _further_records(embedded.listings, further)
        photo, title = _below(photo, further.photo), _below(title, n=len(further.rows))
    spaces = {PHOTO: photo, "title": title}
    return IndexRows(records, {name: view for name, view in spaces.items() if view.present.any()})


def _further_records(listings: Sequence[Listing], further: FurtherPhotos) -> list[Record]:
    shown = [
        Listing(further_id(listings[row].listing_id, number), image=image)
        for row, number, image in zip(
            further.rows.tolist(), further.numbers, further.images, strict=True
        )
    ]
    return records_of(shown, further.hashes)


def _below(view: View, more: View | None = None, n: int = 0) -> View:
    """Put more rows below a view's, or `n` that aren't there."""
    if more is None:
        more = View(np.zeros((n, view.features.shape[1]), np.float32), np.zeros(n, bool))
    return View(
        np.concatenate([dense(view), dense(more)]), np.concatenate([view.present, more.present])
    )


def embedded_rows(rows: IndexRows) -> EmbeddedListings:
    """Give listings from an index back as what was embedded."""
    n = len(rows.records)
    photo = rows.views.get(PHOTO, View(np.zeros((n, 1), np.float32), np.zeros(n, bool)))
    whose = [photo_of(record.listing_id) for record in rows.records]
    records, title = rows.records, rows.views.get("title")
    main: Sequence[int] | slice = slice(None)  # which copies nothing
    if any(whose):
        main = [row for row, own in enumerate(whose) if own is None]
        records = [records[row] for row in main]
    embedded = EmbeddedListings.of_photos(
        [Listing(r.listing_id, r.title, r.image, category=r.category) for r in records],
        photo.take(main),
        [record.photo_hash for record in records],
        title and title.take(main),
    )
    place = {record.listing_id: row for row, record in enumerate(records)}
    further = [
        (place[own[0]], own[1], row)
        for row, own in enumerate(whose)
        if own is not None and own[0] in place
    ]
    if not further:
        return embedded
    at = [row for _, _, row in further]
    photos = FurtherPhotos(
        rows=np.array([owner for owner, _, _ in further]),
        numbers=[number for _, number, _ in further],
        photo=photo.take(at),
        hashes=[rows.records[row].photo_hash for row in at],
        images=[rows.records[row].image for row in at],
    )
    return replace(embedded, further=photos)


def check_views(views: Views, n_rows: int | None = None) -> None:
    """Raise ValueError for views that don't match row by row, or vectors not of unit length."""
    for space, view in views.items():
        n_rows = len(view.present) if n_rows is None else n_rows
        if len(view.present) != n_rows:
            raise ValueError(
                f"Every view must have one row a listing, but {space} has {len(view.present)} "
                f"rows for {n_rows} listings."
            )
        if not _SPACE_NAME.fullmatch(space):
            raise ValueError(
                f"A space's name must be lower-case letters, digits and _, got {space!r}."
            )
        lengths = np.linalg.norm(dense(view), axis=1)[view.present]
        wrong = lengths[~(np.abs(lengths - 1) <= _UNIT_TOLERANCE)]  # NaN is wrong, too
        if len(wrong):
            raise ValueError(
                f"The {space} vectors must have length 1, but {len(wrong)} don't (one has "
                f"{wrong[0]:.4g}). Divide each by its length, and mask out those that are missing."
            )


def check_spaces(dims: Mapping[str, int], views: Views) -> None:
    """Raise ValueError for vectors that an index has no space for, or one of another width."""
    for space, view in views.items():
        if dims.get(space) != view.features.shape[1]:
            has = ", ".join(f"{name} ({dim} wide)" for name, dim in dims.items())
            raise ValueError(
                f"The index has the spaces {has}, got {space} ({view.features.shape[1]} wide). "
                "Use the encoders that it was built with."
            )


def complete(rows: IndexRows, dims: Mapping[str, int]) -> IndexRows:
    """Give a batch every space of an index; those that it lacks hold nothing.

    Raises ValueError if the index has no space for its vectors.
    """
    check_spaces(dims, rows.views)
    n = len(rows.records)
    missing = {
        space: View(np.zeros((n, dim), dtype=np.float32), np.zeros(n, dtype=bool))
        for space, dim in dims.items()
        if space not in rows.views
    }
    return IndexRows(rows.records, {**rows.views, **missing}) if missing else rows


def concatenate(batches: Sequence[IndexRows]) -> IndexRows:
    """Put batches with the same spaces one after another."""
    if len(batches) == 1:
        return batches[0]
    return IndexRows(
        [record for rows in batches for record in rows.records],
        {
            space: View(
                np.concatenate([dense(rows.views[space]) for rows in batches]),
                np.concatenate([rows.views[space].present for rows in batches]),
            )
            for space in batches[0].views
        },
    )


def dense(view: View) -> Floats:
    """Give a view's vectors as FAISS takes them; without a copy if they are float32 already.

    Raises TypeError if they are sparse.
    """
    if not isinstance(view.features, np.ndarray):
        raise TypeError(
            f"An index holds dense vectors, got {type(view.features).__name__}. "
            "Pass an encoder's embeddings."
        )
    return np.ascontiguousarray(view.features, dtype=np.float32)
