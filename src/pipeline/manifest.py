"""A bundle's manifest: which files belong to it, each with its sha256, and its own."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..core.errors import BundleChangedError, BundleFormatError

MANIFEST = "manifest.json"
SIGNATURE = "manifest.sig"
VERIFY_KEY = "SHELFSURE_VERIFY_KEY"
"""Environment variable that names a public key: then no bundle is opened that isn't signed by it,
in this process and those that it starts."""
FORMAT = "shelfsure-bundle"
FORMAT_VERSION = 2


def parse_manifest(raw: bytes, path: Path) -> dict[str, Any]:
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
    if manifest.get("manifest_sha256") != own_hash(manifest):
        raise BundleChangedError(
            f"{path} was changed after it was saved: its own hash doesn't match. Restore it."
        )
    if not isinstance(manifest.get("files"), dict) or "fingerprints" not in manifest:
        raise BundleChangedError(f"{path} must name files and fingerprints, but doesn't.")
    return dict(manifest)


def owned_files(folder: Path) -> set[str] | None:
    """Name a bundle's files, as far as its manifest can be read."""
    try:
        said = json.loads((folder / MANIFEST).read_bytes())
        return {*said["files"], MANIFEST, SIGNATURE} if said["format"] == FORMAT else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def own_hash(manifest: Mapping[str, Any]) -> str:
    rest = {key: value for key, value in manifest.items() if key != "manifest_sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()
