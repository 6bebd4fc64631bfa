"""Which pairs of photos are worth a close look: near neighbours, found without an N x N matrix."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ...core.arrays import Floats, Ints
from ...fusion.views import View
from ..index.faiss_build import RECALL_PROMISED, build_index, choose_kind
from ..index.manifest import Kind
from ..index.self_join import self_join
from ..index.vector_index import VectorIndex

BLOCK_ROWS = 4096
MAX_PROBED_FRACTION = 1 / 32  # of the lists; beyond, exact search in blocks is hardly slower
EXACT_UP_TO = 200_000  # photos; more are searched approximately, whatever that finds
WORTH_LISTS = 10_000  # queries; lists take as long to build and measure as so many exact searches
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CandidateSearch:
    """How candidates were searched: `recall_at_10` is against exact search, measured, 0 to 1.

    Where it is known, `interval` holds it with 95 % certainty.

    >>> print(CandidateSearch("ivf", 0.9914))
    approximate search, recall@10 0.991
    """

    kind: Kind | Literal["cells"]
    recall_at_10: float
    interval: tuple[float, float] | None = None

    def __str__(self) -> str:
        search = "exact" if self.kind == "exact" else "approximate"
        said = f"{search} search, recall@10 {self.recall_at_10:.3f}"
        if self.interval is None:
            return said
        low, high = self.interval
        return f"{said} (95 %: {low:.3f} to {high:.3f})"


@dataclass(frozen=True, slots=True)
class Candidates:
    """Pairs of rows, each once, sorted, and how they were searched.

    Parameters
    ----------
    rows
        Shape ``(n_pairs, 2)``. Within one catalogue the smaller row comes first; between two, the
        row of the queries does.
    similarity
        Shape ``(n_pairs,)``: cosine of the most similar views.
    """

    rows: Ints
    similarity: Floats
    search: CandidateSearch


def near_pairs(
    views: Sequence[Floats],
    against: Floats | None = None,
    *,
    n_neighbours: int = 20,
    min_similarity: float = 0.5,
) -> Candidates:
    """Pair each photo with its nearest neighbours under any of its views.

    Many photos are searched approximately where that saves time and finds .98 of the true ten
    nearest, measured on hard copies, too. Memory grows linearly.

    Parameters
    ----------
    views
        Each of shape ``(n, d)``, unit length: the photos as they are, then mirrored, cropped…; a
        zero row is passed over.
    against
        Shape ``(m, d)``: other photos to compare with; ``None`` compares ``views[0]`` with itself.
    n_neighbours
        At most so many per photo and view.
    min_similarity
        Cosine below which a pair is left out.
    """
    joined = None
    if against is None and sum(map(len, views)) >= WORTH_LISTS:
        joined = _joined(views, n_neighbours, min_similarity)
    rows, similarity, search = joined or _searched(views, against, n_neighbours, min_similarity)
    if against is None:
        rows = np.sort(rows, axis=1)
    order = np.argsort(-similarity, kind="stable")  # so that the first of equals is the best
    unique, first = np.unique(rows[order], axis=0, return_index=True)
    return Candidates(unique, similarity[order][first], search)


def _joined(
    views: Sequence[Floats], n_neighbours: int, min_similarity: float
) -> tuple[Ints, Floats, CandidateSearch] | None:
    """Compare photos within one catalogue by cells; None if that finds too few and few are there.

    A photo and its own other view may be each other's nearest, so one more is sought.
    """
    n, more = len(views[0]), np.concatenate([views[0][:0], *views[1:]])
    found = self_join(views[0], n_neighbours + 1, queries=more, min_similarity=min_similarity)
    if found.recall_at_10.value < RECALL_PROMISED:
        if n <= EXACT_UP_TO:
            return None
        _LOG.warning(
            "Of %d photos' true nearest only %s are found; exact search would take too long",
            n,
            found.recall_at_10,
        )
    place, rank = np.nonzero(found.rows >= 0)
    within = (place >= n) | (rank < n_neighbours)
    place, rank = place[within], rank[within]
    rows = np.column_stack([place % n, found.rows[place, rank]])
    kept = rows[:, 0] != rows[:, 1]
    recall = found.recall_at_10
    search = CandidateSearch("cells", recall.value, (recall.low, recall.high))
    return rows[kept], found.similarity[place, rank][kept], search


def _searched(
    views: Sequence[Floats], against: Floats | None, n_neighbours: int, min_similarity: float
) -> tuple[Ints, Floats, CandidateSearch]:
    """Look each view of each photo up in an index of those to compare with."""
    stored = views[0] if against is None else against
    index, search = _index(stored, n_queries=sum(map(len, views)))
    found: list[tuple[Ints, Floats]] = [(np.zeros((0, 2), np.intp), np.zeros(0, np.float32))]
    for view in views if len(stored) else []:
        for start in range(0, len(view), BLOCK_ROWS):
            block = np.ascontiguousarray(view[start : start + BLOCK_ROWS], dtype=np.float32)
            k = min(len(stored), n_neighbours + (against is None))  # the nearest is the row itself
            similarity, neighbours = index.search(block, k)
            near, place = np.nonzero((similarity >= min_similarity) & (neighbours >= 0))
            rows = np.column_stack([start + near, neighbours[near, place]])
            kept = slice(None) if against is not None else rows[:, 0] != rows[:, 1]
            found.append((rows[kept], similarity[near, place][kept]))
    rows, similarity = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return rows, similarity, search


def _index(vectors: Floats, n_queries: int) -> tuple[VectorIndex, CandidateSearch]:
    kind = choose_kind("auto" if n_queries >= WORTH_LISTS else "exact", len(vectors))
    view = View(vectors, np.ones(len(vectors), dtype=bool))
    built = build_index(view, kind, max_probed_fraction=MAX_PROBED_FRACTION)
    search = CandidateSearch(built.kind, built.recall_at_10)
    _LOG.info("Candidates among %d photos: %s", len(vectors), search)
    return VectorIndex(built.index), search
