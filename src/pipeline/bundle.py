"""The bundle: a folder that is whole or refused; JSON, safetensors, FAISS files, nothing that runs.

The manifest is written last and names every file with its sha256. Loading verifies first and only
then builds anything. The hashes guard against damage and mix-ups; they are no signature, so load
bundles from people you trust.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import Any

from ..core.errors import (
    BundleChangedError,
    BundleError,
    BundleFingerprintError,
    BundleFormatError,
    BundleIncompleteError,
)
from ..core.files import atomic_folder, sha256_of_file
from ..core.kinds import FolderKind

MANIFEST = "manifest.json"
FORMAT = "shelfsure-bundle"
FORMAT_VERSION = 2


def _owned(folder: Path) -> set[str] | None:
    """Name a bundle's files, as far as its manifest can be read."""
    try:
        said = json.loads((folder / MANIFEST).read_bytes())
        return {*said["files"], MANIFEST} if said["format"] == FORMAT else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


BUNDLE = FolderKind("a bundle", _owned, BundleError)


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
    """

    folder: Path
    version: str
    fingerprints: Mapping[str, str]

    def read_json(self, name: str) -> Any:
        return json.loads((self.folder / name).read_text(encoding="utf-8"))

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
    folder: Path, fingerprints: Mapping[str, str], *, overwrite: bool = False
) -> Iterator[Path]:
    """Yield a folder to fill; on success it becomes the bundle, on an error it goes.

    Raises
    ------
    BundleError
        If `folder` is there and `overwrite` isn't set, or it holds something else than a bundle.
    """
    with atomic_folder(folder, BUNDLE, replace=overwrite) as staging:
        yield staging
        _write_manifest(staging, fingerprints)


def open_bundle(folder: Path) -> Bundle:
    """Verify a bundle's manifest and every file it names.

    Raises
    ------
    BundleFormatError, BundleIncompleteError, BundleChangedError
        Each with what was expected and what was found.
    """
    path = folder / MANIFEST
    if not path.is_file():
        if (folder / "model.json").is_file():
            raise BundleIncompleteError(
                f"Bundle {folder} has no {MANIFEST}: its saving or copying was never finished. "
                "Train or copy it again."
            )
        raise BundleFormatError(
            f"A bundle must be a folder with a {MANIFEST}, but {folder} is not. "
            "Make one with `shelfsure train`."
        )
    raw = path.read_bytes()
    manifest = _parse(raw, path)
    for name, expected in manifest["files"].items():
        _verify(folder, name, expected)
    return Bundle(folder, hashlib.sha256(raw).hexdigest()[:12], manifest["fingerprints"])


def copy_bundle(source: Path, folder: Path, *, overwrite: bool = False) -> Bundle:
    """Copy the files that a bundle's manifest names; the copy appears whole or not at all.

    Raises
    ------
    BundleError
        If `source` can't be used, or `folder` is taken (see `writing_bundle`).
    """
    with atomic_folder(folder, BUNDLE, replace=overwrite) as staging:
        open_bundle(source)
        names = _parse((source / MANIFEST).read_bytes(), source / MANIFEST)["files"]
        for name in (*names, MANIFEST):
            (staging / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / name, staging / name)
        open_bundle(staging)
    return open_bundle(folder)


def _parse(raw: bytes, path: Path) -> dict[str, Any]:
    try:
        manifest = json.loads(raw)
        found, version_ = manifest["format"], manifest["format_version"]
    except (ValueError, KeyError, TypeError) as error:
        raise BundleChangedError(f"{path} is damaged ({error!r}). Restore the bundle.") from error
    if found != FORMAT or not isinstance(version_, int):
        raise BundleFormatError(f"{path} must say format {FORMAT}, but says {found!r}.")
    if version_ > FORMAT_VERSION:
        raise BundleFormatError(
            f"{path} has format version {version_}, but this Shelfsure reads up to "
            f"{FORMAT_VERSION}. Upgrade Shelfsure: pip install --upgrade shelfsure"
        )
    if manifest.get("manifest_sha256") != _own_hash(manifest):
        raise BundleChangedError(
            f"{path} was changed after it was saved: its own hash doesn't match. Restore it."
        )
    if not isinstance(manifest.get("files"), dict) or "fingerprints" not in manifest:
        raise BundleChangedError(f"{path} must name files and fingerprints, but doesn't.")
    return dict(manifest)


def _verify(folder: Path, name: str, expected: Mapping[str, Any]) -> None:
    relative = PurePosixPath(name)
    if relative.is_absolute() or ".." in relative.parts:
        raise BundleChangedError(f"Bundle {folder} names a file outside of itself: {name}.")
    path = folder / relative
    if not path.is_file():
        raise BundleIncompleteError(
            f"Bundle {folder} must hold {name}, but doesn't. Copy it again, or train anew."
        )
    if (found := sha256_of_file(path)) != expected["sha256"]:
        raise BundleChangedError(
            f"{path} must have sha256 {expected['sha256'][:12]}…, but has {found[:12]}…: it was "
            "changed after it was saved. Restore it, or train anew."
        )


def _write_manifest(staging: Path, fingerprints: Mapping[str, str]) -> None:
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
    manifest["manifest_sha256"] = _own_hash(manifest)
    (staging / MANIFEST).write_text(json.dumps(manifest, indent=2), encoding="utf-8")


def _own_hash(manifest: Mapping[str, Any]) -> str:
    rest = {key: value for key, value in manifest.items() if key != "manifest_sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()
