from copy import deepcopy

import pytest
import torch
from shelfsure.finetuning.backbones import build_backbone
from shelfsure.finetuning.batchnorm_folding import fold_norms
from torch import nn


def with_statistics(name: str) -> nn.Module:
    """Build a network in float64 whose norms have something to do."""
    model = build_backbone(name, 5).model.double().eval()
    torch.manual_seed(0)
    for part in model.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.normal_(part.running_mean, std=0.1)  # type: ignore[arg-type]
            nn.init.uniform_(part.running_var, 0.5, 1.5)  # type: ignore[arg-type]
            nn.init.uniform_(part.weight, 0.5, 1.5)
            nn.init.normal_(part.bias, std=0.1)
    return model


def gradients(model: nn.Module, photos: torch.Tensor) -> dict[str, torch.Tensor]:
    model.zero_grad()
    (model(photos) * torch.arange(5)).sum().backward()
    return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize(
    ("name", "n_norms"),
    [
        ("starter", 49),
        ("light-cnn", 14),
        ("random:resnet18", 20),
        ("random:test_efficientnet", 13),
        ("random:repvgg_a0", 44),  # its other norms follow no convolution
        ("random:test_vit", 0),
    ],
)
def test_folding_changes_neither_answers_nor_gradients_nor_names(name: str, n_norms: int) -> None:
    model = with_statistics(name)
    side = 64 if n_norms else model.default_cfg["input_size"][-1]  # type: ignore[index]
    photos = torch.rand(2, 3, side, side, dtype=torch.float64)
    expected, learned = model(photos), gradients(model, photos)
    names = list(model.state_dict())
    folded = deepcopy(model)
    assert fold_norms(folded) == n_norms
    folded = deepcopy(folded)  # as averaging weights does
    torch.testing.assert_close(folded(photos), expected, rtol=1e-9, atol=1e-9)
    again = gradients(folded, photos)
    assert again.keys() == learned.keys()
    for parameter, gradient in learned.items():
        scale = float(gradient.abs().max())
        torch.testing.assert_close(again[parameter], gradient, rtol=1e-6, atol=1e-9 * (1 + scale))
    assert list(folded.state_dict()) == names
    assert [id(p) for p in folded.parameters()] != [id(p) for p in model.parameters()]


def test_folded_weights_follow_what_is_learned_and_loaded() -> None:
    plain = with_statistics("random:test_resnet")
    folded = deepcopy(plain)
    fold_norms(folded)
    with torch.no_grad():
        for parameter in plain.parameters():
            parameter.mul_(1.1)
    folded.load_state_dict(plain.state_dict())
    photos = torch.rand(1, 3, 64, 64, dtype=torch.float64)
    torch.testing.assert_close(folded(photos), plain(photos), rtol=1e-9, atol=1e-9)


def test_a_convolution_that_is_used_twice_is_left_alone() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.default_cfg = {"input_size": (3, 16, 16)}
            self.conv = nn.Conv2d(3, 3, 1, bias=False)
            self.norms = nn.ModuleList([nn.BatchNorm2d(3), nn.BatchNorm2d(3)])

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            for norm in self.norms:
                x = norm(self.conv(x))
            return x

    assert fold_norms(Twice()) == 0
