"""A change to an index: new files first, then the manifest, then the old files go.

One writer at a time; readers need no lock.
"""

import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from ...core.errors import IndexLockedError, ListingIndexError
from ...core.kinds import FolderKind
from ...core.output import output
from .faiss_build import choose_kind
from .manifest import MANIFEST, Manifest, SegmentEntry, write_manifest
from .rows import IndexRows, concatenate
from .segment import write_segment
from .snapshot import Snapshot, open_snapshot

# only names of our own making are ever removed
_OURS = re.compile(r"(?P<number>\d{8})\.(records\.sqlite|[a-z][a-z0-9_]*\.faiss)")
_UNFINISHED = re.compile(r"\.manifest\..*\.partial\.json")
_TINY = 250
DETAILS_FILE = "photo_details.sqlite"
"""What duplicates compare of an index's photos: by content, so it is right after any change."""
LOCK_FILES = LOCK_FILE, HOLDER_FILE = ".lock", ".writer.pid"


def _owned(folder: Path) -> set[str] | None:
    """Name an index's files; one whose manifest is damaged or missing holds nothing else."""
    names = {path.name for path in folder.iterdir()}
    ours = {
        name for name in names if name in {MANIFEST, DETAILS_FILE, *LOCK_FILES} or _is_ours(name)
    }
    try:
        said = json.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return ours if ours == names else None
    return ours if isinstance(said, dict) and said.keys() == {"sha256", "index"} else None


INDEX = FolderKind("an index", _owned, ListingIndexError)


@contextmanager
def writer_lock(folder: Path) -> Iterator[None]:
    """Hold the folder for writing, or say at once who does.

    The operating system holds the lock and lets go when its holder ends, however that happens:
    a killed writer blocks nobody. The holder's pid only serves the message.

    Raises
    ------
    IndexLockedError
        If another writer (another process, or another thread of this one) is at work.
    OutputError
        If the folder can't be written to.
    """
    made, holder = not folder.exists(), folder / HOLDER_FILE
    with output(folder):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with _locked(folder):
                try:
                    holder.write_text(str(os.getpid()))
                    yield
                finally:
                    _remove(holder)
        except IndexLockedError:
            raise
        except BaseException:
            if made:  # nothing was finished here
                _remove(folder / LOCK_FILE)
                with suppress(OSError):
                    folder.rmdir()
            raise


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    try:
        lock = FileLock(folder / LOCK_FILE, timeout=0).acquire()
    except Timeout as error:
        raise IndexLockedError(
            f"Only one writer at a time may change the index {folder}, but process "
            f"{_holder(folder / HOLDER_FILE)} is writing to it. Wait until it is done, or stop it, "
            "and try again."
        ) from error
    with lock:
        yield


def write_change(
    folder: Path,
    snapshot: Snapshot,
    ids: Iterable[str] = (),
    new: IndexRows | None = None,
    *,
    fold_all: bool = False,
) -> Snapshot:
    """Drop listings, add others, and make that the index; the caller holds the lock.

    Parameters
    ----------
    snapshot
        The newest state; its manifest may carry another wished kind.
    ids
        Listings that go, or are replaced.
    new
        Listings that come, with every space of the index.
    fold_all
        Write everything anew as one segment.

    Raises
    ------
    OutputError
        If it can't be written; then the folder is as it was.
    """
    before = {path.name for path in folder.iterdir()}
    try:
        with output(folder):
            changed = _write(folder, snapshot, ids, new, fold_all=fold_all)
    except BaseException:
        sweep(folder, before)
        raise
    sweep(folder, changed.file_names)
    return open_snapshot(folder, snapshot)


def _write(
    folder: Path,
    snapshot: Snapshot,
    ids: Iterable[str],
    new: IndexRows | None,
    *,
    fold_all: bool,
) -> Manifest:
    manifest = snapshot.manifest
    segments = snapshot.without(snapshot.locate(ids).values())
    entries = [segment.entry for segment in segments]
    n_new = len(new.records) if new else 0
    folded = segments_to_fold(entries, n_new)
    if fold_all or outgrown(manifest, entries, new):
        folded = {entry.number for entry in entries}
    batches = [segment.batch() for segment in segments if segment.entry.number in folded]
    batches = [batch for batch in (*batches, new) if batch and batch.records]
    number = 1 + max(manifest.generation, last_number(folder))  # a new name, whatever is left
    kept = [entry for entry in entries if entry.number not in folded]
    if batches:
        kept.append(write_segment(folder, number, concatenate(batches), manifest.kind))
    changed = manifest.model_copy(update={"generation": number, "segments": tuple(kept)})
    write_manifest(folder, changed)
    return changed


def outgrown(manifest: Manifest, entries: Sequence[SegmentEntry], new: IndexRows | None) -> bool:
    """Tell whether segments, each small enough for exact search, no longer are so together."""
    for space in manifest.dims:
        n_vectors = sum(entry.spaces[space].n_vectors for entry in entries)
        n_vectors += int(new.views[space].present.sum()) if new else 0
        kinds = {entry.spaces[space].kind for entry in entries}
        if kinds == {"exact"} and choose_kind(manifest.kind, n_vectors) != "exact":
            return True
    return False


def last_number(folder: Path) -> int:
    """Largest number in a file's name, 0 if there is none."""
    names = (_OURS.fullmatch(path.name) for path in folder.iterdir())
    return max((int(name["number"]) for name in names if name), default=0)


def sweep(folder: Path, keep: Iterable[str]) -> None:
    """Remove our files that no manifest names: of earlier states, or left by a killed writer.

    A reader that has one open goes on reading it; where the system forbids that (Windows), the file
    stays until a later sweep.
    """
    kept = set(keep)
    for path in list(folder.iterdir()):
        if _is_ours(path.name) and path.name not in kept:
            _remove(path)


def _is_ours(name: str) -> bool:
    return bool(_OURS.fullmatch(name) or _UNFINISHED.fullmatch(name))


def segments_to_fold(segments: Sequence[SegmentEntry], n_new: int) -> set[int]:
    """Choose, by number, the segments that are rewritten together with new listings.

    A segment joins if it is tiny, or no larger than what is written anyway: so an addition to a
    large index stays cheap, a listing is rewritten about log2(n) times in its life, and segments
    stay few. One that is mostly removed listings is rewritten without them.
    """
    folded = {segment.number for segment in segments if 2 * len(segment.removed) > segment.n_rows}
    total = n_new + sum(segment.n_live for segment in segments if segment.number in folded)
    for segment in sorted(segments, key=lambda segment: segment.n_live):
        if total and segment.number not in folded and segment.n_live <= max(total, _TINY):
            folded.add(segment.number)
            total += segment.n_live
    return folded


def _holder(file: Path) -> str:
    """Read who holds the lock; it may have let go, or not yet have written its name."""
    try:
        return file.read_text() or "(unknown)"
    except OSError:
        return "(unknown)"


def _remove(file: Path) -> None:
    with suppress(OSError):
        file.unlink()
