"""The starter pipeline: the bundle inside the package, over the sample catalogue.

The bundle was trained on real listings and holds none of them (see its README.md). What it finds
neighbours and duplicates in is what the sample catalogue, which is drawn, has of the bundle's own
categories: unpacked and embedded once, then kept.
"""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from filelock import FileLock

from ..catalog.catalog import read_catalog
from ..catalog.listing import Listing, category_levels, category_prefix
from ..catalog.sample import sample_fingerprint, unpack_sample
from ..core.cache import default_cache_dir
from ..core.errors import CacheError, ListingIndexError
from ..embedding.embedder import Embedder
from ..embedding.run_options import RunOptions
from ..retrieval.index.rows import index_rows
from ..retrieval.index.store import ListingIndex
from ..retrieval.zero_shot.load_space import fingerprints
from .pipeline import ListingPipeline
from .verdict import Verdict

STARTER_BUNDLE = Path(__file__).parent / "starter_bundle"
"""A bundle like any other: every command that takes a bundle's folder takes this one."""
N_PER_CATEGORY = 10
"""Listings in each of 12 categories: enough to find something, few enough to wait for."""
_NAMES = {
    "Kitchen": "Kitchen & Dining",
    "Home": "Home Decor & Festive Needs",
    "Electronics > Laptops": "Computers",
}
"""What the bundle calls the sample's categories, as far as it knows them."""


class StarterPipeline(ListingPipeline):
    """Shows neighbours of the category that it answers, or none: its catalogue lacks most."""

    def predict(self, listings: Sequence[Listing], **options: Any) -> list[Verdict]:
        """Judge listings, as every pipeline does."""
        return [_of_its_kind(verdict) for verdict in super().predict(listings, **options)]


def starter_pipeline(options: RunOptions | None = None) -> ListingPipeline:
    """Load the pipeline that classifies real photos at once, without any training.

    The first call embeds the sample catalogue, which takes some 10 s; later ones find it.

    Parameters
    ----------
    options
        As for `ListingPipeline.load`.

    Raises
    ------
    CacheError
        If the sample catalogue can't be kept.
    """
    pipeline = StarterPipeline.load(STARTER_BUNDLE, options)
    if pipeline.retrieval is None:
        return pipeline
    index = _shop_index(pipeline.embedder)
    return replace(pipeline, retrieval=replace(pipeline.retrieval, index=index))


def starter_name(category: str) -> str | None:
    """Give the bundle's name for a category of the sample; None if it doesn't know it.

    >>> starter_name("Kitchen > Mugs"), starter_name("Electronics > Cameras")
    ('Kitchen & Dining', None)
    """
    levels = range(len(category_levels(category)), 0, -1)
    names = (_NAMES.get(category_prefix(category, n)) for n in levels)
    return next(filter(None, names), None)


def starter_shop() -> Path:
    """Give the folder of the sample catalogue; unpack it if it isn't there.

    Returns
    -------
    Path
        Holds ``catalogue.csv``, ``uploads.csv``, ``photos/`` and ``outside/``; see its README.md.

    Raises
    ------
    CacheError
        If it can't be written.
    """
    with _home() as home:
        return _unpacked(home)


def _shop_index(embedder: Embedder) -> ListingIndex:
    """Open the sample catalogue's index; make anew whatever is missing, damaged or outdated."""
    with _home() as home:
        shop = _unpacked(home)
        folder = home / "index" / _key(fingerprints(embedder))
        try:
            index = ListingIndex.open(folder, fingerprints(embedder))
            if _photos_there(index):
                return index
            shutil.rmtree(shop)  # somebody tidied the cache up, or moved it
            shop = _unpacked(home)
        except ListingIndexError:
            shutil.rmtree(folder, ignore_errors=True)
        listings = [
            replace(listing, category=name)
            for listing in read_catalog(shop / "catalogue.csv").listings
            if (name := starter_name(listing.category or ""))
        ]
        embedded = embedder.embed(listings, description=False)
        rows = index_rows(embedded)
        return ListingIndex.build(folder, rows.records, rows.views, fingerprints(embedder))


def _key(names: dict[str, str]) -> str:
    """Name a folder by the encoders whose vectors it holds, under the bundle's names."""
    return "-".join([*(names[space][:8] for space in sorted(names)), "named"])


def _of_its_kind(verdict: Verdict) -> Verdict:
    near = tuple(each for each in verdict.neighbours if each.category == verdict.category)
    return verdict.model_copy(update={"neighbours": near})


def _photos_there(index: ListingIndex) -> bool:
    records = index.records(index.ids()).values()
    return all(Path(record.image).is_file() for record in records if record.image)


def _unpacked(home: Path) -> Path:
    shop = home / "shop"
    if not (shop / "catalogue.csv").is_file():
        shutil.rmtree(shop, ignore_errors=True)
        unpack_sample(shop, n_per_category=N_PER_CATEGORY)
    return shop


@contextmanager
def _home() -> Iterator[Path]:
    """Hold this version's folder in the cache: several servers may start at once."""
    home = default_cache_dir() / f"starter-{version('shelfsure')}-{sample_fingerprint()[:8]}"
    try:
        home.mkdir(parents=True, exist_ok=True)
        with FileLock(home / ".lock"):
            yield home
    except OSError as error:
        raise CacheError(
            f"The sample catalogue must be kept in {home}, but: {error}. Make that folder "
            "writable, or set SHELFSURE_CACHE_DIR to another one."
        ) from error
