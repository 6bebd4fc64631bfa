"""Several backbones as one: a photo is decoded, drawn and normalised once, and all look at it."""

import math
from collections.abc import Mapping
from typing import Any

import torch

from ..core.errors import WeightsError


class EnsembleBackbone(torch.nn.Module):
    """Backbones side by side, which stand in for one timm model.

    Their maps of features lie on top of each other, so evidence is found on the photo for all of
    them together. What is pooled are their unit vectors, one behind the other: scaled to unit
    length, a cosine of these is the mean of the members' cosines. A head over them is one head.

    Parameters
    ----------
    members
        Name -> timm model. All give maps of features ``(n, channels, rows, columns)`` of one size,
        and were trained with one normalisation. The first one's evaluation settings are those of
        the ensemble.

    Raises
    ------
    WeightsError
        If they don't go together.
    """

    def __init__(self, members: Mapping[str, torch.nn.Module]) -> None:
        super().__init__()
        models: list[Any] = [model.eval() for model in members.values()]
        self.pretrained_cfg: dict[str, Any] = models[0].pretrained_cfg
        looks = [_look(name, model, self.pretrained_cfg) for name, model in members.items()]
        for name, look in zip(members, looks, strict=True):
            if look != looks[0]:
                raise WeightsError(
                    f"An ensemble's backbones must give maps of one size and be trained with one "
                    f"normalisation, but {name} has {look}, {next(iter(members))} {looks[0]}. "
                    "Name others."
                )
        self.members = torch.nn.ModuleList(models)
        self.n_channels = [int(model.num_features) for model in models]
        self.num_features = sum(self.n_channels)
        self.head_hidden_size = sum(int(model.head_hidden_size) for model in models)
        n_classes = {int(model.num_classes) for model in models}
        self.num_classes = n_classes.pop() if len(n_classes) == 1 else 0

    def forward_features(self, photos: torch.Tensor) -> torch.Tensor:
        """Take normalised photos; return shape ``(n, channels of all, rows, columns)``."""
        maps = [member.forward_features(photos) for member in self.members]  # type: ignore[operator]
        return torch.cat(maps, dim=1)

    def forward_head(self, features: torch.Tensor, *, pre_logits: bool) -> torch.Tensor:
        """Pool each member's part of the map, and scale it to unit length."""
        parts = torch.split(features, self.n_channels, dim=1)
        pooled = [
            member.forward_head(part, pre_logits=pre_logits).float()  # type: ignore[operator]
            for member, part in zip(self.members, parts, strict=True)
        ]
        return torch.cat([torch.nn.functional.normalize(rows, dim=1) for rows in pooled], dim=1)

    def get_classifier(self) -> torch.nn.Module:
        """Give what maps the ensemble's unit vectors to the mean of the members' logits.

        As far as theirs go by unit vectors, too; see `retrieval.zero_shot.conse`. Nothing
        (`Identity`) if they know different numbers of classes.
        """
        heads: list[Any] = [member.get_classifier() for member in self.members]  # type: ignore[operator]
        if not self.num_classes or not all(isinstance(h, torch.nn.Linear) for h in heads):
            return torch.nn.Identity()
        mean = torch.nn.Linear(self.head_hidden_size, self.num_classes)
        with torch.no_grad():
            # a member's unit vector is 1 / sqrt(n) of its length within the ensemble's
            weights = torch.cat([head.weight for head in heads], dim=1) / math.sqrt(len(heads))
            mean.weight.copy_(weights)
            mean.bias.copy_(torch.stack([head.bias for head in heads]).mean(dim=0))
        return mean


def _look(name: str, model: Any, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Tell how a backbone sees a photo of the ensemble's size."""
    try:
        with torch.no_grad():
            features = model.forward_features(torch.zeros(1, *settings["input_size"]))
    except (AssertionError, RuntimeError) as error:
        raise WeightsError(
            f"An ensemble's backbones must take photos of {settings['input_size'][-1]} px, but "
            f"{name} doesn't: {error}. Name others."
        ) from error
    if features.ndim != 4 or features.shape[1] != model.num_features:
        raise WeightsError(
            f"An ensemble's backbones must give maps of {model.num_features} channels, but {name} "
            f"gives shape {tuple(features.shape)}. Name others."
        )
    own = model.pretrained_cfg
    return {"map": tuple(features.shape[2:]), "mean": tuple(own["mean"]), "std": tuple(own["std"])}
