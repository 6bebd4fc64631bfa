"""A text encoder's whole computation: tokens in, unit vectors out, whatever runs it."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from ..core.arrays import Ints
from ..core.runtimes.session import Batch, Graph

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

INPUTS = ("input_ids", "attention_mask")
TOKENS_AT_ONCE = 128
"""Few enough to stay in a core's cache, many enough to be worth the weights' way there."""


class SentenceGraph(torch.nn.Module):
    """A sentence-transformers model as a function of arrays."""

    def __init__(self, model: "SentenceTransformer") -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Take shapes ``(n, n_tokens)``; return ``(n, dim)``, unit length."""
        features = self.model({"input_ids": input_ids, "attention_mask": attention_mask})
        vectors = features["sentence_embedding"]
        return torch.nn.functional.normalize(vectors.float(), dim=1)


def sentence_graph(model: "SentenceTransformer") -> Graph:
    """Describe a text encoder to other runtimes."""
    shape = {0: "batch", 1: "tokens"}
    return Graph(
        module=SentenceGraph(model).eval(),
        inputs={name: torch.ones((2, 6), dtype=torch.int64) for name in INPUTS},
        axes=dict.fromkeys(INPUTS, shape),
    )


def token_batches(tokens: Sequence[Sequence[int]], padding: int) -> Iterator[tuple[Ints, Batch]]:
    """Cut texts' tokens into batches of like length, so that little is padded with `padding`.

    A batch has at most `TOKENS_AT_ONCE` tokens, or one text. Yields which texts these are, and the
    graph's inputs for them.
    """
    order = np.argsort([len(row) for row in tokens], kind="stable")
    start = 0
    while start < len(order):
        stop = start + 1
        while stop < len(order) and (stop + 1 - start) * len(tokens[order[stop]]) <= TOKENS_AT_ONCE:
            stop += 1
        rows = order[start:stop]
        lengths = np.array([len(tokens[row]) for row in rows])
        mask = (np.arange(lengths.max()) < lengths[:, None]).astype(np.int64)
        ids = np.full(mask.shape, padding, dtype=np.int64)
        for place, row in enumerate(rows):
            ids[place, : lengths[place]] = tokens[row]
        yield rows, (ids, mask)
        start = stop
