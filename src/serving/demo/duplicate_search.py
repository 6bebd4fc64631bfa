"""From an upload, an index, or both, to the duplicates in them."""

import time
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from ...catalog.catalog import Catalog
from ...core.errors import CatalogError, ConfigError
from ...embedding.listings import EmbeddedListings
from ...pipeline.pipeline import ListingPipeline
from ...retrieval.duplicates.find import index_listings
from ...retrieval.duplicates.match import DuplicateResult, match_listings
from ...retrieval.index.store import ListingIndex
from ...retrieval.zero_shot.load_space import fingerprints
from ..indexes import NONE, named_indexes, open_index

MAX_LISTINGS = 20_000
NOTHING = "Something must be looked through. Add a table, or choose an index."
_BLOCK = 32
_POLL_S = 1.0


@dataclass(frozen=True)
class Found:
    """What was found, and in what; `note` says which rows of an upload were set aside, if any."""

    result: DuplicateResult
    note: str
    n_against: int

    @property
    def heading(self) -> str:
        """Say how much was found in how much."""
        where = f"{self.result.n_listings:,} listings"
        where += f" against {self.n_against:,}" if self.n_against else ""
        n_pairs, n_groups = len(self.result.pairs), len(self.result.groups)
        return f"{n_pairs:,} pairs and {n_groups:,} groups in {where}"


def index_choices(pipeline: ListingPipeline) -> list[tuple[str, str]]:
    """List the indexes at hand: what a menu shows, and its value for `chosen_index`."""
    return [("None", NONE), *named_indexes(pipeline)]


def chosen_index(
    pipeline: ListingPipeline, choice: str | None, typed: str | None, *, local: bool
) -> ListingIndex | None:
    """Open the index that a visitor chose; a typed folder counts only where `local` allows it.

    Raises
    ------
    ConfigError
        If there is no such index in the menu, or it is too large to look through here.
    ListingIndexError
        If it can't be used.
    """
    folder = (typed or "").strip() if local else ""
    if not folder and not choice:
        return None
    if folder:
        index = ListingIndex.open(Path(folder).expanduser(), fingerprints(pipeline.embedder))
    else:
        index = open_index(pipeline, str(choice))
    if index and index.info().n_listings > MAX_LISTINGS:
        raise ConfigError(
            f"At most {MAX_LISTINGS:,} listings are looked through in the browser, but the index "
            f"has {index.info().n_listings:,}. Use `shelfsure duplicates`."
        )
    return index


def search_duplicates(
    pipeline: ListingPipeline, catalog: Catalog | None, index: ListingIndex | None, spare: Path
) -> Iterator[str | Found]:
    """Look for duplicates in an upload, in an index, or of an upload's listings in an index.

    Yields how far it is, in words, and at the end what was found. Embeddings go into the folder
    `spare` where the pipeline keeps none itself. A CatalogError, if there is nothing to look
    through, or too much.
    """
    embedded, against = (index_listings(index) if index else None), None
    if catalog is not None:
        if len(catalog.listings) > MAX_LISTINGS:
            raise CatalogError(
                f"At most {MAX_LISTINGS:,} listings are looked through in the browser, but the "
                f"table has {len(catalog.listings):,}. Use `shelfsure duplicates`."
            )
        # embedded a part at a time, for the progress; the second time all comes from the cache
        embedder = pipeline.embedder.with_cache(spare)
        for start in range(0, len(catalog.listings), _BLOCK):
            yield f"{start:,} of {len(catalog.listings):,} listings read …"
            embedder.embed(catalog.listings[start : start + _BLOCK], description=False)
        against = embedded
        catalog, embedded = embedder.embed_catalog(catalog, description=False)
    if embedded is None:
        raise CatalogError(NOTHING)
    result = yield from _match(pipeline, embedded, against)
    note = catalog.summary() if catalog and catalog.rejected else ""
    yield Found(result, note, len(against.listings) if against else 0)


def _match(
    pipeline: ListingPipeline, embedded: EmbeddedListings, against: EmbeddedListings | None
) -> Generator[str, None, DuplicateResult]:
    """Compare in a thread; meanwhile say for how long already."""
    start_s = time.monotonic()
    pool = ThreadPoolExecutor(1)
    try:
        job = pool.submit(
            match_listings,
            embedded,
            pipeline.embedder.photos,
            pipeline.retrieval.pair_model if pipeline.retrieval else None,
            against=against,
            limits=pipeline.embedder.options.limits,
        )
        while wait([job], timeout=_POLL_S).not_done:
            yield (
                f"{len(embedded.listings):,} listings read; comparing their photos closely … "
                f"{time.monotonic() - start_s:.0f} s"
            )
    finally:
        pool.shutdown(wait=False)  # who gave up doesn't wait
    return job.result()
