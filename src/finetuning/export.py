"""The result: a folder in timm's own format, and what Shelfsure has to know beside it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.files import atomic_folder
from ..core.kinds import FolderKind, folder_marked
from ..vision.backbone import TUNED_FILE
from .backbones import normalisation

if TYPE_CHECKING:
    import torch
    from torch import nn

    from ..catalog.catalog import Catalog


ENCODER = FolderKind(
    "a fine-tuned encoder",
    folder_marked(
        TUNED_FILE,
        {"side_px", "crop_mode"},
        *("config.json", "model.safetensors", "fold-encoder-*.safetensors", "rejected.csv"),
    ),
)


def export_encoder(
    out: Path,
    model: "nn.Module",
    facts: Mapping[str, Any],
    catalog: "Catalog",
    fold_encoders: "Mapping[str, Mapping[str, torch.Tensor]]",
    *,
    overwrite: bool = False,
) -> None:
    """Write ``config.json``, ``model.safetensors``, ``finetuned.json`` and ``rejected.csv``.

    The folder appears whole. `PhotoEncoder.load` reads it as ``local-dir:OUT``, and so does timm.

    Parameters
    ----------
    facts
        What ``finetuned.json`` says; see `run.finetune`.
    fold_encoders
        File name -> weights of encoders that lie beside this one.
    """
    import torch
    from safetensors.torch import save_file
    from timm.models import save_for_hf

    with atomic_folder(out, ENCODER, replace=overwrite) as staging:
        side, (mean, std) = facts["side_px"], normalisation(model)
        save_for_hf(
            model.cpu().to(memory_format=torch.contiguous_format),
            staging,
            model_config={"label_names": list(facts["classes"])},
            safe_serialization=True,
            data_config={
                "input_size": (3, side, side),
                "mean": mean,
                "std": std,
                "crop_pct": 1.0,
                "crop_mode": facts["crop_mode"],
            },
        )
        for name, weights in fold_encoders.items():
            save_file({n: value.contiguous() for n, value in weights.items()}, staging / name)
        (staging / TUNED_FILE).write_text(json.dumps(facts, indent=2), encoding="utf-8")
        catalog.write_rejected(staging / "rejected.csv")
