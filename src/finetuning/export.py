"""The result: a folder in timm's own format, and what Shelfsure has to know beside it."""

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import ConfigError
from ..vision.backbone import TUNED_FILE

if TYPE_CHECKING:
    import torch
    from torch import nn

    from ..catalog.catalog import Catalog


def check_out(out: Path, *, overwrite: bool) -> None:
    """Complain before the work starts, not after it.

    Raises
    ------
    ConfigError
        If `out` holds something, and isn't a fine-tuned encoder that may be replaced.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not (out / TUNED_FILE).is_file():
        raise ConfigError(
            f"An encoder is saved to a new or empty folder, but {out} holds something else. "
            "Choose another --out."
        )
    if not overwrite:
        raise ConfigError(
            f"{out} already holds a fine-tuned encoder. Pass --overwrite to replace it, or choose "
            "another --out."
        )


def export_encoder(
    out: Path,
    model: "nn.Module",
    facts: Mapping[str, Any],
    catalog: "Catalog",
    *,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    fold_encoders: "Mapping[str, Mapping[str, torch.Tensor]]",
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

    out.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}.partial-"))
    try:
        side = facts["side_px"]
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
        staging.chmod(0o755)
        if out.exists():
            shutil.rmtree(out)
        staging.rename(out)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
