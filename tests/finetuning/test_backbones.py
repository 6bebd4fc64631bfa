from copy import deepcopy

import pytest
import torch
from shelfsure.core.errors import WeightsError
from shelfsure.finetuning.backbones import (
    build_backbone,
    depthwise_in_float32,
    layer_numbers,
    train_layers,
)
from torch import nn


def trained(model: nn.Module) -> set[str]:
    return {name for name, p in model.named_parameters() if p.requires_grad}


@pytest.mark.parametrize("name", ["starter", "light-cnn", "random:test_vit", "random:test_resnet"])
def test_build_backbone_answers_with_as_many_outputs_as_wanted(name: str) -> None:
    backbone = build_backbone(name, 5)
    assert backbone.pretrained == (name == "starter")
    side = 160 if "vit" in name else 64
    assert backbone.model(torch.zeros(2, 3, side, side)).shape == (2, 5)


def test_build_backbone_repeats_itself_by_seed() -> None:
    first, again, other = (build_backbone("light-cnn", 3, seed).fingerprint for seed in (1, 1, 2))
    assert first == again != other


def test_build_backbone_names_what_timm_does_not_have() -> None:
    with pytest.raises(WeightsError, match="random:no_such_net"):
        build_backbone("random:no_such_net", 3)


@pytest.mark.parametrize("name", ["starter", "random:test_vit", "random:resnet18"])
def test_train_layers_goes_from_the_last_layer_to_the_first(name: str) -> None:
    model = build_backbone(name, 3).model
    numbers = layer_numbers(model)
    assert set(numbers) == {n for n, _ in model.named_parameters()}
    sets = []
    for fraction in (0.0, 0.4, 0.8, 1.0):
        train_layers(model, fraction)
        sets.append(trained(model))
    assert sets[0] < sets[1] < sets[2] < sets[3] == set(numbers)
    head = {n for n, _ in model.named_parameters() if n.startswith(("classifier", "head.", "fc."))}
    assert head
    assert head <= sets[0]


def test_depthwise_in_float32_changes_nothing_but_rounding() -> None:
    model = build_backbone("starter", 100).model.eval()
    names = list(model.state_dict())
    photos = torch.rand(2, 3, 64, 64, generator=torch.manual_seed(0))
    with torch.autocast("cpu", torch.bfloat16):
        before = model(photos)
        depthwise_in_float32(model)
        after = deepcopy(model)(photos)  # as averaged weights are
        with torch.no_grad():
            assert torch.equal(model(photos), before)
    exact = model(photos)  # no autocast: nothing to leave out
    assert list(model.state_dict()) == names
    assert not torch.equal(before, after)
    assert (after - exact).square().mean() < 0.1**2 * exact.square().mean()
    assert {type(part).__name__ for part in model.modules()} >= {"InFloat32"}
