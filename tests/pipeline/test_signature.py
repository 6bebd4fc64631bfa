"""Signed bundles: who asks for a key gets only what its owner signed."""

import base64
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from shelfsure.core.errors import BundleError, BundleSignatureError, ConfigError
from shelfsure.pipeline.bundle import copy_bundle, open_bundle, writing_bundle
from shelfsure.pipeline.manifest import MANIFEST, SIGNATURE, VERIFY_KEY, own_hash
from shelfsure.pipeline.signing import sign_bundle

Private = ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey


def private_file(
    path: Path, key: Private, encryption: KeySerializationEncryption | None = None
) -> Path:
    path.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())
    )
    return path


def public_file(path: Path, key: Private) -> Path:
    path.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return path


def write(folder: Path, text: str) -> Path:
    with writing_bundle(folder, {"photo": "f" * 64}, overwrite=True) as staging:
        (staging / "model.json").write_text(text)
    return folder


@pytest.fixture
def key() -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.generate()


@pytest.fixture
def private(key: Private, tmp_path: Path) -> Path:
    return private_file(tmp_path / "private.pem", key)


@pytest.fixture
def public(key: Private, tmp_path: Path) -> Path:
    return public_file(tmp_path / "public.pem", key)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write(tmp_path / "shop", "{}")


def test_who_asks_for_no_key_opens_any_bundle(bundle: Path, private: Path) -> None:
    before = open_bundle(bundle)
    sign_bundle(bundle, private)
    assert open_bundle(bundle) == before


def test_a_signed_bundle_opens_with_the_public_key(
    bundle: Path, private: Path, public: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sign_bundle(bundle, private) == bundle / SIGNATURE
    monkeypatch.setenv(VERIFY_KEY, str(public))
    assert open_bundle(bundle).version


def test_an_unsigned_bundle_is_refused_with_what_to_do(
    bundle: Path, public: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VERIFY_KEY, str(public))
    with pytest.raises(BundleSignatureError, match=f"must be signed.*{SIGNATURE}.*shelfsure sign"):
        open_bundle(bundle)


def test_a_rewritten_manifest_is_refused(
    bundle: Path, private: Path, public: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_bundle(bundle, private)
    said = json.loads((bundle / MANIFEST).read_text())
    said["created"] = "2001-01-01T00:00:00+00:00"
    said["manifest_sha256"] = own_hash(said)
    (bundle / MANIFEST).write_text(json.dumps(said))
    assert open_bundle(bundle)  # whole, as far as hashes say
    monkeypatch.setenv(VERIFY_KEY, str(public))
    with pytest.raises(BundleSignatureError, match="was changed or signed by somebody else"):
        open_bundle(bundle)


@pytest.mark.parametrize("signature", [b"", b"no base64!", base64.b64encode(b"short"), b"\xff\xfe"])
def test_a_damaged_signature_is_refused(
    bundle: Path, public: Path, signature: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    (bundle / SIGNATURE).write_bytes(signature)
    monkeypatch.setenv(VERIFY_KEY, str(public))
    with pytest.raises(BundleSignatureError):
        open_bundle(bundle)


def test_somebody_elses_signature_is_refused(
    bundle: Path, public: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = private_file(tmp_path / "other.pem", ed25519.Ed25519PrivateKey.generate())
    sign_bundle(bundle, other)
    monkeypatch.setenv(VERIFY_KEY, str(public))
    with pytest.raises(BundleSignatureError):
        open_bundle(bundle)


def test_a_copy_is_signed_and_a_new_bundle_in_its_place_isnt(
    bundle: Path, private: Path, public: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_bundle(bundle, private)
    monkeypatch.setenv(VERIFY_KEY, str(public))
    copy_bundle(bundle, tmp_path / "copy")
    assert open_bundle(tmp_path / "copy").version == open_bundle(bundle).version
    write(bundle, '{"other": 1}')  # takes the place of it, signature and all
    assert not (bundle / SIGNATURE).exists()
    with pytest.raises(BundleSignatureError):
        open_bundle(bundle)


def test_a_damaged_bundle_is_not_signed(bundle: Path, private: Path) -> None:
    (bundle / "model.json").write_text("[]")
    with pytest.raises(BundleError, match="was changed"):
        sign_bundle(bundle, private)
    assert not (bundle / SIGNATURE).exists()


def test_no_bundle_is_not_signed(private: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"must be a folder with a manifest\.json"):
        sign_bundle(tmp_path / "nothing", private)
    assert not (tmp_path / "nothing").exists()


def test_keys_that_wont_do_say_why(
    bundle: Path, key: Private, public: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = {
        private_file(
            tmp_path / "locked.pem", key, BestAvailableEncryption(b"secret")
        ): "without a passphrase, but has one",
        private_file(
            tmp_path / "rsa.pem", rsa.generate_private_key(65537, 2048)
        ): "Ed25519 private key, but holds",
        public: "Ed25519 private key, but isn't",
        tmp_path / "none.pem": "can't be read",
        tmp_path: "can't be read",
    }
    for path, why in wrong.items():
        with pytest.raises(ConfigError, match=why):
            sign_bundle(bundle, path)
    assert not (bundle / SIGNATURE).exists()
    monkeypatch.setenv(VERIFY_KEY, str(tmp_path / "gone.pem"))
    with pytest.raises(ConfigError, match="Ed25519 public key, but can't be read"):
        open_bundle(bundle)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl here")
def test_openssl_makes_the_keys_and_agrees(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private, public, raw = (tmp_path / name for name in ("k.pem", "p.pem", "raw.sig"))

    def openssl(*arguments: str | Path) -> str:
        done = subprocess.run(["openssl", *arguments], capture_output=True, check=True, text=True)
        return done.stdout

    openssl("genpkey", "-algorithm", "ed25519", "-out", private)
    openssl("pkey", "-in", private, "-pubout", "-out", public)
    sign_bundle(bundle, private)
    monkeypatch.setenv(VERIFY_KEY, str(public))
    assert open_bundle(bundle).version
    raw.write_bytes(base64.b64decode((bundle / SIGNATURE).read_bytes()))
    verify = ["pkeyutl", "-verify", "-pubin", "-inkey", public, "-rawin"]
    assert "Success" in openssl(*verify, "-in", bundle / MANIFEST, "-sigfile", raw)
