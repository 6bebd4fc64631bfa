"""Make a catalogue's memory: fit the gate, embed the category names, keep the listings."""

import logging
from collections import Counter
from collections.abc import Sequence

import numpy as np

from ..catalog.listing import Listing, category_levels, category_prefix
from ..core.arrays import Ints
from ..core.config import RetrievalConfig
from ..core.errors import CalibrationError
from ..embedding.embedder import Embedded, Embedder
from ..embedding.fold_encoders import with_fold_encoders
from ..fusion.views import PHOTO, View, Views
from .duplicates.pair_model import PairModel
from .duplicates.shelf import Shelf
from .model import RetrievalModel, dense
from .ood.detector import OODDetector
from .ood.fit import STATISTICS_ONLY, fit_ood_detector
from .zero_shot.classifier import ZeroShot
from .zero_shot.load_space import load_space, space_embedder

_LOG = logging.getLogger(__name__)


def fit_retrieval(
    listings: Sequence[Listing],
    embedded: Embedded,
    *,
    views: Views,
    labels: Ints,
    folds: Ints,
    names: Sequence[str],
    categories: Sequence[str],
    outside: Sequence[Listing],
    embedder: Embedder,
    config: RetrievalConfig,
    device: str,
) -> RetrievalModel:
    """Fit everything that is about the catalogue as a whole.

    Parameters
    ----------
    views
        Of all listings, those of categories too small to train included: they belong as well.
    labels
        Shape ``(n,)``, the finest kinds that the catalogue can tell (see `finest_labels`).
    folds
        Shape ``(n,)``; duplicates share a fold.
    names
        The taxonomy: categories with a trained expert, in the order of its columns, and without.
    categories
        Each listing's, one of `names`.
    outside
        Things that the catalogue doesn't sell.
    """
    column = {name: i for i, name in enumerate(names)}
    true = np.array([column[name] for name in categories])
    space = load_space(config.image_text_space, embedder, device)
    retrieval = RetrievalModel(
        ood_detector=_gate(views, labels, true, folds, outside, embedder, config),
        zero_shot=None,
        space=space,
        space_embedder=space_embedder(space, embedder),
        pair_model=PairModel.load(),
        shelf=Shelf.of(listings, embedded) if config.index else None,
    )
    if retrieval.space is None:
        _LOG.warning("The photo encoder knows no class names, so there is no zero-shot fallback.")
        return retrieval
    zero_shot = ZeroShot.from_names(names, None, retrieval.space)
    photos, titles = retrieval.in_text_space(embedded, listings)
    return retrieval.with_zero_shot(zero_shot.fitted(photos, titles, true))


def finest_labels(categories: Sequence[str], min_examples: int) -> Ints:
    """Number each listing's deepest category that has enough listings.

    The gate tells strangers better from kinds than from departments. What has no category of
    that size is of one kind.

    Parameters
    ----------
    categories
        Whole category paths.

    Returns
    -------
    Ints
        Shape ``(n,)``.
    """
    prefixes = [
        [category_prefix(c, depth) for depth in range(len(category_levels(c)), 0, -1)]
        for c in categories
    ]
    counts = Counter(prefix for own in prefixes for prefix in own)
    finest = [next((p for p in own if counts[p] >= min_examples), "") for own in prefixes]
    return np.unique(finest, return_inverse=True)[1]


def _gate(
    views: Views,
    labels: Ints,
    categories: Ints,
    folds: Ints,
    outside: Sequence[Listing],
    embedder: Embedder,
    config: RetrievalConfig,
) -> OODDetector | None:
    strangers: dict[str, View] | None = None
    if outside:
        # photos only: from file names the gate would learn to refuse short titles
        seen = embedder.embed(outside)
        if PHOTO in views and views[PHOTO].fold_encoders:
            seen = with_fold_encoders(seen, outside, embedder)
        strangers = {PHOTO: seen.photo}
    try:
        return fit_ood_detector(
            dense(views),
            labels,
            folds,
            config.alpha,
            strangers,
            per_category=config.per_category,
            predicted=categories,
            methods=STATISTICS_ONLY if config.ood_detector == "statistics" else None,
        )
    except CalibrationError as error:
        _LOG.warning("No out-of-catalogue gate: %s", error)
        return None
