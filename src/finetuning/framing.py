"""How a run frames its photos: as it was told, or as frozen features tell categories apart best."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..catalog.listing import Listing, category_prefix
from ..core.errors import PhotoError
from ..embedding.framing import CANDIDATES, MAX_LISTINGS, best_crop_mode
from ..embedding.further_photos import hash_further_photos
from ..embedding.grouping import group_listings
from ..embedding.reading_ahead import ahead, threads
from ..embedding.run_options import ResolvedOptions
from ..embedding.sessions import sample_categories
from ..fusion.views import View
from ..vision.load import photo_bytes
from ..vision.preprocess import CropMode
from .backbones import build_backbone
from .config import FinetuneConfig
from .features import pooled_features
from .image_store import Framing, Square
from .state import RunState

FRAMING = "framing"
SIDE_PX = 224
"""Photos are compared at no more than this; what is cut off doesn't depend on it."""


def decide_framing(
    listings: Sequence[Listing], config: FinetuneConfig, state: RunState, options: ResolvedOptions
) -> tuple[Framing, dict[CropMode, float]]:
    """Frame photos as configured; under ``auto`` compare framings, once a run.

    Returns
    -------
    Framing, dict
        And each candidate's log loss, where they were compared; see `best_crop_mode`.
    """
    if config.crop_mode != "auto":
        return Framing(config.side_px, config.crop_mode, options.limits), {}
    said = state.recall(FRAMING, wait=not state.first)
    if said is None:
        crop_mode, losses = _compare(listings, config, options)
        said = {"crop_mode": crop_mode, "losses": losses}
        state.remember(FRAMING, said)
    return Framing(config.side_px, said["crop_mode"], options.limits), said["losses"]


def _compare(
    listings: Sequence[Listing], config: FinetuneConfig, options: ResolvedOptions
) -> tuple[CropMode, dict[CropMode, float]]:
    backbone = build_backbone(config.backbone, 2, config.seed)
    with_photo = [listing for listing in listings if listing.image is not None]
    if not backbone.pretrained:
        return CANDIDATES[0], {}
    names = [category_prefix(listing.category or "", config.levels) for listing in with_photo]
    drawn = sample_categories(np.arange(len(names)), names, MAX_LISTINGS, config.seed)
    side_px = min(SIDE_PX, config.side_px)
    framings = [Framing(side_px, mode, options.limits) for mode in CANDIDATES]
    asked, squares = _readable([with_photo[row] for row in drawn], framings)
    features = {
        framing.crop_mode: pooled_features(backbone.model, own, np.arange(len(asked)), options)
        for framing, own in zip(framings, squares, strict=True)
        if asked
    }
    if not features:
        return CANDIDATES[0], {}
    names = [category_prefix(listing.category or "", config.levels) for listing in asked]
    grouping = group_listings(
        asked,
        View(features[CANDIDATES[0]], np.ones(len(asked), dtype=bool)),
        [hashlib.sha256(photo_bytes(item.image)).hexdigest() for item in asked if item.image],
        [listing.title or "" for listing in asked],
        names,
        seed=config.seed,
        further=hash_further_photos(asked),
    )
    return best_crop_mode(features, names, grouping.groups, config.seed)


def _readable(
    listings: Sequence[Listing], framings: Sequence[Framing]
) -> tuple[list[Listing], list[list[Square]]]:
    """Decode photos in each framing; leave out the listings whose photo can't be used."""

    def load(listing: Listing) -> list[Square]:
        return [framing.load(listing.image) for framing in framings]

    with threads() as pool:
        decoded: list[Any] = list(ahead(pool, load, listings))
    good = [row for row, squares in enumerate(decoded) if not isinstance(squares, PhotoError)]
    by_framing = [[decoded[row][n] for row in good] for n in range(len(framings))]
    return [listings[row] for row in good], by_framing
