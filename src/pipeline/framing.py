"""Which framing the photos of a catalogue get, where the configuration leaves it open."""

from collections.abc import Sequence

import numpy as np

from ..catalog.catalog import Catalog
from ..catalog.listing import Listing, category_prefix
from ..core.config import Config
from ..embedding.embedder import load_photo_encoder
from ..embedding.framing import CANDIDATES, MAX_LISTINGS, best_crop_mode
from ..embedding.further_photos import hash_further_photos
from ..embedding.grouping import group_listings
from ..embedding.photos import PhotoRows, embed_photos
from ..embedding.run_options import RunOptions
from ..embedding.sessions import MIN_LISTINGS, sample_categories
from ..vision.preprocess import CropMode


def with_framing(catalog: Catalog, config: Config, options: RunOptions) -> Config:
    """Decide ``crop_mode: auto`` by some of a labelled catalogue's photos; else change nothing.

    Framings are compared where photos were taken in sessions: by phone, that is, with much around
    the product. Where they weren't, photos fill their frame, and nothing may be cut off.
    """
    if config.image.crop_mode != "auto":
        return config
    candidates = [_framed(config, mode) for mode in CANDIDATES]
    labelled = [row for row, item in enumerate(catalog.listings) if item.image is not None]
    paths = [listing.category or "" for listing in catalog.listings]
    asked = sample_categories(np.array(labelled, dtype=int), paths, MAX_LISTINGS, config.seed)
    if len(asked) < MIN_LISTINGS:
        return candidates[0]
    seen = _embed([catalog.listings[row] for row in asked], candidates[0], options)
    usable = np.flatnonzero(seen.view.present)
    listings = [catalog.listings[asked[row]] for row in usable]
    names = [category_prefix(listing.category or "", config.levels) for listing in listings]
    grouping = group_listings(
        listings,
        seen.view.take(seen.view.present),
        [seen.hashes[row] for row in usable],
        [listing.title or "" for listing in listings],
        names,
        n_folds=config.n_folds,
        seed=config.seed,
        further=hash_further_photos(listings),
    )
    if not grouping.coarser:
        return candidates[0]
    features = {CANDIDATES[0]: seen.view.array[usable]}
    for mode, other in zip(CANDIDATES[1:], candidates[1:], strict=True):
        features[mode] = _embed(listings, other, options).view.array
    chosen, _ = best_crop_mode(features, names, grouping.groups, config.seed)
    return _framed(config, chosen)


def _framed(config: Config, mode: CropMode) -> Config:
    return config.model_copy(update={"image": config.image.model_copy(update={"crop_mode": mode})})


def _embed(listings: Sequence[Listing], config: Config, options: RunOptions) -> PhotoRows:
    encoder = load_photo_encoder(config, options)
    return embed_photos([listing.image for listing in listings], encoder, options)
