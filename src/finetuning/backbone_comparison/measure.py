"""One encoder on one split: how often it is right, and how fast it is."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...catalog.listing import Listing
from ...core.errors import TrainingError
from ...embedding import photos
from ...embedding.photos import PhotoRows
from ...embedding.run_options import ResolvedOptions
from ...vision.encoder import PhotoEncoder
from ...vision.preprocess import CropMode, Preprocessing
from ..backbones import normalisation
from ..config import FinetuneConfig
from ..features import judge_features
from .dataset import Material

if TYPE_CHECKING:
    from torch import nn

ROUNDS = 5
N_TIMED = {"cpu": 32}
N_TIMED_ELSEWHERE = 512


def as_encoder(
    model: "nn.Module", recipe: FinetuneConfig, options: ResolvedOptions
) -> PhotoEncoder:
    """Make a backbone an encoder that frames photos as fine-tuning does."""
    crop_mode: CropMode = "border" if recipe.crop_mode == "auto" else recipe.crop_mode
    return PhotoEncoder(
        model,
        Preprocessing(recipe.side_px, 1.0, crop_mode, *normalisation(model)),
        device=options.device,
        precision=options.precision,
        runtime=options.runtime,
    )


def embed_photos(
    encoder: PhotoEncoder, listings: Sequence[Listing], options: ResolvedOptions
) -> PhotoRows:
    """Embed the photos alone, in the order of the listings."""
    return photos.embed_photos([listing.image for listing in listings], encoder, options)


def measure(
    encoder: PhotoEncoder, material: Material, options: ResolvedOptions
) -> tuple[float, float]:
    """Fit a logistic regression on the training listings: its top-1 and macro-F1 on the test's.

    Raises
    ------
    TrainingError
        If a photo can't be read any more, or an embedding isn't finite.
    """
    embedded = embed_photos(encoder, material.listings, options)
    features = embedded.view.dense()
    if features is None or embedded.problems or not np.isfinite(features).all():
        why = next(iter(embedded.problems.values()), "an embedding isn't finite")
        raise TrainingError(
            f"All {len(material.listings):,} photos must have embeddings, but {why}. Check the "
            "photos, or lower the recipe's learning_rate."
        )
    n = len(material.train)
    places = np.arange(len(features))
    (judged,) = judge_features(features, places[:n], places[n:], [material.labels])
    return judged["top1"], judged["macro_f1"]


def time_against(encoder: PhotoEncoder, reference: PhotoEncoder) -> dict[str, float]:
    """Time two encoders in turn on prepared photos, so that a busy machine slows both.

    Gives ``images_per_s`` and, divided by the reference's, ``speed_ratio``; medians over rounds.
    The ratio of an encoder to itself is 1, whatever the clock says.
    """
    rng = np.random.default_rng(0)
    n = N_TIMED.get(encoder.device.split(":")[0], N_TIMED_ELSEWHERE)
    both = (encoder, reference)
    prepared = []
    for each in both:
        side = each.preprocessing.side_px
        prepared.append(list(rng.integers(0, 256, (n, side, side, 3), dtype=np.uint8)))
        each.engine.select_runtime()
        each.encode(prepared[-1])  # the first pass pays for memory and kernels
    seconds = np.zeros((ROUNDS, 2))
    for round_ in range(ROUNDS):
        for which, each in enumerate(both):
            started = time.perf_counter()
            each.encode(prepared[which])
            seconds[round_, which] = time.perf_counter() - started
    return {
        "images_per_s": float(n / np.median(seconds[:, 0])),
        "speed_ratio": 1.0
        if encoder is reference
        else float(np.median(seconds[:, 1] / seconds[:, 0])),
    }
