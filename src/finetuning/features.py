"""Frozen features: what the head starts from, and what weights are compared by."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from sklearn.metrics import f1_score
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from ..core.arrays import Floats, Ints, unit_rows
from ..core.device import autocast
from ..core.errors import PhotoError
from ..embedding.reading_ahead import ahead, batches, threads
from ..embedding.run_options import ResolvedOptions
from ..fusion.calibration import fit_temperature, log_loss
from ..fusion.heads import fit_head, tempered
from .backbones import normalisation
from .image_store import ImageStore, Square

if TYPE_CHECKING:
    from torch import nn

BATCH = 32
GPU_BATCH = 64
C = 30.0
"""Inverse regularisation of heads on unit features; see `fusion.heads`."""


def pooled_features(
    model: "nn.Module", squares: ImageStore, rows: Ints, options: ResolvedOptions
) -> Floats:
    """Give what the classifier sees, for photos as they are.

    Shape ``(len(rows), d)``, float32, of any length.
    """
    import torch

    model.eval().to(options.device).to(memory_format=torch.channels_last)
    mean, std = (
        torch.tensor(values, device=options.device).view(1, 3, 1, 1) * 255
        for values in normalisation(model)
    )
    out = []
    size = BATCH if options.device == "cpu" else GPU_BATCH
    hidden = None if options.progress else True
    bar = tqdm(total=len(rows), desc="Looking at photos", disable=hidden)
    with bar, threads() as pool:
        for photos in batches(ahead(pool, squares.__getitem__, rows.tolist()), size):
            batch = torch.from_numpy(np.stack(list(map(_readable, photos)))).to(options.device)
            with torch.inference_mode(), autocast(options.device, options.precision):
                pixels = (batch.permute(0, 3, 1, 2) - mean) / std
                features = model.forward_features(pixels)  # type: ignore[operator]
                pooled = model.forward_head(features, pre_logits=True)  # type: ignore[operator]
            out.append(pooled.float().cpu().numpy())
            bar.update(len(photos))
    return np.concatenate(out)


def _readable(photo: Square | PhotoError) -> Square:
    if isinstance(photo, PhotoError):  # it could be decoded when the run began
        raise photo
    return photo


def start_head(model: "nn.Module", features: Floats, labels: Ints, added: Floats) -> None:
    """Give the classifier the weights of a logistic regression on training photos' features.

    A random head would first pull the pretrained layers out of shape (Kumar et al. 2022). `added`
    is what the loss adds to the logits; see `loss.balance`.
    """
    import torch

    length = float(np.linalg.norm(features, axis=1).mean())
    with threadpool_limits(limits=1):
        head = fit_head(features / length, labels, len(added), C)
    seen = np.bincount(labels, minlength=len(added)) > 0
    intercepts = np.where(seen, head.intercepts, head.intercepts[seen].min()) - added
    classifier = model.get_classifier()  # type: ignore[operator]
    with torch.no_grad():
        classifier.weight.copy_(torch.from_numpy(head.array / length))
        classifier.bias.copy_(torch.from_numpy(intercepts))


def judge_features(
    features: Floats, training: Ints, held_out: Ints, levels: Sequence[Ints]
) -> list[dict[str, float]]:
    """Measure features as the pipeline uses them: logistic regression on unit vectors.

    Parameters
    ----------
    features
        Shape ``(n, d)``; `training` and `held_out` are rows of it.
    levels
        Each of shape ``(n,)``, the true categories at one level.

    Returns
    -------
    list of dict
        For each level ``top1``, ``macro_f1`` and ``log_loss`` on the held-out rows.
    """
    unit = unit_rows(features)
    measured = []
    for labels in levels:
        truth = labels[held_out]
        with threadpool_limits(limits=1):
            head = fit_head(unit[training], labels[training], int(labels.max()) + 1, C)
        logits = head.logits(unit[held_out])
        answers = logits.argmax(axis=1)
        temperature = fit_temperature(logits, truth)
        measured.append(
            {
                "top1": float((answers == truth).mean()),
                "macro_f1": float(f1_score(truth, answers, average="macro")),
                "log_loss": float(log_loss(tempered(logits, temperature), truth)),
            }
        )
    return measured
