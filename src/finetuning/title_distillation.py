"""Titles as teachers: photos learn to resemble each other as their titles do.

A category is a few bits about a photo, a title is a sentence. Titles are only needed while
training (learning with privileged information, Vapnik & Vashist 2009).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors.numpy import load_file, save_file
from torch import nn
from torch.nn import functional

from ..core.arrays import Floats
from ..core.files import atomic_path
from ..text.clean import clean_text
from ..text.encoder import SentenceEncoder

if TYPE_CHECKING:
    from .state import RunState

FILE, VECTORS = "titles.safetensors", "titles"
N_ANCHORS = 1024
SHARPNESS = 20.0
"""What cosines are multiplied by before the softmax."""
RIDGE = 3.0


def save_titles(titles: Sequence[str | None], weights: str, device: str, state: "RunState") -> None:
    """Embed titles, if there are any and the run hasn't done it yet; an empty one becomes zeros.

    `weights` is for `SentenceEncoder.load`.
    """
    path = state.folder / FILE
    texts = [clean_text(title) for title in titles]
    rows = [row for row, text in enumerate(texts) if text]
    if not rows or path.is_file():
        return
    encoder = SentenceEncoder.load(weights, device=device)
    vectors = np.zeros((len(texts), encoder.dim), dtype=np.float32)
    vectors[rows] = encoder.encode([texts[row] for row in rows])
    with atomic_path(path) as partial:
        save_file({VECTORS: vectors}, partial)


def load_titles(state: "RunState") -> Floats | None:
    """Give what `save_titles` saved, shape ``(n, d)``; None without."""
    path = state.folder / FILE
    return load_file(path)[VECTORS] if path.is_file() else None


class TitleDistillation(nn.Module):
    """Compares a photo with some titles, and asks for the similarities of its own title.

    The same for each photo whoever else is in its batch, so parts of a batch add up to the whole.
    The comparison with a fixed set of others is that of SEED (Fang et al. 2021).

    Parameters
    ----------
    n_features
        Length of a photo's features.
    titles
        Shape ``(n, d)``, the training photos' titles; zeros where there is none.
    seed
        Chooses the titles to compare with.
    """

    def __init__(self, n_features: int, titles: Floats, seed: int) -> None:
        super().__init__()
        there = np.flatnonzero(titles.any(axis=1))
        chosen = np.random.default_rng([seed, 3]).permutation(there)[:N_ANCHORS]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.project = nn.Linear(n_features, titles.shape[1], bias=False)
        self.register_buffer("anchors", torch.from_numpy(titles[chosen]), persistent=False)

    def start(self, features: Floats, titles: Floats) -> None:
        """Begin with the ridge regression of titles on frozen features.

        Shapes ``(n, d)`` and ``(n, n_features)``, of the training photos.
        """
        there = titles.any(axis=1)
        length = float(np.linalg.norm(features, axis=1).mean())
        scaled = (features[there] / length).astype(np.float64)
        gram = scaled.T @ scaled + RIDGE * np.eye(scaled.shape[1])
        weights = np.linalg.solve(gram, scaled.T @ titles[there]) / length
        with torch.no_grad():
            self.project.weight.copy_(torch.from_numpy(weights.T))

    def forward(self, features: torch.Tensor, titles: torch.Tensor) -> torch.Tensor:
        """Give the mean loss, in nats.

        Features have shape ``(n, n_features)``, titles ``(n, d)``; a row of zeros asks for nothing.
        """
        anchors: torch.Tensor = self.anchors  # type: ignore[assignment]
        photos = functional.normalize(self.project(features), dim=1)
        wanted = torch.softmax(SHARPNESS * titles @ anchors.T, dim=1)
        found = torch.log_softmax(SHARPNESS * photos @ anchors.T, dim=1)
        return -((wanted * found).sum(dim=1) * titles.any(dim=1)).mean()
