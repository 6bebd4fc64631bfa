"""Features cut to their main directions: what clusters and maps are made from."""

import numpy as np
from sklearn.decomposition import PCA, TruncatedSVD

from ...core.arrays import Floats
from ...fusion.views import Features


def reduced(features: Features, dim: int) -> Floats:
    """Keep at most `dim` main directions: PCA of dense rows, truncated SVD of sparse ones.

    Returns
    -------
    Floats
        Shape ``(n, at most dim)``, float32.
    """
    if isinstance(features, np.ndarray):
        dim = min(dim, *features.shape)
        with np.errstate(invalid="ignore", divide="ignore"):  # rows may all be equal
            main = PCA(dim, random_state=0).fit_transform(features)
        return np.asarray(main, dtype=np.float32)
    if min(features.shape) < 2:  # nothing to cut, and a truncated SVD takes two at least
        return np.asarray(features.toarray()[:, :dim], dtype=np.float32)
    dim = max(1, min(dim, min(features.shape) - 1))
    return np.asarray(TruncatedSVD(dim, random_state=0).fit_transform(features), dtype=np.float32)
