import json
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import shelfsure.pipeline.export as exporting
from shelfsure.catalog.catalog import read_catalog
from shelfsure.catalog.listing import Listing
from shelfsure.core.errors import ConfigError
from shelfsure.core.runtimes.benchmark import open_session
from shelfsure.core.runtimes.session import Parity, parity
from shelfsure.pipeline.export import ExportReport, ParityError, export_encoders
from shelfsure.pipeline.pipeline import ListingPipeline
from shelfsure.text.encoder import SentenceEncoder
from shelfsure.vision.encoder import PhotoEncoder


@pytest.fixture(scope="module")
def pipeline(starter_trained: ListingPipeline) -> ListingPipeline:
    return starter_trained


@pytest.fixture(scope="module")
def listings(drawn_shop: Path) -> list[Listing]:
    return read_catalog(drawn_shop / "catalogue.csv").listings[:12]


def test_export_encoders_hands_over_what_equals_the_bundle(starter_export: Path) -> None:
    folder = starter_export
    report = json.loads((folder / "parity.json").read_text())
    assert report["passed"] is True
    assert (report["n_photos"], report["n_texts"], report["agreement"]) == (12, 12, 1.0)
    assert min(report["image"]["cosine_min"], report["text"]["cosine_min"]) > 0.99999
    names = {path.name for path in folder.iterdir()}
    assert names == {"image.onnx", "text.onnx", "tokenizer", "preprocessing.json", "parity.json"}
    said = json.loads((folder / "preprocessing.json").read_text())
    assert (said["image"]["side_px"], said["image"]["crop_mode"]) == (64, "border")
    assert said["text"]["max_tokens"] == 256


def test_export_encoders_for_openvino_writes_its_own_format(
    starter_export: Path,
    pipeline: ListingPipeline,
    listings: list[Listing],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # converted before: it takes seconds
    monkeypatch.setattr(
        exporting, "write_onnx", lambda _, path: shutil.copy(starter_export / path.name, path)
    )
    export_encoders(pipeline, tmp_path / "ov", "openvino", listings[:3])
    assert {p.name for p in (tmp_path / "ov").glob("image.*")} == {"image.xml", "image.bin"}
    encoder = pipeline.embedder.photos
    squares = [np.full((64, 64, 3), 90, np.uint8), np.zeros((64, 64, 3), np.uint8)]
    found = encoder.on(open_session("openvino", tmp_path / "ov/image.xml")).encode(squares)
    np.testing.assert_allclose(found, encoder.encode(squares), atol=1e-5)


def test_export_encoders_for_torch_is_the_same_encoder_from_a_folder(
    pipeline: ListingPipeline, listings: list[Listing], tmp_path: Path
) -> None:
    """Weights only: safetensors that `local-dir:` takes, and nothing that could run code."""
    report = export_encoders(pipeline, tmp_path / "torch", "torch", listings[:3])
    assert report.passed
    assert (report.n_photos, report.n_texts, report.agreement) == (3, 3, 1.0)
    suffixes = {path.suffix for path in (tmp_path / "torch").rglob("*") if path.is_file()}
    assert suffixes <= {".json", ".safetensors", ".txt", ".md"}
    photos = PhotoEncoder.load(f"local-dir:{tmp_path / 'torch/image'}", device="cpu")
    texts = SentenceEncoder.load(f"local-dir:{tmp_path / 'torch/text'}", device="cpu")
    assert photos.fingerprint == pipeline.embedder.photos.fingerprint
    assert texts.fingerprint == pipeline.embedder.texts.fingerprint


def test_export_encoders_compares_what_no_cache_remembers(
    pipeline: ListingPipeline,
    listings: list[Listing],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    embedder = pipeline.embedder.with_cache(tmp_path / "cache")
    embedder.embed(listings[:3])
    wrong = embedder.photos.on(SimpleNamespace(rows_at_once=8, run=lambda _: [np.eye(3, 1280)]))
    monkeypatch.setattr(exporting, "_write", lambda *_: replace(embedder, photos=wrong))
    with pytest.raises(ParityError):
        export_encoders(replace(pipeline, embedder=embedder), tmp_path / "o", "onnx", listings[:3])


def test_export_encoders_leaves_nothing_of_what_differs(
    pipeline: ListingPipeline,
    listings: list[Listing],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        exporting, "parity", lambda ours, theirs: parity(ours, np.roll(theirs, 1, axis=1))
    )
    with pytest.raises(ParityError, match=r"cosine of at least 0\.9999 .*cosine_min=0\."):
        export_encoders(pipeline, tmp_path / "out", "torch", listings[:3])
    assert list(tmp_path.iterdir()) == []


def test_export_encoders_refuses_a_folder_in_use(
    pipeline: ListingPipeline, listings: list[Listing], tmp_path: Path
) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(ConfigError, match="new or empty folder"):
        export_encoders(pipeline, tmp_path, "onnx", listings)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_export_encoders_that_cannot_take_its_name_leaves_nothing(
    pipeline: ListingPipeline,
    listings: list[Listing],
    tmp_path: Path,
    failing_rename: Callable[[Path], AbstractContextManager[None]],
) -> None:
    with failing_rename(tmp_path / "out"):
        export_encoders(pipeline, tmp_path / "out", "torch", listings[:3])
    assert list(tmp_path.iterdir()) == []


def test_export_encoders_refuses_to_measure_on_nothing(
    pipeline: ListingPipeline, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="no listing has any"):
        export_encoders(pipeline, tmp_path / "out", "torch", [Listing("empty")])
    assert list(tmp_path.iterdir()) == []


def test_export_encoders_refuses_encoders_of_others(
    tiny_trained: ListingPipeline, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="loads by name"):
        export_encoders(tiny_trained, tmp_path / "out", "onnx", [Listing("x", "title")])


def test_report_fails_where_answers_change() -> None:
    report = ExportReport(9, 0, Parity(1.0, 0.99999, 1e-6), None, 0.98, min_cosine=0.9999)
    assert not report.passed
    assert replace(report, agreement=0.99).passed
    assert not replace(report, agreement=1.0, image=None).passed
