"""Several families side by side: each to unit length, or whitened first."""

from collections.abc import Sequence

import numpy as np
from sklearn.decomposition import PCA

from ...core.arrays import Floats, unit_rows
from ...fusion.views import Features, View
from .reduced import reduced

MAX_DIM = 256
WHITE_DIM = 64
"""Main directions that are whitened: of more, noise would be blown up as well."""


def fuse(views: Sequence[View], *, whitened: bool = False) -> View:
    """Put families together; a listing that lacks one has zeros there.

    Parameters
    ----------
    whitened
        Let every main direction of a family count the same.
    """
    parts = [_part(view.features, view.present, whitened) / np.sqrt(len(views)) for view in views]
    present = np.any([view.present for view in views], axis=0)
    return View(np.hstack(parts).astype(np.float32), present)


def _part(features: Features, present: "np.ndarray", whitened: bool) -> Floats:
    known = features[present]
    rows = known if isinstance(known, np.ndarray) else reduced(known, MAX_DIM)
    if whitened:
        dim = min(WHITE_DIM, *rows.shape)
        rows = PCA(dim, whiten=True, random_state=0).fit_transform(rows)
    whole = np.zeros((len(present), rows.shape[1]), dtype=np.float32)
    whole[present] = unit_rows(rows)
    return whole
