"""Whether a loaded pipeline's parts fit each other: found out at once, not at the first upload.

A manifest vouches for bytes, and whoever rewrites it vouches for other ones.
"""

from typing import Protocol

import numpy as np

from ..catalog.listing import Listing
from ..core.arrays import Floats, unit_rows
from ..embedding.embedder import Embedder
from ..embedding.listings import EmbeddedListings
from ..fusion.classifier import FusionClassifier
from ..fusion.views import View, Views
from ..retrieval.model import RetrievalModel
from .decision import DecisionPolicy, Evidence

MAX_ROWS = 200


class Pipeline(Protocol):
    """What is tried."""

    @property
    def embedder(self) -> Embedder: ...
    @property
    def classifier(self) -> FusionClassifier: ...
    @property
    def class_names(self) -> tuple[str, ...]: ...
    @property
    def retrieval(self) -> RetrievalModel | None: ...
    @property
    def policy(self) -> DecisionPolicy: ...
    def views(self, embedded: EmbeddedListings) -> dict[str, View]: ...
    def evidence(self, embedded: EmbeddedListings, views: Views) -> Evidence: ...


def require_sound(pipeline: Pipeline) -> None:
    """Check shapes, and judge made-up listings of every kind: with a photo, a title, or both.

    Raises
    ------
    ValueError, IndexError, and what else comes of parts that don't fit
        If they don't.
    """
    n_categories = len(pipeline.class_names)
    for name, head in pipeline.classifier.heads.items():
        shape = (n_categories, np.shape(head.coefficients)[-1])
        if np.shape(head.coefficients) != shape or np.shape(head.intercepts) != shape[:1]:
            raise ValueError(
                f"the head {name} must have coefficients {shape} and intercepts {shape[:1]}, but "
                f"has {np.shape(head.coefficients)} and {np.shape(head.intercepts)}"
            )
        if not (np.isfinite(head.temperature) and head.temperature > 0):
            raise ValueError(f"a temperature must be above 0, but {name} has {head.temperature}")
    embedded = made_up(pipeline.embedder, n_categories)
    views = pipeline.views(embedded)
    evidence = pipeline.evidence(embedded, views)
    _require_probabilities(
        evidence.predictions.probabilities, (len(embedded.listings), n_categories)
    )
    policy = pipeline.policy
    for row in range(len(embedded.listings)):
        policy.verdict(evidence, row)
    if pipeline.retrieval is not None:
        _try_retrieval(pipeline.retrieval, views, n_categories)


def made_up(embedder: Embedder, n_categories: int) -> EmbeddedListings:
    """Make listings out of random vectors; every third lacks the photo, every third the words."""
    n = min(max(6, n_categories), MAX_ROWS)
    rng = np.random.default_rng(0)
    kind = np.arange(n) % 3
    seen, read = kind != 1, kind != 2
    words = [f"made-up listing {row % 7}" if read[row] else "" for row in range(n)]
    listings = [Listing(f"made-up-{row}", title=words[row] or None) for row in range(n)]

    def drawn(dim: int) -> Floats:
        return unit_rows(rng.standard_normal((n, dim)))

    return EmbeddedListings(
        listings=listings,
        photo=View(drawn(embedder.photos.dim), seen),
        title=View(drawn(embedder.texts.dim), read),
        description=View(drawn(embedder.texts.dim), read),
        photo_hashes=[None] * n,
        titles=words,
        descriptions=words,
    )


def _try_retrieval(retrieval: RetrievalModel, views: Views, n_categories: int) -> None:
    """Take each made-up listing for each category in turn."""
    n = next(iter(views.values())).present.shape[0]
    for column in {0, n_categories // 2, n_categories - 1}:
        p_values = retrieval.p_values(views, np.full(n, column))
        known = p_values[~np.isnan(p_values)]
        if retrieval.ood_detector is not None and not len(known):
            raise ValueError("the out-of-catalogue detector must know some view, but knows none")
        if ((known < 0) | (known > 1)).any():
            raise ValueError("a p-value must be from 0 to 1")


def _require_probabilities(probabilities: Floats, shape: tuple[int, int]) -> None:
    if probabilities.shape != shape or not np.allclose(probabilities.sum(axis=1), 1, atol=1e-3):
        raise ValueError(
            f"the answers must be probabilities of shape {shape} that sum to 1, but have shape "
            f"{probabilities.shape} and sums like {probabilities.sum(axis=1)[:3]}"
        )
