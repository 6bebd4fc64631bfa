"""A bundle is whole, or refused with the reason."""

import json
import os
import pickle
import pickletools
import shutil
import signal
import zipfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from shelfsure.core.errors import (
    BundleChangedError,
    BundleError,
    BundleFingerprintError,
    BundleFormatError,
    BundleIncompleteError,
)
from shelfsure.embedding.embedder import Embedder
from shelfsure.pipeline import persistence
from shelfsure.pipeline.bundle import (
    open_bundle,
    writing_bundle,
)
from shelfsure.pipeline.manifest import FORMAT_VERSION, MANIFEST, own_hash
from shelfsure.pipeline.pipeline import ListingPipeline


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory, tiny_trained: ListingPipeline) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "shop"
    tiny_trained.save(folder)
    return folder


@pytest.fixture
def bundle(saved: Path, tmp_path: Path) -> Path:
    """A saved pipeline of one's own, to be broken."""
    return Path(shutil.copytree(saved, tmp_path / "shop"))


def files_of(bundle: Path) -> list[str]:
    """Every file's name but the manifest's."""
    paths = (path.relative_to(bundle) for path in bundle.rglob("*") if path.is_file())
    names = sorted(path.as_posix() for path in paths if path.as_posix() != MANIFEST)
    assert {"README.md", "heads.safetensors", "model.json", "tfidf_title.json"} <= set(names)
    return names


def write(folder: Path, text: str, **more: Any) -> None:
    with writing_bundle(folder, {"photo": "f" * 64}, **more) as staging:
        (staging / "model.json").write_text(text)


def rewrite_manifest(folder: Path, *, signed: bool = True, **changes: Any) -> None:
    """Edit the manifest, by default as carefully as somebody would who means harm."""
    manifest = json.loads((folder / MANIFEST).read_text()) | changes
    if signed:
        manifest["manifest_sha256"] = own_hash(manifest)
    (folder / MANIFEST).write_text(json.dumps(manifest))


def test_save_vouches_for_every_file(bundle: Path) -> None:
    files = json.loads((bundle / MANIFEST).read_text())["files"]
    assert sorted(files) == files_of(bundle)
    for name, said in files.items():
        data = (bundle / name).read_bytes()
        assert said == {"sha256": sha256(data).hexdigest(), "bytes": len(data)}


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such permissions")
@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o077, 0o600)])
def test_save_gives_every_file_the_mode_that_the_umask_says(
    tiny_trained: ListingPipeline, tmp_path: Path, umask: int, mode: int
) -> None:
    before = os.umask(umask)
    try:
        tiny_trained.save(tmp_path / "shop")
    finally:
        os.umask(before)
    paths = [path for path in (tmp_path / "shop").rglob("*") if path.is_file()]
    assert {path.suffix for path in paths} >= {".safetensors", ".json", ".faiss", ".sqlite"}
    assert {path.stat().st_mode & 0o777 for path in paths} == {mode}


def test_save_writes_nothing_that_can_run(bundle: Path) -> None:
    for name in files_of(bundle):
        path = bundle / name
        assert path.suffix in {".json", ".safetensors", ".faiss", ".sqlite", ".md"}
        assert not zipfile.is_zipfile(path)  # torch.save, joblib
        with pytest.raises((pickle.UnpicklingError, EOFError, ValueError, OverflowError)):
            list(pickletools.genops(path.read_bytes()))


@pytest.mark.parametrize("place", [0, 0.5, 1])
def test_open_refuses_a_flipped_byte(bundle: Path, place: float) -> None:
    for name in files_of(bundle):
        path = bundle / name
        whole = path.read_bytes()
        data = bytearray(whole)
        data[round(place * (len(data) - 1))] ^= 1
        path.write_bytes(data)
        with pytest.raises(BundleChangedError, match=rf"{name} must have sha256 [0-9a-f]{{12}}"):
            open_bundle(bundle)
        path.write_bytes(whole)
        open_bundle(bundle)


def test_open_refuses_a_missing_file(bundle: Path) -> None:
    for name in files_of(bundle):
        whole = (bundle / name).read_bytes()
        (bundle / name).unlink()
        with pytest.raises(BundleIncompleteError, match=f"must hold {name}"):
            open_bundle(bundle)
        (bundle / name).write_bytes(whole)


def test_open_refuses_an_unfinished_bundle(bundle: Path) -> None:
    (bundle / MANIFEST).unlink()
    with pytest.raises(BundleIncompleteError, match=rf"{bundle.name} has no manifest\.json"):
        open_bundle(bundle)


def test_open_refuses_what_is_no_bundle(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(BundleFormatError, match="shelfsure train") as caught:
            open_bundle(folder)
        assert str(folder) in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '"manifest"', "\udc80", '{"format": "shelfsure-bundle"}']
)
def test_open_refuses_a_damaged_manifest(bundle: Path, text: str) -> None:
    (bundle / MANIFEST).write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(BundleChangedError, match=r"manifest\.json is damaged"):
        open_bundle(bundle)


@pytest.mark.parametrize(
    "change",
    [{"fingerprints": {"photo": "0" * 64, "text": "0" * 64}}, {"created": "1999"}, {"files": {}}],
)
def test_open_refuses_an_edited_manifest(bundle: Path, change: dict[str, Any]) -> None:
    rewrite_manifest(bundle, signed=False, **change)
    with pytest.raises(BundleChangedError, match="was changed after it was saved"):
        open_bundle(bundle)


def test_open_refuses_a_newer_format(bundle: Path) -> None:
    rewrite_manifest(bundle, format_version=FORMAT_VERSION + 1)
    with pytest.raises(BundleFormatError, match=f"version {FORMAT_VERSION + 1}.*pip install"):
        open_bundle(bundle)


def test_open_refuses_another_format(bundle: Path) -> None:
    rewrite_manifest(bundle, format="teapot")
    with pytest.raises(BundleFormatError, match="'teapot'"):
        open_bundle(bundle)


@pytest.mark.parametrize("name", ["../outside.json", "/etc/hostname", "a/../../outside.json"])
def test_open_refuses_a_path_that_escapes(bundle: Path, name: str) -> None:
    (bundle.parent / "outside.json").write_text("{}")
    rewrite_manifest(bundle, files={name: {"sha256": "0" * 64, "bytes": 2}})
    with pytest.raises(BundleChangedError, match=f"outside of itself: {name}"):
        open_bundle(bundle)


@pytest.mark.parametrize("encoder", ["photos", "texts"])
def test_load_refuses_other_weights(
    bundle: Path,
    encoder: str,
    fake_embedder: Callable[..., Embedder],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = fake_embedder()
    getattr(other, encoder).fingerprint = "81c0" + "0" * 56 + "19fa"
    monkeypatch.setattr(persistence, "load_embedder", lambda *_, **__: other)
    with pytest.raises(BundleFingerprintError, match="starter loads 81c0…19fa") as caught:
        ListingPipeline.load(bundle)
    assert "fake…" in str(caught.value)


def test_load_refuses_a_model_that_lacks_a_part(bundle: Path, tmp_path: Path) -> None:
    model = json.loads((bundle / "model.json").read_text())
    del model["rules"]
    folder = tmp_path / "other"
    with writing_bundle(folder, {"photo": "p", "text": "t"}) as staging:
        shutil.copytree(bundle, staging, dirs_exist_ok=True)
        (staging / MANIFEST).unlink()
        (staging / "model.json").write_text(json.dumps(model))
    with pytest.raises(BundleChangedError, match="rules"):
        ListingPipeline.load(folder)


def test_version_names_the_contents(tmp_path: Path) -> None:
    write(tmp_path / "one", "{}")
    first = open_bundle(tmp_path / "one").version
    assert open_bundle(tmp_path / "one").version == first
    write(tmp_path / "one", "{ }", overwrite=True)
    assert len(first) == 12
    assert open_bundle(tmp_path / "one").version != first


def test_writing_refuses_an_old_bundle_unless_told(tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    write(folder, "old")
    with pytest.raises(BundleError, match=f"{folder} already holds a bundle.*--overwrite"):
        write(folder, "new")
    assert (folder / "model.json").read_text() == "old"
    write(folder, "new", overwrite=True)
    assert (folder / "model.json").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["shop"]


def test_writing_never_replaces_what_is_no_bundle(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/1.jpg").touch()
    (tmp_path / "file").touch()
    for name, found in (("photos", "1.jpg"), ("file", "a file")):
        with pytest.raises(BundleError, match=rf"{name} holds something else \({found}\)"):
            write(tmp_path / name, "new", overwrite=True)
    assert (tmp_path / "photos/1.jpg").exists()


def test_writing_takes_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    write(tmp_path / "empty", "new")
    assert open_bundle(tmp_path / "empty").fingerprints == {"photo": "f" * 64}


def test_writing_that_fails_leaves_the_old_bundle(tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    write(folder, "old")
    with pytest.raises(TypeError):
        write(folder, None, overwrite=True)  # type: ignore[arg-type]
    assert (folder / "model.json").read_text() == "old"
    open_bundle(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["shop"]


def test_writing_that_cannot_replace_a_bundle_keeps_it(
    tmp_path: Path, failing_rename: Callable[[Path], AbstractContextManager[None]]
) -> None:
    folder = tmp_path / "shop"
    write(folder, "old")
    with failing_rename(folder):
        write(folder, "new", overwrite=True)
    assert (folder / "model.json").read_text() == "old"
    open_bundle(folder)
    assert list(tmp_path.iterdir()) == [folder]


KILLED = """
import os, signal, sys
from pathlib import Path
from shelfsure.pipeline import bundle

owner = {"Path": Path, "bundle": bundle}[sys.argv[2]]
original = getattr(owner, sys.argv[3])

def then_die(*arguments):
    if sys.argv[4] == "after":
        original(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)

setattr(owner, sys.argv[3], then_die)
with bundle.writing_bundle(Path(sys.argv[1]), {}, overwrite=True) as staging:
    (staging / "model.json").write_text("new")
"""


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
@pytest.mark.parametrize(
    ("owner", "function", "moment"),
    [
        ("bundle", "write_manifest", "before"),
        ("bundle", "write_manifest", "after"),
        ("Path", "rename", "before"),
        ("Path", "rename", "after"),  # the old bundle is out of the way, the new one not there
    ],
)
def test_writing_that_is_killed_leaves_the_old_bundle(
    tmp_path: Path, owner: str, function: str, moment: str, start_process: Callable[..., Any]
) -> None:
    folder = tmp_path / "shop"
    write(folder, "old")
    assert start_process(KILLED, folder, owner, function, moment).wait() == -signal.SIGKILL
    with pytest.raises(BundleError, match="already holds a bundle"):
        write(folder, "next")
    open_bundle(folder)
    assert (folder / "model.json").read_text() == "old"
    assert list(tmp_path.iterdir()) == [folder]
    write(folder, "next", overwrite=True)
    assert (folder / "model.json").read_text() == "next"
