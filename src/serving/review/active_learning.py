"""Which listing to ask a person about next: unsure ones first, and no two alike in a row."""

from zlib import crc32

import numpy as np

from ...core.arrays import Bools, Floats, Ints
from ...pipeline.verdict import Verdict

WIDTH = 256


def uncertainty(probabilities: Floats, strange: Bools) -> Floats:
    """Say how unsure answers are, by the margin between the two likeliest categories.

    The margin, unlike entropy, needs no categories beyond the few that a verdict keeps.

    Parameters
    ----------
    probabilities
        Shape ``(n, k)``: the likeliest categories in any order, 0 where there are fewer.
    strange
        Shape ``(n,)``: something else speaks against the answer (photo and title contradict each
        other, it looks out of catalogue, a person flagged it); then no margin counts.

    Returns
    -------
    Floats
        Shape ``(n,)``, 0 (sure) to 1 (no idea).
    """
    known = np.pad(probabilities, ((0, 0), (0, 2)))  # at least two columns
    top = -np.partition(-known, 1, axis=1)[:, :2]
    return np.where(strange, 1.0, np.clip(1.0 - (top[:, 0] - top[:, 1]), 0.0, 1.0))


def query_order(
    unsure: Floats, vectors: Floats, answered: Floats | None = None, n: int | None = None
) -> Ints:
    """Order listings so that each answer teaches the most.

    Greedy farthest-first, the 2-approximation of k-centre (Sener & Savarese 2018), weighted: the
    next one has the largest product of uncertainty and distance to all that are answered or came
    before it. Copies of what was seen come last.

    Parameters
    ----------
    unsure
        Shape ``(n_listings,)``, from 0 up; larger is less sure.
    vectors
        Shape ``(n_listings, d)``; their length doesn't matter. A row of zeros (no vector at hand)
        is as far from all others as unrelated listings are.
    answered
        Shape ``(m, d)``: what people answered already.
    n
        How many to put in order; None: all.

    Returns
    -------
    Ints
        Rows, the most useful first. Ties go to the less sure, then to the earlier row.
    """
    units = _unit(vectors)
    n = len(units) if n is None else min(n, len(units))
    distance: Floats = np.ones(len(units))  # with nothing answered, uncertainty decides alone
    if answered is not None and len(answered) and n:
        distance = _distance((units @ _unit(answered).T).max(axis=1))
    rank = np.lexsort((np.arange(len(units)), -unsure))
    left = np.ones(len(units), dtype=bool)
    order = np.empty(n, dtype=np.intp)
    for place in range(n):
        gain = np.where(left, unsure * distance, -1.0)[rank]
        order[place] = row = rank[gain.argmax()]  # of equals argmax takes the first in rank
        left[row] = False
        distance = np.minimum(distance, _distance(units @ units[row]))
    return order


def is_strange(verdict: Verdict) -> bool:
    """Tell whether something else than a small margin makes a verdict doubtful.

    Photo and title contradict each other, it looks out of catalogue, only a category's name spoke
    for the answer, or the model was sure and a person flagged it all the same.
    """
    flagged = verdict.decision == "accept"
    outside = verdict.decision == "out_of_catalogue" or verdict.route == "zero_shot"
    return verdict.mismatch or outside or flagged


def verdict_vector(verdict: Verdict) -> Floats:
    """Place a listing by what it was taken for and what lies near it.

    Listings of like categories with the same neighbours are near each other. Names are hashed into
    a fixed width, so that vectors of different models can be compared.

    Returns
    -------
    Floats
        Shape ``(256,)``; zero where nothing is known.
    """
    named = {guess.category: guess.probability for guess in verdict.top_k}
    named |= {f"\0{near.listing_id}": near.similarity for near in verdict.neighbours}
    vector = np.zeros(WIDTH, dtype=np.float32)
    for name, weight in named.items():
        vector[crc32(name.encode("utf-8", "replace")) % WIDTH] += weight
    return vector


def _unit(vectors: Floats) -> Floats:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1.0))


def _distance(cosines: Floats) -> Floats:
    """Between unit vectors, 0 to 1; a copy is 0, up to rounding."""
    distances = np.sqrt(np.clip((1.0 - cosines) / 2.0, 0.0, 1.0))
    return np.where(distances < 1e-3, 0.0, distances)
