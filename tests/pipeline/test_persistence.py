"""A pipeline on a fine-tuned encoder: calibrated on what that hasn't seen, whole by itself."""

import hashlib
import io
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import shelfsure.pipeline.training as training
import timm
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from shelfsure.catalog.catalog import read_catalog
from shelfsure.catalog.listing import Listing
from shelfsure.core.config import Config, ImageConfig, image_encoder_section
from shelfsure.core.errors import TrainingError
from shelfsure.embedding.embedder import load_embedder
from shelfsure.embedding.run_options import RunOptions
from shelfsure.pipeline.pipeline import ListingPipeline
from timm.models import save_for_hf

TORCH = RunOptions(device="cpu", runtime="torch")


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory, tiny_folder: Path) -> Path:
    """An encoder's folder that says it has seen 20 of the tiny catalogue's photos."""
    folder = tmp_path_factory.mktemp("tuned") / "ft"
    folder.mkdir()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = timm.create_model("mobilenetv3_small_050", pretrained=False, num_classes=3)
    save_for_hf(model, folder, safe_serialization=True)
    photos = [tiny_folder / f"photos/{number}.png" for number in range(20)]
    seen = [hashlib.sha256(photo.read_bytes()).hexdigest() for photo in photos]
    said = {"side_px": 48, "crop_mode": "border", "seen": seen}
    (folder / "finetuned.json").write_text(json.dumps(said), encoding="utf-8")
    return folder


def trained_on(
    tuned: Path, folder: Path, config: Config, outside: Sequence[Listing] = ()
) -> ListingPipeline:
    image = ImageConfig.model_validate(image_encoder_section(str(tuned)))
    config = config.model_copy(update={"image": image})
    embedder = load_embedder(config, TORCH)
    catalog = read_catalog(folder / "catalogue.csv", need_category=True)
    return ListingPipeline.fit(catalog, config, embedder=embedder, outside=outside)


@pytest.fixture(scope="module")
def pipeline(tuned: Path, tiny_folder: Path, tiny_config: Config) -> ListingPipeline:
    return trained_on(tuned, tiny_folder, tiny_config)


@pytest.fixture
def with_fold_encoders(tuned: Path, tiny_folder: Path, tmp_path: Path) -> Path:
    """The same as the average of two that missed one half of the tiny catalogue each."""
    folder = shutil.copytree(tuned, tmp_path / "average")
    said = json.loads((folder / "finetuned.json").read_text(encoding="utf-8"))
    photos = sorted((tiny_folder / "photos").iterdir())
    hashes = [hashlib.sha256(photo.read_bytes()).hexdigest() for photo in photos]
    average, said["seen"], said["fold_encoders"] = (
        load_file(folder / "model.safetensors"),
        hashes,
        [],
    )
    for number in (0, 1):
        name = f"fold-encoder-{number}.safetensors"
        moved = {
            key: value + (0.01 * (1 - 2 * number) if "weight" in key else 0)
            for key, value in average.items()
        }
        save_file(moved, folder / name)
        said["fold_encoders"].append({"weights": name, "held_out": hashes[number::2]})
    (folder / "finetuned.json").write_text(json.dumps(said), encoding="utf-8")
    return folder


def test_train_calibrates_on_photos_that_the_encoder_has_not_seen(
    pipeline: ListingPipeline,
) -> None:
    assert pipeline.embedder.photos.preprocessing.side_px == 48  # type: ignore[attr-defined]
    assert pipeline.facts["n_in_encoder_train_set"] == 20
    counts = {tuple(e["modalities"]): e["n"] for e in pipeline.facts["evidence"]}
    assert counts["photo",] == pipeline.facts["n_photos"] - 20
    assert counts["title",] == pipeline.facts["n_titles"]


def test_saved_bundle_holds_the_encoder_but_not_what_it_has_seen(
    pipeline: ListingPipeline, tuned: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    listings = read_catalog(tiny_folder / "catalogue.csv", need_category=True).listings[:5]
    before = pipeline.save(tmp_path / "first").predict(listings)
    gone = tuned.with_name("gone")
    shutil.move(tuned, gone)
    try:
        shutil.move(tmp_path / "first", tmp_path / "elsewhere")
        loaded = ListingPipeline.load(tmp_path / "elsewhere", TORCH)
        assert loaded.predict(listings) == before
        loaded.save(tmp_path / "elsewhere", overwrite=True)
        again = ListingPipeline.load(tmp_path / "elsewhere", TORCH)
        assert [v.category for v in again.predict(listings)] == [v.category for v in before]
    finally:
        shutil.move(gone, tuned)
    written = {
        name: (tmp_path / "elsewhere" / name).read_text(encoding="utf-8")
        for name in ("model.json", "README.md", "photo_encoder/finetuned.json")
    }
    assert not [name for name, text in written.items() if str(tuned) in text]
    assert json.loads(written["photo_encoder/finetuned.json"]).keys() == {"side_px", "crop_mode"}


def test_train_calibrates_on_all_photos_where_fold_encoders_know_each_half(
    with_fold_encoders: Path, tiny_folder: Path, tiny_config: Config, tmp_path: Path
) -> None:
    outside = [Listing(str(n), image=noise(n)) for n in range(12)]
    pipeline = trained_on(with_fold_encoders, tiny_folder, tiny_config, outside)
    facts = pipeline.facts
    assert (facts["n_fold_encoders"], facts["n_in_encoder_train_set"]) == (2, 0)
    counts = {tuple(each["modalities"]): each["n"] for each in facts["evidence"]}
    assert counts["photo",] == facts["n_photos"]
    assert pipeline.retrieval is not None
    assert pipeline.retrieval.ood_detector is not None
    assert "exposure" in pipeline.retrieval.ood_detector.scorers["photo"].detectors
    pipeline.save(tmp_path / "bundle")
    assert "the average of 2" in (tmp_path / "bundle/README.md").read_text(encoding="utf-8")
    kept = sorted(path.name for path in (tmp_path / "bundle/photo_encoder").iterdir())
    assert kept == ["config.json", "finetuned.json", "model.safetensors"]


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Train without neighbours and a detector, which take seconds."""
    monkeypatch.setattr(training, "fit_retrieval", lambda *_, **__: None)


@pytest.mark.usefixtures("alone")
def test_train_needs_new_photos_for_a_strict_split(
    with_fold_encoders: Path, tuned: Path, tiny_folder: Path, tiny_config: Config
) -> None:
    split = tiny_config.model_copy(update={"calibration": "split"})
    with pytest.raises(TrainingError, match=r"has learned all of them\. Use `calibration: cross`"):
        trained_on(with_fold_encoders, tiny_folder, split)
    counts = trained_on(tuned, tiny_folder, split).facts["evidence"]
    n = {tuple(each["modalities"]): each["n"] for each in counts}
    assert n["photo",] < n["title",]  # 20 photos that it has learned calibrate nothing


@pytest.mark.usefixtures("alone")
def test_train_leaves_fold_encoders_alone_where_most_photos_are_new(
    with_fold_encoders: Path, tiny_folder: Path, tiny_config: Config
) -> None:
    said = json.loads((with_fold_encoders / "finetuned.json").read_text(encoding="utf-8"))
    said["seen"] = said["seen"][:4]
    (with_fold_encoders / "finetuned.json").write_text(json.dumps(said), encoding="utf-8")
    facts = trained_on(with_fold_encoders, tiny_folder, tiny_config).facts
    assert facts["n_fold_encoders"] == 0
    assert 0 < facts["n_in_encoder_train_set"] <= 4


def noise(seed: int) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (48, 48, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()
