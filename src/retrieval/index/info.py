"""What an index holds, in numbers."""

from dataclasses import dataclass
from pathlib import Path

from .snapshot import Snapshot


@dataclass(frozen=True)
class SpaceInfo:
    """One space: `kinds` of search in use; `recall_at_10` the lowest, measured when built."""

    dim: int
    n_vectors: int
    kinds: tuple[str, ...]
    recall_at_10: float


@dataclass(frozen=True)
class IndexInfo:
    """An index: `n_bytes` on disk; `generation` grows with every change; `kind` as wished."""

    folder: Path
    n_listings: int
    n_bytes: int
    n_segments: int
    generation: int
    kind: str
    spaces: dict[str, SpaceInfo]
    fingerprints: dict[str, str]


def describe(folder: Path, snapshot: Snapshot) -> IndexInfo:
    """Count what is live."""
    manifest = snapshot.manifest
    return IndexInfo(
        folder=folder,
        n_listings=sum(entry.n_live for entry in manifest.segments),
        n_bytes=sum(file.n_bytes for entry in manifest.segments for file in entry.files.values()),
        n_segments=len(manifest.segments),
        generation=manifest.generation,
        kind=manifest.kind,
        spaces={space: _describe_space(snapshot, space) for space in manifest.dims},
        fingerprints=manifest.fingerprints,
    )


def _describe_space(snapshot: Snapshot, space: str) -> SpaceInfo:
    entries = [segment.entry.spaces[space] for segment in snapshot.segments]
    return SpaceInfo(
        dim=snapshot.manifest.dims[space],
        n_vectors=sum(
            int(segment.live[segment.indexes[space].rows].sum()) for segment in snapshot.segments
        ),
        kinds=tuple(sorted({entry.kind for entry in entries})),
        recall_at_10=min((entry.recall_at_10 for entry in entries), default=1.0),
    )
