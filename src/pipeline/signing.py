"""Signing a bundle; `signature` says what that is worth."""

import base64
from pathlib import Path

from ..core.files import atomic_path, exclusive
from .bundle import verified
from .manifest import SIGNATURE
from .signature import private_key


def sign_bundle(folder: Path, key: Path) -> Path:
    """Verify a bundle and sign it; an earlier signature is replaced.

    Parameters
    ----------
    key
        PEM file of an Ed25519 private key, without a passphrase.

    Returns
    -------
    Path
        The signature's file, in the bundle: 64 bytes in base64.

    Raises
    ------
    BundleError
        If the bundle can't be used.
    ConfigError
        If the key can't.
    """
    with exclusive(folder):
        _, manifest = verified(folder)
        signature = private_key(key).sign(manifest)
        with atomic_path(folder / SIGNATURE) as partial:
            partial.write_bytes(base64.b64encode(signature) + b"\n")
    return folder / SIGNATURE
