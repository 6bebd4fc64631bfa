"""A manifest rewritten around other arrays: refused as a bundle, or a pipeline that works."""

import json
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from shelfsure.catalog.catalog import read_catalog
from shelfsure.catalog.listing import Listing
from shelfsure.core.config import Config
from shelfsure.core.errors import BundleError
from shelfsure.embedding.embedder import Embedder
from shelfsure.pipeline.manifest import MANIFEST, own_hash
from shelfsure.pipeline.pipeline import ListingPipeline

Array = np.ndarray[Any, Any]
CHANGES: dict[str, Callable[[Array], Array]] = {
    "nan": lambda a: np.full_like(a, np.nan) if a.dtype.kind == "f" else a,
    "one infinite": lambda a: np.where(np.arange(a.size).reshape(a.shape) == 0, np.inf, a).astype(
        a.dtype if a.dtype.kind == "f" else np.float32
    ),
    "a row less": lambda a: a[:-1],
    "a column less": lambda a: a[..., :-1],
    "a row more": lambda a: np.concatenate([a, a[:1]]) if a.ndim else a,
    "nothing": lambda a: a[:0],
    "an axis more": lambda a: a[None],
    "flat": lambda a: a.ravel()[:1],
}


pytestmark = pytest.mark.usefixtures("naming_encoders")


@pytest.fixture(scope="module")
def saved(
    tmp_path_factory: pytest.TempPathFactory,
    drawn_shop: Path,
    naming_embedder: Callable[..., Embedder],
) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "shop"
    catalog = read_catalog(drawn_shop / "catalogue.csv", need_category=True)
    ListingPipeline.fit(catalog, Config(levels=2), embedder=naming_embedder()).save(folder)
    return folder


@pytest.fixture
def bundle(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "shop"))


@pytest.fixture
def listings(drawn_shop: Path) -> list[Listing]:
    photos = [None, *(drawn_shop / f"photos/{n}.png" for n in range(5))]
    return [
        Listing(str(n), title=None if n == 5 else f"lamps glow X{n}", image=photo)
        for n, photo in enumerate(photos)
    ]


def vouch(folder: Path) -> None:
    """Rewrite the manifest as carefully as somebody would who means harm."""
    manifest = json.loads((folder / MANIFEST).read_text())
    for name, said in manifest["files"].items():
        data = (folder / name).read_bytes()
        said.update(sha256=sha256(data).hexdigest(), bytes=len(data))
    manifest["manifest_sha256"] = own_hash(manifest)
    (folder / MANIFEST).write_text(json.dumps(manifest))


def refused(folder: Path, listings: list[Listing]) -> bool:
    vouch(folder)
    try:
        pipeline = ListingPipeline.load(folder)
    except BundleError:
        return True
    for verdict in pipeline.predict(listings):
        assert verdict.probability is None or 0 <= verdict.probability <= 1
    return False


@pytest.mark.parametrize("change", CHANGES)
def test_load_refuses_arrays_that_dont_fit(
    bundle: Path, listings: list[Listing], change: str
) -> None:
    tried: dict[str, bool] = {}
    for name in ("heads.safetensors", "retrieval.safetensors"):
        whole = load_file(bundle / name)
        for key, array in whole.items():
            other = CHANGES[change](array)
            if other.shape == array.shape and np.array_equal(other, array):
                continue
            save_file(whole | {key: np.ascontiguousarray(other)}, bundle / name)
            tried[f"{name} {key}"] = refused(bundle, listings)
        save_file(whole, bundle / name)
    assert len(tried) > 10
    kept = [name for name, was_refused in tried.items() if not was_refused]
    if change in {"nan", "one infinite"}:
        assert kept == []
    assert not [name for name in kept if name.startswith("heads")]
    assert not refused(bundle, listings)


@pytest.mark.parametrize(
    "change",
    [
        ("model.json", lambda said: said["class_names"].pop()),
        ("model.json", lambda said: said["class_names"].append("Toys > More")),
        ("model.json", lambda said: said["fusion"]["temperatures"].update(photo=0)),
        ("model.json", lambda said: said["fusion"]["temperatures"].update(photo=float("nan"))),
        ("model.json", lambda said: said["fusion"]["settings"]["log_prior"].pop()),
        ("model.json", lambda said: said["fusion"].update(method="voting")),
        ("model.json", lambda said: said.update(rules=[{}])),
        ("model.json", lambda said: said.update(tfidf=["photo"])),
        ("tfidf_title.json", lambda said: said["word"]["terms"].pop()),
        ("tfidf_title.json", lambda said: said["word"]["idf"].__setitem__(0, float("inf"))),
        ("retrieval.json", lambda said: said["ood_detector"].pop("alpha")),
        ("retrieval.json", lambda said: said["ood_detector"]["views"].clear()),
        ("retrieval.json", lambda said: said["zero_shot"]["names"].pop()),
        ("duplicates.json", lambda said: said["weights"].pop()),
        ("duplicates.json", lambda said: said["weights"].__setitem__(0, float("nan"))),
    ],
    ids=lambda change: change[0],
)
def test_load_refuses_settings_that_dont_fit(
    bundle: Path, listings: list[Listing], change: tuple[str, Callable[[Any], object]]
) -> None:
    name, edit = change
    said = json.loads((bundle / name).read_text(encoding="utf-8"))
    edit(said)
    (bundle / name).write_text(json.dumps(said), encoding="utf-8")
    assert refused(bundle, listings)
