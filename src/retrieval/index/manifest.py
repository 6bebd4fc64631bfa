"""The manifest: what belongs to an index. Replacing it is the one moment at which a change happens.

Every other file is written once under a new name and never changed, so whoever has read a manifest
has a whole index before them, whatever a writer does meanwhile.
"""

import hashlib
import io
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from ...core.errors import (
    IndexChangedError,
    IndexFingerprintError,
    IndexFormatError,
    IndexIncompleteError,
)
from ...core.files import sha256_of_file, write_text
from ...core.staging import sync

MANIFEST = "manifest.json"
FORMAT = 1

Kind = Literal["exact", "hnsw", "ivf"]
WantedKind = Literal["auto", "exact", "hnsw", "ivf"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class FileEntry(_Frozen):
    """A file as it was written."""

    n_bytes: int
    sha256: str


class SpaceEntry(_Frozen):
    """One space of a segment; `recall_at_10` is against exact search, measured when built."""

    kind: Kind
    n_vectors: int
    recall_at_10: float


class SegmentEntry(_Frozen):
    """A batch of listings, written once; `removed` are the rows that no longer count.

    Of its rows `n_further` are further photos of a listing; see `further`.
    """

    number: int
    n_rows: int
    removed: tuple[int, ...] = ()
    n_further: int = 0
    spaces: dict[str, SpaceEntry]
    files: dict[str, FileEntry]

    @property
    def n_live(self) -> int:
        return self.n_rows - len(self.removed)

    def without(self, rows: list[int]) -> "SegmentEntry":
        return self.model_copy(update={"removed": tuple(sorted({*self.removed, *rows}))})


class Manifest(_Frozen):
    """A whole index at one moment; `generation` grows with every change."""

    format: int = FORMAT
    generation: int
    kind: WantedKind
    dims: dict[str, int]
    fingerprints: dict[str, str]
    segments: tuple[SegmentEntry, ...]

    @property
    def file_names(self) -> set[str]:
        return {name for segment in self.segments for name in segment.files}


def read_manifest(folder: Path) -> Manifest:
    """Read what belongs to the index in `folder`.

    Raises
    ------
    IndexIncompleteError, IndexChangedError, IndexFormatError
        If there is none, it was damaged, or a newer Shelfsure wrote it.
    """
    try:
        raw = (folder / MANIFEST).read_bytes()
    except OSError as error:
        raise IndexIncompleteError(
            f"An index folder must hold a {MANIFEST}, but {folder} has none ({error.strerror}): it "
            "is no index, or its first build was never finished. Build it with: shelfsure index "
            "build"
        ) from error
    return parse_manifest(raw, folder)


def parse_manifest(raw: bytes, folder: Path) -> Manifest:
    """Take what `write_manifest` wrote to `folder`; see `read_manifest`."""
    path = folder / MANIFEST
    try:
        stored = json.loads(raw)
        body, expected = stored["index"], stored["sha256"]
    except (ValueError, KeyError, TypeError) as error:
        raise IndexChangedError(f"{path} must be a manifest, but {error!r}. {_REPAIR}") from error
    if isinstance(body, dict) and isinstance(body.get("format"), int) and body["format"] > FORMAT:
        raise IndexFormatError(
            f"The index {folder} must have format {FORMAT} or older, but has {body['format']}: a "
            "newer Shelfsure wrote it. Upgrade with: pip install --upgrade shelfsure"
        )
    if (found := _digest(body)) != expected:
        raise IndexChangedError(f"{path} must have checksum {expected}, but has {found}. {_REPAIR}")
    try:
        return Manifest.model_validate(body)
    except ValidationError as error:
        raise IndexChangedError(f"{path} must be a manifest, but {error}. {_REPAIR}") from error


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Make `manifest` the index, in one step that survives a power cut."""
    body = manifest.model_dump(mode="json")
    sync(folder)  # the files that it names come first
    write_text(folder / MANIFEST, json.dumps({"sha256": _digest(body), "index": body}))
    sync(folder)


def file_entry(path: Path) -> FileEntry:
    """Put a finished file on disk for good, and describe it."""
    sync(path)
    return FileEntry(n_bytes=path.stat().st_size, sha256=sha256_of_file(path))


def copy_file(source: Path, target: Path, expected: FileEntry) -> None:
    """Copy a file that must be the one written.

    Raises
    ------
    IndexIncompleteError, IndexChangedError
        If it isn't.
    """
    try:
        shutil.copyfile(source, target)
    except FileNotFoundError as error:
        raise missing(source) from error
    with target.open("rb") as file:
        verify(file, source, expected)


def missing(path: Path | str) -> IndexIncompleteError:
    return IndexIncompleteError(
        f"An index must hold {path}, but it is missing. Restore it from a copy, or build it anew "
        "with: shelfsure index build"
    )


def verify(file: io.BufferedReader | io.BytesIO, path: Path, expected: FileEntry) -> None:
    """Raise IndexChangedError for a file that isn't the one written; leaves it at its start."""
    found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != expected.sha256:
        raise IndexChangedError(
            f"{path} must have {expected.n_bytes} bytes and sha256 {expected.sha256}, but has "
            f"{file.tell()} and {found}. {_REPAIR}"
        )
    file.seek(0)


def check_fingerprints(folder: Path, built: Mapping[str, str], given: Mapping[str, str]) -> None:
    """Raise IndexFingerprintError for encoders other than those that filled the index."""
    for space, fingerprint in given.items():
        if built.get(space) != fingerprint:
            raise IndexFingerprintError(
                f"The index {folder} was built with {space} encoder {built.get(space, 'none')}, "
                f"but this one is {fingerprint}. Use the encoder that it was built with, or "
                "build it anew with: shelfsure index build"
            )


_REPAIR = (
    "It was changed or damaged. Restore it from a copy, or build it anew with: "
    "shelfsure index build"
)


def _digest(body: object) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
