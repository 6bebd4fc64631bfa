"""Every listing's nearest others, for finding duplicates, in bounded memory."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ...core.arrays import Floats, Ints
from .snapshot import Snapshot, require_neighbours

_JOIN_BLOCK = 1024


@dataclass(frozen=True)
class JoinBlock:
    """Some listings with their nearest others; numbers are places in ``ListingIndex.ids()``.

    Parameters
    ----------
    rows
        Shape ``(n,)``.
    neighbours
        Shape ``(n, k)``, nearest first, never the listing itself; -1 where there are no more.
    similarities
        Shape ``(n, k)``, cosines; ``-inf`` where there are no more.
    """

    rows: Ints
    neighbours: Ints
    similarities: Floats


def self_join(snapshot: Snapshot, space: str, k: int) -> Iterator[JoinBlock]:
    """Find every listing's nearest others, a block of listings at a time."""
    require_neighbours(k)
    place = np.append(np.cumsum(snapshot.live) - 1, -1)  # the last is for row -1
    for segment, offset in zip(snapshot.segments, snapshot.offsets, strict=False):
        index = segment.indexes[space]
        rows = index.rows[segment.live[index.rows]]
        for start in range(0, len(rows), _JOIN_BLOCK):
            own = rows[start : start + _JOIN_BLOCK]
            similarities, found = snapshot.nearest_in(space, index.vectors(own), k + 1)
            own = own + offset
            # of k + 1 found, drop the listing itself, or the last if copies crowd it out
            others = found != own[:, None]
            others[others.all(axis=1), -1] = False
            shape = (len(own), k)
            yield JoinBlock(
                rows=place[own],
                neighbours=place[found[others]].reshape(shape),
                similarities=similarities[others].reshape(shape),
            )
