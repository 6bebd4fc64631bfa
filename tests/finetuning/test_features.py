import numpy as np
import torch
from shelfsure.embedding.run_options import ResolvedOptions
from shelfsure.finetuning.backbones import build_backbone, normalisation
from shelfsure.finetuning.features import pooled_features, start_head
from shelfsure.vision.encoder import PhotoEncoder
from shelfsure.vision.preprocess import Preprocessing


def test_pooled_features_are_the_encoders_before_they_are_shortened(
    rng: np.random.Generator,
) -> None:
    model = build_backbone("random:test_resnet", 3).model
    squares = rng.integers(0, 256, (40, 64, 64, 3), dtype=np.uint8)
    rows = np.array([3, 39, 0])
    features = pooled_features(model, squares, rows, ResolvedOptions(device="cpu"))  # type: ignore[arg-type]
    encoder = PhotoEncoder(model, Preprocessing(64, 1.0, "border", *normalisation(model)))
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    np.testing.assert_allclose(unit, encoder.encode(list(squares[rows])), atol=1e-5)


def test_start_head_answers_as_the_regression_and_takes_back_what_the_loss_adds(
    rng: np.random.Generator,
) -> None:
    model = build_backbone("random:test_resnet", 4).model.eval()
    width = model.get_classifier().in_features  # type: ignore[operator]
    labels = np.repeat([0, 1, 2], [60, 20, 10])  # nothing of leaf 3
    features = 5 * (np.eye(width)[labels] + rng.normal(0, 0.1, (90, width))).astype(np.float32)
    added = np.log(np.array([0.6, 0.2, 0.1, 0.1], dtype=np.float32))
    start_head(model, features, labels, added)
    with torch.no_grad():
        logits = model.get_classifier()(torch.from_numpy(features)).numpy()  # type: ignore[operator]
    assert ((logits + added).argmax(axis=1) == labels).all()
    assert np.isfinite(logits).all()
