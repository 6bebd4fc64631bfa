"""How unlike the training listings a logged one is: the distance to its nearest neighbours.

Two ways to compare that are exact if the new listings and the training listings come in random
order from one source, whatever that source is. They need that nobody's score depends on which of
the two a listing is:

- `split_scores`, for a batch: neighbours are looked for in one half of the training listings, and
  the other half's scores are those to compare with.
- `online_p_values`, for a stream: every listing, of training too, is scored among all others that
  have come so far, and ranked among them. `online_ranks` does so with scores of another kind.
"""

from bisect import bisect_left, bisect_right
from typing import NamedTuple

import numpy as np

from ..core.arrays import Floats
from ..retrieval.ood.distance_detectors import K, neighbour_distance

_BLOCK = 256


class SplitScores(NamedTuple):
    """Distances to one half of the training listings, larger = stranger.

    `known`: shape ``(n_other_half,)``, the other half's; `new`: shape ``(m,)``.
    """

    known: Floats
    new: Floats


def split_scores(known: Floats, new: Floats, rng: np.random.Generator) -> list[SplitScores]:
    """Score new listings against each half of the known ones.

    Parameters
    ----------
    known, new
        Shapes ``(n, d)`` and ``(m, d)``, rows of unit length; n is at least 2.
    rng
        Draws the halves.
    """
    order = rng.permutation(len(known))
    halves = known[order[::2]], known[order[1::2]]
    return [
        SplitScores(
            neighbour_distance(other, neighbours, K), neighbour_distance(new, neighbours, K)
        )
        for neighbours, other in (halves, halves[::-1])
    ]


def left_out_distances(known: Floats) -> Floats:
    """Average each listing's cosine distance to its nearest among the others; shape ``(n,)``."""
    nearest = _nearest_others(known, min(K, len(known) - 1))
    return np.asarray(1.0 - nearest.mean(axis=1))


def online_p_values(known: Floats, stream: Floats, rng: np.random.Generator) -> Floats:
    """Rank each listing of a stream among all that came before; small = stranger.

    Independent and evenly spread over 0 to 1, if `known` and `stream` are in random order (Vovk,
    Gammerman & Shafer 2005, chapter 8).

    Parameters
    ----------
    known, stream
        Shapes ``(n, d)`` and ``(m, d)``, rows of unit length, those of the stream as they came;
        n is at least 2.
    rng
        Decides among equals.

    Returns
    -------
    Floats
        Shape ``(m,)``.
    """
    n, m = len(known), len(stream)
    k = min(K, n - 1)
    nearest = np.full((n + m, k), -np.inf, dtype=np.float32)  # similarities, the lowest first
    nearest[:n] = _nearest_others(known, k)
    furthest = nearest[:, 0].copy()
    total = np.full(n + m, np.inf)  # of those similarities: small = strange
    total[:n] = nearest[:n].sum(axis=1, dtype=np.float64)
    ties = rng.random(m)
    p_values = np.empty(m)
    rows = np.concatenate([known, stream]).astype(np.float32)
    for start in range(0, m, _BLOCK):
        block = rows[n + start : n + min(start + _BLOCK, m)]
        similarities = block @ rows[: n + start + len(block)].T
        for place, similarity in enumerate(similarities):
            own = n + start + place
            mine = similarity[:own]
            nearest[own] = np.partition(mine, own - k)[own - k :]
            closer = np.flatnonzero(mine > furthest[:own])
            nearest[closer, 0] = mine[closer]
            changed = np.append(closer, own)
            nearest[changed] = np.sort(nearest[changed], axis=1)
            furthest[changed] = nearest[changed, 0]
            total[changed] = nearest[changed].sum(axis=1, dtype=np.float64)
            stranger = np.count_nonzero(total[:own] < total[own])
            equal = 1 + np.count_nonzero(total[:own] == total[own])
            p_values[start + place] = (stranger + ties[start + place] * equal) / (own + 1)
    return p_values


def online_ranks(known: Floats, stream: Floats, rng: np.random.Generator) -> Floats:
    """Rank each score of a stream among all that came before, as `online_p_values` does.

    Shapes ``(n,)`` and ``(m,)``, larger = stranger; many may be equal.
    """
    before = sorted((-known).tolist())
    p_values = np.empty(len(stream))
    for place, (score, tie) in enumerate(
        zip((-stream).tolist(), rng.random(len(stream)), strict=True)
    ):
        first, last = bisect_left(before, score), bisect_right(before, score)
        p_values[place] = (first + tie * (last - first + 1)) / (len(before) + 1)
        before.insert(last, score)
    return p_values


def _nearest_others(known: Floats, k: int) -> Floats:
    """Find each row's `k` largest similarities to others, the lowest first, shape ``(n, k)``."""
    nearest = np.empty((len(known), k), dtype=np.float32)
    for start in range(0, len(known), 2048):
        similarity = known[start : start + 2048] @ known.T
        rows = np.arange(len(similarity))
        similarity[rows, start + rows] = -np.inf
        nearest[start : start + len(rows)] = np.sort(
            np.partition(similarity, similarity.shape[1] - k, axis=1)[:, -k:], axis=1
        )
    return nearest
