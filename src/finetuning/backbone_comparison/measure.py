"""One encoder on one split: how often it is right, and how fast it is."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ...catalog.listing import Listing
from ...core.arrays import Floats
from ...core.errors import TrainingError
from ...embedding.embedder import Embedder
from ...embedding.listings import EmbeddedListings
from ...embedding.run_options import ResolvedOptions
from ...vision.encoder import PhotoEncoder
from ...vision.preprocess import Preprocessing
from ..backbones import normalisation
from ..config import FinetuneConfig
from ..features import judge_features
from .dataset import Material

if TYPE_CHECKING:
    from torch import nn

ROUNDS = 5
N_TIMED = {"cpu": 32}
N_TIMED_ELSEWHERE = 512


@dataclass
class _NoTexts:
    """Stands where an embedder has its text encoder; photos alone are compared."""

    dim: int = 0
    fingerprint: str = "none"

    def encode(self, items: Sequence[str]) -> Floats:
        return np.zeros((len(items), 0), dtype=np.float32)


def as_encoder(
    model: "nn.Module", recipe: FinetuneConfig, options: ResolvedOptions
) -> PhotoEncoder:
    """Make a backbone an encoder that frames photos as fine-tuning does."""
    return PhotoEncoder(
        model,
        Preprocessing(recipe.side_px, 1.0, recipe.crop_mode, *normalisation(model)),
        device=options.device,
        precision=options.precision,
        runtime=options.runtime,
    )


def embed_photos(
    encoder: PhotoEncoder, listings: Sequence[Listing], options: ResolvedOptions
) -> EmbeddedListings:
    """Embed the photos alone, in the order of the listings."""
    embedder = Embedder(encoder, _NoTexts(), options)
    return embedder.embed([Listing(x.listing_id, image=x.image) for x in listings])


class Judged(NamedTuple):
    """Shares of the test listings, 0 to 1."""

    top1: float
    macro_f1: float


def measure(encoder: PhotoEncoder, material: Material, options: ResolvedOptions) -> Judged:
    """Fit a logistic regression on the training listings, and ask it about the test listings.

    Raises
    ------
    TrainingError
        If a photo can't be read any more, or an embedding isn't finite.
    """
    embedded = embed_photos(encoder, material.listings, options)
    features = embedded.photo.dense()
    if features is None or embedded.problems or not np.isfinite(features).all():
        why = next(iter(embedded.problems.values()), "an embedding isn't finite")
        raise TrainingError(
            f"All {len(material.listings):,} photos must have embeddings, but {why}. Check the "
            "photos, or lower the recipe's learning_rate."
        )
    n = len(material.train)
    places = np.arange(len(features))
    (judged,) = judge_features(features, places[:n], places[n:], [material.labels])
    return Judged(judged["top1"], judged["macro_f1"])


def time_against(encoder: PhotoEncoder, reference: PhotoEncoder) -> dict[str, float]:
    """Time two encoders in turn on prepared photos, so that a busy machine slows both.

    Returns
    -------
    dict
        ``images_per_s`` and, divided by the reference's, ``speed_ratio``; medians over rounds.
        The ratio of an encoder to itself is 1, whatever the clock says.
    """
    rng = np.random.default_rng(0)
    n = N_TIMED.get(encoder.device.split(":")[0], N_TIMED_ELSEWHERE)
    both = (encoder, reference)
    photos = []
    for each in both:
        side = each.preprocessing.side_px
        photos.append(list(rng.integers(0, 256, (n, side, side, 3), dtype=np.uint8)))
        each.engine.select_runtime()
        each.encode(photos[-1])  # the first pass pays for memory and kernels
    seconds = np.zeros((ROUNDS, 2))
    for round_ in range(ROUNDS):
        for which, each in enumerate(both):
            started = time.perf_counter()
            each.encode(photos[which])
            seconds[round_, which] = time.perf_counter() - started
    return {
        "images_per_s": float(n / np.median(seconds[:, 0])),
        "speed_ratio": 1.0
        if encoder is reference
        else float(np.median(seconds[:, 1] / seconds[:, 0])),
    }
