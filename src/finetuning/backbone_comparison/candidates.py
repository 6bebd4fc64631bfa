"""Which backbones can be had, found out before the first hour of training."""

from collections.abc import Sequence
from dataclasses import dataclass

from ...core.errors import WeightsError
from ..backbones import build_backbone
from ..config import FinetuneConfig


@dataclass(frozen=True)
class Candidate:
    """A backbone whose weights are here.

    Parameters
    ----------
    name, pretrained, fingerprint
        See `FinetuneConfig.backbone` and `Backbone`. What was never trained differs by seed.
    n_parameters
        Without the classifier.
    fixed_side_px
        The only side of photos that it takes; None takes any.
    """

    name: str
    pretrained: bool
    fingerprint: str
    n_parameters: int
    fixed_side_px: int | None = None

    def recipe(self, config: FinetuneConfig, seed: int = 0) -> FinetuneConfig:
        """Fit the common recipe to this backbone, no more than it must be.

        A fixed side replaces the stages' sides; all see the whole photo unless told otherwise. In a
        network that was never trained every layer learns from the first step on, all at one rate:
        there is nothing to preserve.
        """
        stages = config.stages
        if self.fixed_side_px:
            stages = tuple(x.model_copy(update={"side_px": self.fixed_side_px}) for x in stages)
        changed: dict[str, object] = {"backbone": self.name, "seed": seed}
        if config.crop_mode == "auto":
            changed["crop_mode"] = "border"
        if not self.pretrained:
            stages = tuple(x.model_copy(update={"trained_fraction": 1.0}) for x in stages)
            changed["layer_decay"] = 1.0
        return config.model_copy(update={**changed, "stages": stages})


def find_candidates(names: Sequence[str]) -> tuple[list[Candidate], dict[str, str]]:
    """Build every backbone once, in order; what must be downloaded is downloaded now.

    Those that can't be had come second: name -> why.

    Raises
    ------
    WeightsError
        If none can.
    """
    found: list[Candidate] = []
    skipped: dict[str, str] = {}
    for name in dict.fromkeys(names):
        try:
            found.append(_candidate(name))
        except WeightsError as error:
            skipped[name] = str(error)
    if not found:
        reasons = "\n".join(f"  {name}: {why}" for name, why in skipped.items())
        raise WeightsError(f"At least one backbone must be within reach, but none is:\n{reasons}")
    return found, skipped


def _candidate(name: str) -> Candidate:
    backbone = build_backbone(name, 2)
    model = backbone.model
    classifier = model.get_classifier()  # type: ignore[operator]
    trained_with = model.pretrained_cfg
    fixed = bool(trained_with.get("fixed_input_size"))  # type: ignore[operator, union-attr]
    side_px = int(trained_with["input_size"][-1]) if fixed else None  # type: ignore[index]
    n_parameters = sum(p.numel() for p in model.parameters())
    n_parameters -= sum(p.numel() for p in classifier.parameters())
    return Candidate(name, backbone.pretrained, backbone.fingerprint, n_parameters, side_px)
