"""Contrastive models over open_clip: photos and texts meet in the space they were trained in."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core.arrays import Floats
from ...core.device import Precision, pick_device
from ...core.errors import WeightsError
from ...core.extras import require_extra
from ...core.weights import WAYS_OUT, require_hub_files
from ...text.clean import clean_text
from .clip_encoders import ClipPhotos, ClipTexts, Towers
from .image_text_space import Slopes

if TYPE_CHECKING:
    import torch

DEFAULT_WEIGHTS = "ViT-B-32"
DEFAULT_TAG = "laion2b_s34b_b79k"
HUB_FILES = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.bin",
    "model.safetensors",
    "pytorch_model.bin",
)


class OpenClip:
    """An open_clip model as a image-text space; build it with `load`, or around any such model."""

    def __init__(
        self,
        model: "torch.nn.Module",
        tokenizer: Any,
        *,
        device: str = "cpu",
        precision: Precision = "float32",
    ) -> None:
        towers = Towers(model.eval().to(device), device, precision)
        self.photos = ClipPhotos(towers)
        self.texts = ClipTexts(towers, tokenizer, self.photos)
        self.fingerprint = self.texts.fingerprint
        self.vocabulary: Floats = np.zeros((0, self.texts.dim), dtype=np.float32)
        # The model's own temperature is for photos against texts. Texts among themselves spread
        # more widely, so titles start at a third of it: a guess, to be fitted where labels are.
        scale = float(towers.model.logit_scale.detach().exp())
        self.slopes = Slopes(scale, scale / 3, scale * 0.8, scale * 0.8 / 3)

    @classmethod
    def load(
        cls,
        weights: str = DEFAULT_WEIGHTS,
        *,
        device: str = "auto",
        precision: Precision = "float32",
    ) -> "OpenClip":
        """Load weights by name.

        Parameters
        ----------
        weights
            An open_clip name with its tag after a dot (``"ViT-B-16-SigLIP2.webli"``; without one,
            LAION-2B's or the first), ``"hf-hub:OWNER/NAME"``
            (``"hf-hub:Marqo/marqo-ecommerce-embeddings-B"``), or ``"local-dir:FOLDER"`` with
            open_clip_config.json and the weights.

        Raises
        ------
        WeightsError
            If the weights can't be had, within 20 s.
        """
        require_extra("clip", "A CLIP model")
        import open_clip

        name, tag, needs_quick_gelu = weights, None, False
        if weights.startswith("hf-hub:"):
            require_hub_files(weights.removeprefix("hf-hub:"), HUB_FILES)
        elif weights.startswith("local-dir:"):
            _require_local(Path(weights.removeprefix("local-dir:")))
        else:
            name, tag, needs_quick_gelu = _built_in(weights)
        try:
            _require_tokenizer(name)
            model = open_clip.create_model(
                name,
                pretrained=tag,
                force_quick_gelu=needs_quick_gelu,
                require_pretrained=True,
                weights_only=True,
            )
            tokenizer = open_clip.get_tokenizer(name)
        except (OSError, ValueError, KeyError, RuntimeError, AttributeError) as error:
            raise WeightsError(
                f"The image-text weights {weights} can't be loaded: {error}. {WAYS_OUT}"
            ) from error
        return cls(model, tokenizer, device=pick_device(device), precision=precision)

    def to_text_space(self, image_embeddings: Floats) -> Floats:
        return image_embeddings

    def embed_texts(self, texts: Sequence[str]) -> Floats:
        return self.texts.encode([clean_text(text) for text in texts])


def _built_in(weights: str) -> tuple[str, str, bool]:
    """Split name and tag, make sure that the hub can give them; and which GELU they need."""
    from open_clip.pretrained import get_pretrained_cfg, list_pretrained_tags_by_model

    name, _, tag = weights.partition(".")
    sources = {tag: get_pretrained_cfg(name, tag) for tag in list_pretrained_tags_by_model(name)}
    # tags that lie only on other servers would be fetched without a timeout or a checksum
    repos = {tag: "/".join(s["hf_hub"].split("/")[:2]) for tag, s in sources.items() if s["hf_hub"]}
    if not repos:
        raise WeightsError(
            f"The image-text weights must be an open_clip model on the hub, `hf-hub:OWNER/NAME` "
            f"or `local-dir:FOLDER`, not {weights!r}. {WAYS_OUT}"
        )
    tag = tag or (DEFAULT_TAG if DEFAULT_TAG in repos else next(iter(repos)))
    if tag not in repos:
        raise WeightsError(
            f"{name} must be followed by one of open_clip's tags, got {weights!r}. "
            f"Choose from: {', '.join(f'{name}.{known}' for known in repos)}."
        )
    require_hub_files(repos[tag], HUB_FILES)
    # open_clip only warns when a name's activation isn't the one that the tag was trained with
    return name, tag, bool(sources[tag].get("quick_gelu"))


def _require_local(folder: Path) -> None:
    # without weights open_clip would go on with random ones
    has_weights = any((folder / file).is_file() for file in HUB_FILES)
    if not (folder / "open_clip_config.json").is_file() or not has_weights:
        raise WeightsError(
            f"{folder} must hold open_clip_config.json and open_clip_model.safetensors, but "
            "doesn't. Download every file of the model's hub repository into it."
        )


def _require_tokenizer(name: str) -> None:
    """Some models' tokenizers lie in a hub repository of their own."""
    from open_clip.factory import get_model_config

    tokenizer = get_model_config(name)["text_cfg"].get("hf_tokenizer_name")
    if tokenizer and not name.startswith("local-dir:"):
        require_hub_files(tokenizer, ["tokenizer.json", "tokenizer_config.json"])
