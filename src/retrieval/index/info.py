"""What an index tells of itself."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class SpaceInfo:
    """One space: `kinds` of search in use; `recall_at_10` the lowest, measured when built."""

    dim: int
    n_vectors: int
    kinds: tuple[str, ...]
    recall_at_10: float


@dataclass(frozen=True)
class IndexInfo:
    """An index: `n_bytes` on disk; `generation` grows with every change; `kind` as wished.

    `n_removed` listings are gone, but still stored until their segment is written anew.
    """

    folder: Path
    n_listings: int
    n_bytes: int
    n_segments: int
    generation: int
    kind: str
    spaces: dict[str, SpaceInfo]
    fingerprints: dict[str, str]
    n_removed: int = 0
