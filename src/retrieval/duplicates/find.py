"""A catalogue's duplicates in one call."""

from dataclasses import dataclass
from pathlib import Path

from ...catalog.catalog import Catalog
from ...core.cache import EmbeddingCache
from ...core.config import load_config
from ...embedding.embedder import Embedder, load_embedder
from ...embedding.listings import EmbeddedListings
from ...embedding.run_options import RunOptions
from ..index.rows import embedded_rows
from ..index.store import ListingIndex
from ..zero_shot.load_space import fingerprints
from .detail_store import DetailStore
from .fit import fit_pair_model
from .match import DuplicateResult, match_listings
from .pair_model import PairModel


@dataclass(frozen=True, kw_only=True)
class CatalogDuplicates(DuplicateResult):
    """What was found, and the catalogue as it was used (more rows may be rejected)."""

    catalog: Catalog


def find_duplicates(
    catalog: Catalog,
    options: RunOptions | None = None,
    *,
    against: str | Path | None = None,
    embedder: Embedder | None = None,
    model: PairModel | None = None,
    fit_precision: float | None = None,
) -> CatalogDuplicates:
    """Find a catalogue's listings that are the same thing twice, and variants that look like it.

    Parameters
    ----------
    options
        How the encoders run; by default with the user's cache.
    against
        Folder of an index: compare with its listings instead of among each other.
    embedder
        Encoders with their options; None loads the starter profile's.
    model
        Rates pairs; None takes the one that comes with Shelfsure.
    fit_precision
        Fit that model to edited copies of these photos first, so that this share of the pairs
        found is right, above 0, up to 1.

    Raises
    ------
    CalibrationError
        If `fit_precision` can't be reached.
    IndexFingerprintError
        If the index was built with other encoders.
    """
    if options and embedder:
        raise ValueError("An embedder has options of its own. Give it or options, not both.")
    options = options or RunOptions(cache=EmbeddingCache())
    embedder = embedder or load_embedder(load_config("starter"), options)
    limits, progress = embedder.options.limits, embedder.options.progress
    cache = embedder.options.cache
    catalog, embedded = embedder.embed_catalog(catalog, description=False)
    known = index_listings(ListingIndex.open(against, fingerprints(embedder))) if against else None
    if fit_precision is not None:
        model = fit_pair_model(
            embedded, target_precision=fit_precision, limits=limits, progress=progress
        )
    found = match_listings(
        embedded,
        embedder.photos,
        model,
        against=known,
        columns=[catalog.product_columns.get(row, {}) for row in catalog.rows],
        limits=limits,
        stores=(
            DetailStore(cache.path.parent, limits) if cache else None,
            DetailStore(Path(against), limits) if against else None,
        ),
        progress=progress,
    )
    return CatalogDuplicates(**vars(found), catalog=catalog)


def index_listings(index: ListingIndex) -> EmbeddedListings:
    """Read all of an index's listings, to compare others with them closely."""
    return embedded_rows(index.contents())
