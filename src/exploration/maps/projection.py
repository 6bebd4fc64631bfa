"""Many dimensions to two: PCA, t-SNE, and UMAP where it is installed."""

import warnings
from collections.abc import Callable
from importlib.util import find_spec
from typing import Literal, TypeAlias

import numpy as np
from sklearn.manifold import TSNE
from sklearn.neighbors import NearestNeighbors

from ...core.arrays import Floats, evenly_spaced
from ..features.reduced import reduced

Method: TypeAlias = Literal["tsne", "pca", "umap"]
METHOD_NAMES: dict[Method, str] = {"tsne": "t-SNE", "pca": "PCA", "umap": "UMAP"}
MAX_FITTED: dict[Method, int] = {"tsne": 2_000, "umap": 20_000}
"""Listings that a map is fitted on, evenly spaced; the others are placed among them."""
N_NEIGHBOURS = 5
PERPLEXITY = 30.0


def has_umap() -> bool:
    return find_spec("umap") is not None


def project(rows: Floats, method: Method, seed: int = 0) -> Floats:
    """Lay rows out on a plane.

    Parameters
    ----------
    rows
        Shape ``(n, d)``, main directions (see `reduced`).

    Returns
    -------
    Floats
        Shape ``(n, 2)``, float32. Equal rows may lie apart on a t-SNE map.
    """
    n = len(rows)
    if n < 4:
        return np.zeros((n, 2), dtype=np.float32) + np.arange(n, dtype=np.float32)[:, None]
    if method == "pca":
        main = reduced(rows, 2)
        return main if main.shape[1] == 2 else np.hstack([main, np.zeros_like(main)])
    fit = _tsne if method == "tsne" else _umap
    return _fitted_on_some(rows, MAX_FITTED[method], lambda some: fit(some, seed))


def _fitted_on_some(rows: Floats, at_most: int, fit: Callable[[Floats], Floats]) -> Floats:
    """Fit a part; put the others at the mean of their nearest, the nearer the heavier."""
    fitted = evenly_spaced(len(rows), at_most)
    placed = fit(rows[fitted])
    if len(fitted) == len(rows):
        return placed
    near = NearestNeighbors(n_neighbors=min(N_NEIGHBOURS, len(fitted))).fit(rows[fitted])
    distances, neighbours = near.kneighbors(rows)
    weights = 1 / np.maximum(distances, 1e-6)
    weights /= weights.sum(axis=1, keepdims=True)
    points = np.einsum("nk,nkd->nd", weights, placed[neighbours])
    points[fitted] = placed
    return np.asarray(points, dtype=np.float32)


def _tsne(rows: Floats, seed: int) -> Floats:
    start = project(rows, "pca", seed)
    spread = float(start[:, 0].std())
    if not spread > 1e-9:  # all rows equal; scikit-learn would crash
        return np.zeros_like(start)
    perplexity = min(PERPLEXITY, (len(rows) - 1) / 3)
    model = TSNE(init=start / spread * 1e-4, perplexity=perplexity, random_state=seed)
    return np.asarray(model.fit_transform(rows), dtype=np.float32)


def _umap(rows: Floats, seed: int) -> Floats:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TensorFlow isn't there, a seed costs it its threads
        import umap

        model = umap.UMAP(random_state=seed, n_neighbors=min(15, len(rows) - 1), init="pca")
        return np.asarray(model.fit_transform(rows), dtype=np.float32)
