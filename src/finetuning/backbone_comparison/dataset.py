"""The listings that every backbone learns from and is measured on."""

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ...catalog.catalog import Catalog
from ...catalog.listing import Listing, category_prefix
from ...catalog.splits import split_indices
from ...core.arrays import Bools, Ints
from ...core.errors import TrainingError
from ...embedding.further_photos import hash_further_photos
from ...embedding.grouping import group_listings
from ...embedding.photos import PhotoRows

TEST_SHARE = 0.25
SPLIT_SEED = 0
"""One split for all: seeds vary the training, not the question."""


@dataclass(frozen=True)
class Material:
    """One duplicate-safe split.

    Parameters
    ----------
    train, test
        Listings with a usable photo and a category that both the heads and the report know.
    labels
        Shape ``(n_train + n_test,)``, columns of `class_names`.
    n_left_out
        Listings without a photo, of a category that is too rare or not in training, or duplicates
        of a given test listing.
    digest
        Of everything above, the photos' bytes included.
    """

    train: tuple[Listing, ...]
    test: tuple[Listing, ...]
    labels: Ints
    class_names: tuple[str, ...]
    n_left_out: int
    digest: str

    @property
    def listings(self) -> tuple[Listing, ...]:
        """Training listings first, in the order of `labels`."""
        return (*self.train, *self.test)

    @property
    def largest_fraction(self) -> float:
        """Top-1 of whoever always answers the category that is largest in training."""
        answer = np.bincount(self.labels[: len(self.train)]).argmax()
        return float((self.labels[len(self.train) :] == answer).mean())


def gather(
    catalog: Catalog,
    test: Catalog | None,
    *,
    levels: int,
    min_examples: int,
    embed: Callable[[Sequence[Listing]], PhotoRows],
) -> tuple[Material, Catalog, Catalog | None]:
    """Split a catalogue, or keep it and a given test catalogue apart.

    Parameters
    ----------
    catalog, test
        Read with ``need_category=True``. Without `test`, a quarter of `catalog` is held out.
    levels, min_examples
        Categories are cut to so many levels; those with fewer listings in `catalog` are left out.
    embed
        The photos' embeddings say which photos look the same.

    Returns
    -------
    Material, Catalog, Catalog or None
        The split; both catalogues, with unusable photos set aside.

    Raises
    ------
    TrainingError
        If fewer than two categories, or no test listing, are left.
    """
    everything = (*catalog.listings, *(test.listings if test else ()))
    own = np.arange(len(everything)) < len(catalog.listings)
    embedded = embed(everything)
    names = [category_prefix(listing.category or "", levels) for listing in everything]
    counts = Counter(name for name, is_own in zip(names, own, strict=True) if is_own)
    common = np.array([counts[name] >= min_examples for name in names], dtype=bool)
    rows = np.flatnonzero(embedded.view.present & common)
    labels = [names[row] for row in rows.tolist()]
    shown = [everything[row] for row in rows.tolist()]
    grouping = group_listings(
        shown,
        embedded.view.take(rows),
        [embedded.hashes[row] for row in rows.tolist()],
        [listing.title or "" for listing in shown],
        labels,
        further=hash_further_photos(shown),
    ).announced()
    training, held_out = _parts(labels, grouping.groups, None if test is None else own[rows])
    class_names = tuple(sorted({names[rows[place]] for place in training}))
    column = {name: i for i, name in enumerate(class_names)}
    train_rows = rows[training].tolist()
    test_rows = [row for row in rows[held_out].tolist() if names[row] in column]
    catalog = _set_aside(catalog, embedded.problems, 0)
    if len(class_names) < 2 or not test_rows:
        raise TrainingError(
            f"Comparing backbones needs photos of 2 categories or more with {min_examples} "
            f"listings each, and listings to test on, but there are {len(class_names)} and "
            f"{len(test_rows)}. Add listings, or lower --levels. {catalog.summary()}. "
            f"{catalog.first_reasons()}".rstrip()
        )
    chosen = [*train_rows, *test_rows]
    digest = hashlib.sha256(f"{len(train_rows)} {len(test_rows)}".encode())
    for row in chosen:
        item = everything[row]
        said = (item.listing_id, item.title, item.category, names[row], embedded.hashes[row])
        digest.update(repr(said).encode())
    material = Material(
        train=tuple(everything[row] for row in train_rows),
        test=tuple(everything[row] for row in test_rows),
        labels=np.array([column[names[row]] for row in chosen]),
        class_names=class_names,
        n_left_out=len(everything) - len(embedded.problems) - len(chosen),
        digest=digest.hexdigest(),
    )
    return (
        material,
        catalog,
        test and _set_aside(test, embedded.problems, len(own) - len(test.listings)),
    )


def _parts(names: Sequence[str], groups: Ints, own: Bools | None) -> tuple[Ints, Ints]:
    """Choose training and held-out places; a given test part stays whole."""
    if own is None:
        if not names:
            return np.array([], dtype=int), np.array([], dtype=int)
        shares = {"train": 1 - TEST_SHARE, "test": TEST_SHARE}
        parts = split_indices(names, groups, shares, SPLIT_SEED)
        return parts["train"], parts["test"]
    held_out = np.flatnonzero(~own)
    return np.flatnonzero(own & ~np.isin(groups, groups[held_out])), held_out


def _set_aside(catalog: Catalog, problems: Mapping[int, str], first: int) -> Catalog:
    """Reject rows with an unusable photo; `first` is the place of the catalogue's first listing."""
    reasons = {row: problems.get(place) for place, row in enumerate(catalog.rows, first)}
    return catalog.reject({row: f"unusable photo: {why}" for row, why in reasons.items() if why})
