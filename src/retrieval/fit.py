"""Fit what is known of a catalogue as a whole: who belongs, categories by name, its listings."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ..catalog.listing import Listing, category_levels, category_prefix
from ..core.arrays import Floats, Ints
from ..core.config import RetrievalConfig
from ..core.errors import CalibrationError
from ..embedding.embedder import Embedder
from ..embedding.fold_encoders import with_fold_encoders
from ..embedding.training_data import TrainingData
from ..fusion.views import PHOTO, Modalities, View
from .duplicates.pair_model import PairModel
from .model import RetrievalModel, dense
from .ood.detector import OODDetector
from .ood.detectors import MAX_LISTINGS
from .ood.fit import NOTHING, STATISTICS_ONLY, fit_ood_detector
from .zero_shot.classifier import ZeroShot
from .zero_shot.fit_joint_space import fit_joint_space
from .zero_shot.load_space import load_space, space_embedder

MIN_OF_KIND = 5
"""A category of so many listings that a detector learns from is a kind of its own to it."""
_LOG = logging.getLogger(__name__)


def fit_retrieval(
    data: TrainingData,
    embedder: Embedder,
    config: RetrievalConfig,
    outside: Sequence[Listing] = (),
    uncertainty: Mapping[Modalities, Floats] = NOTHING,
) -> RetrievalModel:
    """Fit everything that is about the catalogue as a whole; `outside` is what it doesn't sell."""
    column = {name: i for i, name in enumerate(data.taxonomy)}
    true = np.array([column[name] for name in data.categories])
    space = load_space(config.image_text_space, embedder)
    retrieval = RetrievalModel(
        ood_detector=_fit_detector(data, true, outside, embedder, config, uncertainty),
        zero_shot=None,
        space=space,
        space_embedder=space_embedder(space, embedder),
        pair_model=PairModel.load(),
        training_listings=data.embedded if config.index else None,
    )
    if space is None:
        _LOG.warning("The photo encoder knows no class names, so there is no zero-shot fallback.")
        return with_joint_space(retrieval, data, config, None)
    zero_shot = ZeroShot.from_names(data.taxonomy, None, space)
    photos, titles = retrieval.in_text_space(data.embedded)
    retrieval = replace(retrieval, zero_shot=zero_shot.fitted(photos, titles, true))
    return with_joint_space(retrieval, data, config, (photos, titles))


def with_joint_space(
    retrieval: RetrievalModel,
    data: TrainingData,
    config: RetrievalConfig,
    text_space: tuple[Floats, Floats] | None,
) -> RetrievalModel:
    """Add what the catalogue's own pairs of photo and title teach, where that is a gain.

    `text_space` has the listings' photos and titles there; None without one.
    """
    space = retrieval.space
    found = fit_joint_space(
        data,
        text_space,
        retrieval.zero_shot,
        space.slopes if space else None,
        MIN_OF_KIND if config.ood_detector == "statistics" else 1,
    )
    return replace(retrieval, joint=found.space, joint_facts=found.to_json())


def min_of_kind(n: int) -> int:
    """Tell how many of n listings make a kind of their own: `MIN_OF_KIND` of those learned from."""
    return MIN_OF_KIND * max(1, n // MAX_LISTINGS)


def finest_labels(categories: Sequence[str], min_examples: int) -> Ints:
    """Number each listing's deepest category that has enough listings; shape ``(n,)``.

    The detector tells strangers better from kinds than from departments. What has no category of
    that size is of one kind.
    """
    prefixes = [
        [category_prefix(c, depth) for depth in range(len(category_levels(c)), 0, -1)]
        for c in categories
    ]
    counts = Counter(prefix for own in prefixes for prefix in own)
    finest = [next((p for p in own if counts[p] >= min_examples), "") for own in prefixes]
    return np.unique(finest, return_inverse=True)[1]


def _fit_detector(
    data: TrainingData,
    categories: Ints,
    outside: Sequence[Listing],
    embedder: Embedder,
    config: RetrievalConfig,
    uncertainty: Mapping[Modalities, Floats],
) -> OODDetector | None:
    strangers: dict[str, View] | None = None
    if outside:
        # photos only: from file names the detector would learn to refuse short titles
        seen = embedder.embed(outside)
        if PHOTO in data.views and data.views[PHOTO].fold_encoders:
            seen = with_fold_encoders(seen, embedder)
        strangers = {PHOTO: seen.photo}
    paths = [listing.category or "" for listing in data.embedded.listings]
    try:
        return fit_ood_detector(
            dense(data.views),
            finest_labels(paths, min_of_kind(len(paths))),
            data.folds,
            config.alpha,
            strangers,
            groups=data.groups,
            uncertainty=uncertainty,
            per_category=config.per_category,
            predicted=categories,
            methods=STATISTICS_ONLY if config.ood_detector == "statistics" else None,
        )
    except CalibrationError as error:
        _LOG.warning("No out-of-catalogue detector: %s", error)
        return None
