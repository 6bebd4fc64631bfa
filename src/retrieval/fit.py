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
from ..embedding.siblings import with_siblings
from ..fusion.views import PHOTO, View, Views
from .duplicates.pair_model import PairModel
from .duplicates.shelf import Shelf
from .model import CatalogueMemory, dense
from .ood.detector import OutOfCatalogueGate
from .ood.fit import STATISTICS_ONLY, fit_gate
from .zero_shot.classifier import ZeroShot
from .zero_shot.load_space import joint_embedder, joint_space

_LOG = logging.getLogger(__name__)


def remember(
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
) -> CatalogueMemory:
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
    joint = joint_space(config.joint, embedder, device)
    memory = CatalogueMemory(
        gate=_gate(views, labels, true, folds, outside, embedder, config),
        zero_shot=None,
        joint=joint,
        joint_embedder=joint_embedder(joint, embedder),
        pair_model=PairModel.load(),
        shelf=Shelf.of(listings, embedded) if config.index else None,
    )
    if memory.joint is None:
        _LOG.warning("The photo encoder knows no class names, so there is no zero-shot fallback.")
        return memory
    zero_shot = ZeroShot.from_names(names, None, memory.joint)
    photos, titles = memory.in_text_space(embedded, listings)
    return memory.with_zero_shot(zero_shot.fitted(photos, titles, true))


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
) -> OutOfCatalogueGate | None:
    strangers: dict[str, View] | None = None
    if outside:
        # photos only: from file names the gate would learn to refuse short titles
        seen = embedder.embed(outside)
        if PHOTO in views and views[PHOTO].siblings:
            seen = with_siblings(seen, outside, embedder)
        strangers = {PHOTO: seen.photo}
    try:
        return fit_gate(
            dense(views),
            labels,
            folds,
            config.alpha,
            strangers,
            per_category=config.per_category,
            predicted=categories,
            methods=STATISTICS_ONLY if config.gate == "statistics" else None,
        )
    except CalibrationError as error:
        _LOG.warning("No out-of-catalogue gate: %s", error)
        return None
