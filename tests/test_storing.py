"""A pipeline on a fine-tuned encoder: calibrated on what that hasn't seen, whole by itself."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest
import timm
from shelfsure.config import Config, ImageConfig, image_encoder_section
from shelfsure.embedding.embedder import load_embedder
from shelfsure.listings.catalog import read_catalog
from shelfsure.pipeline import ListingPipeline
from shelfsure.training import train
from shelfsure.vision.encoder import PhotoLimits
from timm.models import save_for_hf


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory, tiny_folder: Path) -> Path:
    """An encoder's folder that says it has seen 20 of the tiny catalogue's photos."""
    folder = tmp_path_factory.mktemp("tuned") / "ft"
    folder.mkdir()
    model = timm.create_model("mobilenetv3_small_050", pretrained=False, num_classes=3)
    save_for_hf(model, folder, safe_serialization=True)
    photos = [tiny_folder / f"photos/{number}.png" for number in range(20)]
    seen = [hashlib.sha256(photo.read_bytes()).hexdigest() for photo in photos]
    said = {"side_px": 48, "crop_mode": "border", "seen": seen}
    (folder / "finetuned.json").write_text(json.dumps(said), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def pipeline(tuned: Path, tiny_folder: Path, tiny_config: Config) -> ListingPipeline:
    image = ImageConfig.model_validate(image_encoder_section(str(tuned)))
    config = tiny_config.model_copy(update={"image": image})
    embedder = load_embedder(
        config, device="cpu", cache=None, limits=PhotoLimits(), progress=False, runtime="torch"
    )
    catalog = read_catalog(tiny_folder / "catalogue.csv", need_category=True)
    return train(catalog, embedder, config, device="cpu").pipeline


def test_train_calibrates_on_photos_that_the_encoder_has_not_seen(
    pipeline: ListingPipeline,
) -> None:
    assert pipeline.embedder.photos.preprocessing.side_px == 48  # type: ignore[attr-defined]
    assert pipeline.facts["n_familiar"] == 20
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
        loaded = ListingPipeline.load(tmp_path / "elsewhere", device="cpu", runtime="torch")
        assert loaded.predict(listings) == before
        loaded.save(tmp_path / "elsewhere", overwrite=True)
        again = ListingPipeline.load(tmp_path / "elsewhere", device="cpu", runtime="torch")
        assert [v.category for v in again.predict(listings)] == [v.category for v in before]
    finally:
        shutil.move(gone, tuned)
    written = {
        name: (tmp_path / "elsewhere" / name).read_text(encoding="utf-8")
        for name in ("model.json", "README.md", "photo_encoder/finetuned.json")
    }
    assert not [name for name, text in written.items() if str(tuned) in text]
    assert json.loads(written["photo_encoder/finetuned.json"]).keys() == {"side_px", "crop_mode"}
