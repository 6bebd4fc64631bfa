"""A catalogue divided into parts: embedded, grouped, and each listing put where it may be."""

from collections.abc import Mapping

from ...catalog.catalog import Catalog
from ...catalog.listing import category_prefix
from ...core.config import Config
from ...embedding.embedder import load_embedder
from ...embedding.grouping import group_listings
from ...embedding.run_options import RunOptions
from .parts import Part, stable_parts

_LEVELS = 2
"""Categories are divided in proportion down to this level, as by `shelfsure split`."""


def divide(
    catalog: Catalog,
    before: Mapping[str, Part],
    config: Config,
    options: RunOptions,
    test_fraction: float,
) -> tuple[dict[str, Part], Catalog]:
    """Give each usable listing its part, by id (see `stable_parts`), and the catalogue of those."""
    embedder = load_embedder(config, options)
    catalog, embedded = embedder.embed_catalog(catalog, description=False)
    levels = max(_LEVELS, config.levels)
    names = [category_prefix(one.category or "", levels) for one in catalog.listings]
    grouping = group_listings(
        catalog.listings,
        embedded.photo,
        embedded.photo_hashes,
        embedded.titles,
        names,
        seed=config.seed,
        further=embedded.further,
    ).announced()
    ids = [one.listing_id for one in catalog.listings]
    parts = stable_parts(before, ids, names, grouping, test_fraction, config.seed)
    return dict(zip(ids, parts, strict=True)), catalog
