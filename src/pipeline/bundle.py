"""The bundle: a folder that is whole or refused; JSON, safetensors, FAISS files, nothing that runs.

The manifest is written last and names every file with its sha256. Loading verifies first and only
then builds anything. The hashes guard against damage and mix-ups; against people, `signature` does.
"""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from ..core.errors import (
    BundleChangedError,
    BundleError,
    BundleFingerprintError,
    BundleFormatError,
    BundleIncompleteError,
    BundleReplacedError,
    ShelfsureError,
)
from ..core.files import atomic_folder, parse_json, settled, sha256_of_file
from ..core.kinds import FolderKind
from .manifest import (
    FORMAT,
    FORMAT_VERSION,
    MANIFEST,
    SIGNATURE,
    own_hash,
    owned_files,
    parse_manifest,
)
from .signature import require_signature

PATIENCE_S = 30.0
"""How long a bundle that is exchanged again and again is tried."""
_PAUSE_S, MISSES = 0.02, 10
T = TypeVar("T")


BUNDLE = FolderKind("a bundle", owned_files, BundleError)


@dataclass(frozen=True)
class Bundle:
    """A verified bundle.

    Parameters
    ----------
    folder
        Where its files lie.
    version
        First 12 digits of the manifest's hash; changes with any file.
    fingerprints
        Encoder -> fingerprint that it was fitted on.
    files
        Name -> its ``sha256`` and ``bytes``.
    """

    folder: Path
    version: str
    fingerprints: Mapping[str, str]
    files: Mapping[str, Mapping[str, Any]]

    def read(self, name: str) -> bytes:
        """Read a file as its manifest knows it, whatever has taken the bundle's place since.

        Raises
        ------
        FileNotFoundError
            If the bundle has no such file.
        BundleIncompleteError, BundleChangedError
            If what is there isn't what the manifest names.
        """
        if name not in self.files:
            raise FileNotFoundError(f"Bundle {self.folder} has no {name}.")
        try:
            data = (self.folder / name).read_bytes()
        except OSError as error:
            raise _missing(self.folder, name) from error
        _require_hash(self.folder / name, hashlib.sha256(data).hexdigest(), self.files[name])
        return data

    def to_copy(self) -> tuple[str, ...]:
        """Name what a copy needs: its files, its manifest and, where it has one, its signature."""
        signed = (SIGNATURE,) if (self.folder / SIGNATURE).is_file() else ()
        return (*self.files, MANIFEST, *signed)

    def read_json(self, name: str) -> Any:
        return parse_json(self.read(name))

    def require_fingerprint(self, encoder: str, found: str, weights: str) -> None:
        """Refuse to run on other weights than those it was fitted on."""
        fitted = self.fingerprints[encoder]
        if fitted != found:
            raise BundleFingerprintError(
                f"Bundle {self.folder} was fitted on {encoder} encoder {fitted[:4]}…{fitted[-4:]}, "
                f"but {weights} loads {found[:4]}…{found[-4:]}. Retrain, or install the weights "
                "that it was fitted on."
            )


@contextmanager
def writing_bundle(
    folder: Path,
    fingerprints: Mapping[str, str],
    *,
    overwrite: bool = False,
    replacing: str | None = None,
) -> Iterator[Path]:
    """Yield a folder to fill; on success it becomes the bundle, on an error it goes.

    The manifest is written at the end, unless the block has done that.

    Parameters
    ----------
    replacing
        Version of the bundle that this one is made from, and the only one that it may replace;
        None: any.

    Raises
    ------
    BundleReplacedError
        If another version has taken the place of that meanwhile.
    BundleError
        If `folder` is there and `overwrite` isn't set, or it holds something else than a bundle.
    """

    def check() -> None:
        if replacing and not is_version(folder, replacing):
            raise BundleReplacedError(
                f"Bundle {folder} must still be {replacing}, which this change was made from, but "
                "is another by now. Nothing was changed. Run the command again."
            )

    with atomic_folder(folder, BUNDLE, replace=overwrite, check=check) as staging:
        yield staging
        if not (staging / MANIFEST).exists():
            write_manifest(staging, fingerprints)


def open_bundle(folder: Path) -> Bundle:
    """Verify a bundle's manifest, its signature where one is asked for, and every file it names.

    Raises
    ------
    BundleFormatError, BundleIncompleteError, BundleChangedError, BundleSignatureError
        Each with what was expected and what was found.
    """
    bundle, raw = verified(folder)
    require_signature(folder, raw)
    return bundle


def verified(folder: Path) -> tuple[Bundle, bytes]:
    """Verify a bundle's manifest and files; also give the manifest's bytes."""
    path = folder / MANIFEST
    try:
        raw = path.read_bytes()
    except OSError as error:
        if os.path.isfile(folder / "model.json"):  # noqa: PTH113 (a name may be too long)
            raise BundleIncompleteError(
                f"Bundle {folder} has no {MANIFEST}: its saving or copying was never finished. "
                "Train or copy it again."
            ) from error
        raise BundleFormatError(
            f"A bundle must be a folder with a {MANIFEST}, but {folder} is not. "
            "Make one with `shelfsure train`."
        ) from error
    manifest = parse_manifest(raw, path)
    for name, expected in manifest["files"].items():
        _verify(folder, name, expected)
    return Bundle(folder, _version(raw), manifest["fingerprints"], manifest["files"]), raw


def read_bundle(folder: Path, read: Callable[[Bundle], T]) -> T:
    """Open a bundle and read from it; begin anew if another has taken its place meanwhile.

    Raises
    ------
    ShelfsureError
        As `open_bundle` and `read` do, where the bundle stays the same; or if it is exchanged
        faster than it can be read, for `PATIENCE_S`.
    """
    started, n_missing = time.monotonic(), 0
    while True:
        settled(folder)
        before = _identity(folder)
        try:
            return read(open_bundle(folder))
        except (ShelfsureError, OSError):
            n_missing += before is None  # for a moment, if somebody moves another there
            stays = before == _identity(folder) and (before is not None or n_missing > MISSES)
            if stays or time.monotonic() - started > PATIENCE_S:
                raise
        time.sleep(_PAUSE_S)


def copy_bundle(source: Path, folder: Path, *, overwrite: bool = False) -> Bundle:
    """Copy the files that a bundle's manifest names; the copy appears whole or not at all.

    Raises
    ------
    BundleError
        If `source` can't be used, or `folder` is taken (see `writing_bundle`).
    """
    with atomic_folder(folder, BUNDLE, replace=overwrite) as staging:

        def copy(bundle: Bundle) -> Bundle:
            for name in bundle.to_copy():
                (staging / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source / name, staging / name)
            return open_bundle(staging)

        bundle = read_bundle(source, copy)
    return replace(bundle, folder=folder)


def _verify(folder: Path, name: str, expected: Mapping[str, Any]) -> None:
    relative = PurePosixPath(name)
    if relative.is_absolute() or ".." in relative.parts:
        raise BundleChangedError(f"Bundle {folder} names a file outside of itself: {name}.")
    path = folder / relative
    try:
        found = sha256_of_file(path)
    except OSError as error:
        raise _missing(folder, name) from error
    _require_hash(path, found, expected)


def _require_hash(path: Path, found: str, expected: Mapping[str, Any]) -> None:
    if found != expected["sha256"]:
        raise BundleChangedError(
            f"{path} must have sha256 {expected['sha256'][:12]}…, but has {found[:12]}…: it was "
            "changed after it was saved. Restore it, or train anew."
        )


def _missing(folder: Path, name: str) -> BundleIncompleteError:
    return BundleIncompleteError(
        f"Bundle {folder} must hold {name}, but doesn't. Copy it again, or train anew."
    )


def is_version(folder: Path, version: str) -> bool:
    """Tell whether a bundle is still the one of this version."""
    try:
        return _version((folder / MANIFEST).read_bytes()) == version
    except OSError:
        return False


def _version(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()[:12]


def _identity(folder: Path) -> tuple[int, ...] | None:
    """Tell a bundle's folder from others in its place, before and since; None while none is there.

    Systems but Windows note when a folder was last renamed, so one that came back has changed, too.
    """
    try:
        found, manifest = folder.stat(), (folder / MANIFEST).stat()
    except OSError:
        return None
    return found.st_ino, found.st_ctime_ns, manifest.st_ino, manifest.st_mtime_ns


def write_manifest(staging: Path, fingerprints: Mapping[str, str]) -> Bundle:
    """Write the manifest of the files in a folder, which makes them a bundle."""
    paths = sorted(path for path in staging.rglob("*") if path.is_file())
    found = {path: {"sha256": sha256_of_file(path), "bytes": path.stat().st_size} for path in paths}
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "shelfsure_version": version("shelfsure"),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "fingerprints": dict(fingerprints),
        "files": {path.relative_to(staging).as_posix(): said for path, said in found.items()},
    }
    manifest["manifest_sha256"] = own_hash(manifest)
    raw = json.dumps(manifest, indent=2).encode()
    (staging / MANIFEST).write_bytes(raw)
    return Bundle(staging, _version(raw), dict(fingerprints), manifest["files"])
