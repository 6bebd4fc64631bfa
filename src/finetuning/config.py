"""What a fine-tuning run can be told: the model behind configs/finetune.yaml."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from ..core.config import Section, load_yaml

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
SidePx = Annotated[int, Field(ge=32, le=1024)]


class Stage(Section):
    """One part of the training; photos, regularisation and trained layers grow from part to part.

    Parameters
    ----------
    share
        Of all steps; the stages' shares are taken relative to their sum.
    trained_fraction
        Of the backbone's layers, counted from the last; the others stay as they were.
    side_px
        Photos' side in this part.
    strength
        How strong augmentation and dropout are, 0 (none) to 1.
    """

    share: Annotated[float, Field(gt=0.0)] = 1.0
    trained_fraction: Fraction = 1.0
    side_px: SidePx = 288
    strength: Fraction = 1.0


class Augmentation(Section):
    """What chance does to a photo; ranges and probabilities at strength 1.

    Parameters
    ----------
    min_area
        The smallest share of the photo that a random crop keeps.
    rotation_degrees, zoom_out
        Turned by up to so many degrees; shrunk to no less than ``1 - zoom_out``.
    colour
        Brightness, contrast and saturation change by up to this share.
    rand_augment
        RandAugment's magnitude (Cubuk et al. 2020), of 30.
    jpeg, blur, backdrop, erasing, mix
        Probabilities of compression artefacts, blur, another background in place of white, an
        erased patch, and mixup or CutMix with another photo.
    """

    flip: Fraction = 0.5
    min_area: Fraction = 0.4
    rotation_degrees: Annotated[float, Field(ge=0, le=180)] = 12.0
    zoom_out: Fraction = 0.2
    colour: Fraction = 0.3
    hue: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    rand_augment: Annotated[int, Field(ge=0, le=30)] = 6
    jpeg: Fraction = 0.2
    blur: Fraction = 0.1
    backdrop: Fraction = 0.15
    erasing: Fraction = 0.25
    mix: Fraction = 0.2


class FinetuneConfig(Section):
    """One fine-tuning run.

    Parameters
    ----------
    backbone
        ``starter``, ``light-cnn`` (small, from scratch), ``local-dir:FOLDER``, any timm name;
        ``random:NAME`` is the architecture without trained weights.
    crop_mode
        How photos are framed, here and later; see `vision.preprocess.square`. ``auto`` compares
        ``border`` and ``center`` by what frozen features say of groups that they don't know.
    levels
        Levels of the category path that are learned, all at once.
    min_examples
        A category with fewer photos is learned as its parent.
    n_parts, single_from
        So many encoders are trained, each without one part of the photos, and their weights are
        averaged; what each says of its own part calibrates the pipeline later. From `single_from`
        photos on, with 1 part, and without pretrained weights it is one encoder.
    held_out
        Share of the photos that a single encoder doesn't learn from; they choose the best weights
        here, and calibrate the pipeline later.
    learning_rate, layer_decay
        Of the last layer; every layer before it has `layer_decay` times the next one's.
    batch_size, accumulate
        Photos in a step, over all devices; gradients are summed over `accumulate` parts.
    batch_norm
        ``frozen`` keeps the statistics of the pretrained weights; ``auto`` does so if there are.
    imbalance
        ``logit_adjusted`` (Menon et al. 2021), ``weighted`` (by 1 / sqrt(count)), or ``none``.
    oversample
        0 shows every photo equally often, 1 every category.
    titles
        Weight of the loss by which photos learn to resemble each other as their titles do, beside
        that of the categories; 0: titles aren't looked at. See `titles.TitleDistillation`.
    text_encoder
        What compares titles; see `text.encoder.SentenceEncoder.load`.
    ema_epochs
        The weights that are kept are an average over about so many epochs; 0: none.
    patience
        Validations without a better macro-F1 in the last stage before training stops; 0: never.
    blend
        Shares of the fine-tuned weights that are tried; the rest is as before fine-tuning
        (WiSE-FT, Wortsman et al. 2022).
    checkpoint_steps
        A killed run loses no more than this.
    cache_gb
        Decoded photos are kept on disk up to this size; beyond, each epoch decodes anew.
    workers
        Processes that augment photos on each device; None decides by the machine.
    """

    backbone: str = "tf_efficientnetv2_s.in21k_ft_in1k"
    crop_mode: Literal["auto", "center", "squash", "border"] = "auto"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    levels: Annotated[int, Field(ge=1, le=10)] = 3
    min_examples: Annotated[int, Field(ge=2)] = 5
    n_parts: Annotated[int, Field(ge=1, le=10)] = 3
    single_from: Annotated[int, Field(ge=0)] = 2_500
    held_out: Annotated[float, Field(gt=0.0, le=0.5)] = 0.2
    epochs: Annotated[float, Field(gt=0.0)] = 15.0
    stages: Annotated[tuple[Stage, ...], Field(min_length=1)] = (
        Stage(share=0.4, trained_fraction=0.4, side_px=224, strength=0.4),
        Stage(share=0.4, trained_fraction=0.8, side_px=300, strength=0.7),
        Stage(share=0.2, trained_fraction=1.0, side_px=384, strength=1.0),
    )
    augmentation: Augmentation = Augmentation()
    batch_size: Annotated[int, Field(ge=2)] = 64
    accumulate: Annotated[int, Field(ge=1)] = 1
    learning_rate: Annotated[float, Field(gt=0.0)] = 1e-3
    layer_decay: Annotated[float, Field(gt=0.0, le=1.0)] = 0.8
    warmup: Fraction = 0.1
    weight_decay: Annotated[float, Field(ge=0.0)] = 0.05
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.2
    label_smoothing: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.1
    batch_norm: Literal["auto", "frozen", "batch"] = "auto"
    imbalance: Literal["logit_adjusted", "weighted", "none"] = "logit_adjusted"
    oversample: Fraction = 0.0
    titles: Annotated[float, Field(ge=0.0)] = 1.0
    text_encoder: str = "starter"
    ema_epochs: Annotated[float, Field(ge=0.0)] = 1.0
    patience: Annotated[int, Field(ge=0)] = 6
    blend: Annotated[tuple[Fraction, ...], Field(min_length=1)] = (0.25, 0.5, 0.75, 1.0)
    checkpoint_steps: Annotated[int, Field(ge=1)] = 200
    cache_gb: Annotated[float, Field(ge=0.0)] = 50.0
    workers: Annotated[int, Field(ge=0)] | None = None
    seed: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _parts_are_even(self) -> "FinetuneConfig":
        if self.batch_size % self.accumulate:
            raise ValueError(f"batch_size must be a multiple of accumulate ({self.accumulate})")
        return self

    def keeps_statistics(self, *, pretrained: bool) -> bool:
        """Tell whether batch statistics stand still."""
        return {"frozen": True, "batch": False, "auto": pretrained}[self.batch_norm]

    @property
    def side_px(self) -> int:
        """The largest side, which the encoder is used with later."""
        return max(stage.side_px for stage in self.stages)


PROFILES = {"full": "finetune.yaml", "starter": "finetune-starter.yaml"}


def load_finetune_config(source: str | Path, **given: Any) -> FinetuneConfig:
    """Read a profile by name (``starter``, ``full``) or a YAML file; see `load_yaml`."""
    return load_yaml(FinetuneConfig, source, PROFILES, **given)
