"""Running an encoder over what is new, and remembering it.

A `space` names an encoder with all else that changes its output; content is named by its hash.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from tqdm import tqdm

from ..core.arrays import Floats
from ..core.cache import EmbeddingCache
from ..fusion.views import View
from .reading_ahead import batches

if TYPE_CHECKING:
    Bar: TypeAlias = tqdm[Any]
BATCH = 32
WRITE_EVERY = 256


def known(
    keys: Iterable[str], space: str, cache: EmbeddingCache | None, dim: int
) -> dict[str, Floats]:
    """Give the vectors that are remembered; one that can't be right is as if it weren't there.

    Parameters
    ----------
    dim
        Their length.
    """
    found = cache.read(space, list(keys)) if cache else {}
    return {key: v for key, v in found.items() if v.shape == (dim,) and np.isfinite(v).all()}


def remember(vectors: Mapping[str, Floats], space: str, cache: EmbeddingCache | None) -> None:
    if cache and vectors:
        cache.write(space, vectors)


def encode_new(
    items: Iterable[tuple[str, Any]],
    encode: Callable[[list[Any]], Floats],
    space: str,
    cache: EmbeddingCache | None,
    bar: "Bar",
) -> dict[str, Floats]:
    """Encode in batches as they come (photos are decoded meanwhile); write now and then."""
    new: dict[str, Floats] = {}
    unwritten: dict[str, Floats] = {}
    try:
        for batch in batches(items, BATCH):
            vectors = encode([item for _, item in batch])
            unwritten.update(zip((key for key, _ in batch), vectors, strict=True))
            bar.update(len(batch))
            if len(unwritten) >= WRITE_EVERY:
                remember(unwritten, space, cache)
                new |= unwritten
                unwritten = {}
    finally:  # what was done before Ctrl-C is kept
        remember(unwritten, space, cache)
    return new | unwritten


def progress_bar(what: str, total: int, initial: int, *, shown: bool) -> "Bar":
    """Show a bar only where there is work to watch."""
    hidden = None if shown and initial < total else True
    return tqdm(total=total, initial=initial, desc=f"Embedding {what}", disable=hidden)


def as_view(keys: Sequence[str | None], vectors: Mapping[str, Floats], dim: int) -> View:
    """Lay vectors out in rows; one without a key or a vector is missing."""
    features = np.zeros((len(keys), dim), dtype=np.float32)
    present = np.zeros(len(keys), dtype=bool)
    for row, key in enumerate(keys):
        if key is not None and key in vectors:
            features[row], present[row] = vectors[key], True
    return View(features, present)
