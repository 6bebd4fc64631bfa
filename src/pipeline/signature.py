"""Signatures of bundles: who vouches for one, where hashes only tell that it is whole.

A manifest names every file's sha256, so signing it signs the bundle. Ed25519 (RFC 8032), keys in
PEM files as OpenSSL writes them.
"""

import base64
import binascii
import os
from collections.abc import Callable
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from ..core.errors import BundleSignatureError, ConfigError
from .manifest import MANIFEST, SIGNATURE, VERIFY_KEY


def require_signature(folder: Path, manifest: bytes) -> None:
    """Refuse a bundle that isn't signed by the key that `VERIFY_KEY` names, if it names one.

    Raises
    ------
    BundleSignatureError
        If the signature is missing, damaged, or of another key or manifest.
    ConfigError
        If the key can't be used.
    """
    named = os.environ.get(VERIFY_KEY)
    if not named:
        return
    public = _public_key(Path(named))
    path = folder / SIGNATURE
    ways_out = (
        f"Have it signed (`shelfsure sign {folder} --key PRIVATE.pem`), or unset {VERIFY_KEY}."
    )
    try:
        signature = base64.b64decode(path.read_bytes().strip(), validate=True)
        public.verify(signature, manifest)
    except OSError as error:
        raise BundleSignatureError(
            f"Bundle {folder} must be signed, since {VERIFY_KEY} is {named}, but has no readable "
            f"{SIGNATURE}. {ways_out}"
        ) from error
    except (InvalidSignature, binascii.Error, ValueError) as error:
        raise BundleSignatureError(
            f"{path} must be the signature of {MANIFEST} by the key {named}, but isn't: the bundle "
            f"was changed or signed by somebody else. {ways_out}"
        ) from error


def private_key(path: Path) -> Ed25519PrivateKey:
    """Read a private key; a ConfigError says why it can't be."""
    what = "PEM file of an Ed25519 private key"
    key = _loaded(path, what, lambda pem: load_pem_private_key(pem, password=None))
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(f"{path} must be the {what}, but holds {type(key).__name__}.")
    return key


def _public_key(path: Path) -> Ed25519PublicKey:
    what = "PEM file of an Ed25519 public key"
    key = _loaded(path, what, load_pem_public_key)
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigError(f"{path} must be the {what}, but holds {type(key).__name__}.")
    return key


def _loaded(path: Path, what: str, load: Callable[[bytes], object]) -> object:
    try:
        return load(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path} must be the {what}, but can't be read: {error}.") from error
    except TypeError as error:
        raise ConfigError(
            f"{path} must be the {what} without a passphrase, but has one. Decrypt it: "
            f"openssl pkey -in {path} -out PLAIN.pem"
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ConfigError(f"{path} must be the {what}, but isn't: {error}.") from error
