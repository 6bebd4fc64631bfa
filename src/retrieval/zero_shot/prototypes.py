"""Category names to prototype vectors, and the similarity to each that tells nothing.

Three corrections, each measured by ``benchmarks/zero_shot.py``:

- A prototype leans on its nearest neighbours in the space's vocabulary (Rocchio's feedback):
  "Beauty and Personal Care" is an odd phrase, but lipstick and perfume are near.
- A photo's similarity counts from the vocabulary's mean similarity to the prototype, because some
  prototypes are close to everything.
- A title's counts from that of titles that name no product (Zhao et al. 2021, "Calibrate before
  use"): otherwise any brand with a model number is a watch.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...catalog.listing import SEPARATOR, category_levels
from ...core.arrays import Floats, unit_rows
from ...core.errors import ConfigError
from .image_text_space import ImageTextSpace

TEMPLATES = ("{}", "a photo of {}")
PARENT_SHARE = DESCRIPTION_SHARE = 0.3
NEIGHBOUR_SHARE = 1 / 3
N_NEIGHBOURS = 10
CONTENT_FREE_TITLES = (
    "Pack of 2, Multicolor",
    "Model AX-120, Black",
    "Set of 3, Large, Blue",
    "For Men and Women",
    "Premium Quality, Free Size",
    "10 x 15 cm, White",
    "Combo of 2",
    "Acme Series 5, Silver",
    "Size M, Red",
    "500 ml",
    "Brand new, 1 piece",
    "Limited Edition, Gold",
    "Zenova KT-2050 - 12 cm",
    "For Girls, Boys",
    "Royal Classic Collection, Brown",
)


@dataclass(frozen=True)
class Prototypes:
    """Categories as vectors in the text space; none depends on which others are there.

    Parameters
    ----------
    names
        The categories' paths, K of them, all different; the columns of every answer.
    vectors
        Shape ``(K, d)``, unit length.
    photo_baseline, title_baseline
        Shape ``(K,)``, the similarity to each prototype that tells nothing.
    """

    names: tuple[str, ...]
    vectors: Floats
    photo_baseline: Floats
    title_baseline: Floats

    def take(self, names: Sequence[str]) -> "Prototypes":
        """Keep some categories, in the order given."""
        missing = sorted(set(names) - set(self.names))
        if missing:
            raise ValueError(f"Names must be among {list(self.names)}, got {missing} too.")
        rows = [self.names.index(name) for name in names]
        return Prototypes(
            tuple(names), self.vectors[rows], self.photo_baseline[rows], self.title_baseline[rows]
        )

    def extended(self, other: "Prototypes") -> "Prototypes":
        """Append the categories of `other` that aren't here yet."""
        new = other.take([name for name in other.names if name not in self.names])
        return Prototypes(
            self.names + new.names,
            np.concatenate([self.vectors, new.vectors]),
            np.concatenate([self.photo_baseline, new.photo_baseline]),
            np.concatenate([self.title_baseline, new.title_baseline]),
        )


def embed_categories(
    names: Sequence[str], descriptions: Sequence[str | None] | None, space: ImageTextSpace
) -> Prototypes:
    """Embed category names with their parents, and descriptions where there are some.

    Parameters
    ----------
    names
        Names or paths (``"Garden > Hammocks"``), all different.
    descriptions
        What belongs there, one for each name or None; None if there are none at all.

    Raises
    ------
    ConfigError
        If a name is empty or comes twice, or there isn't one description for each.
    """
    paths = [category_levels(name) for name in names]
    if not paths or not all(paths) or len(set(paths)) < len(paths):
        raise ConfigError(
            "Labels must be at least one name, none empty and none twice, "
            f"got {list(names)}. Remove or rename what doesn't fit."
        )
    if descriptions is not None and len(descriptions) != len(paths):
        raise ConfigError(
            f"Each of the {len(paths)} labels needs a description or None, got "
            f"{len(descriptions)} descriptions. Add what is missing."
        )
    vectors = embed_paths(paths, space)
    told = {row: text for row, text in enumerate(descriptions or ()) if text}
    if told:
        rows = list(told)
        described = space.embed_texts(list(told.values()))
        vectors[rows] = mix(vectors[rows], described, DESCRIPTION_SHARE)
    vectors = lean_on_neighbours(vectors, space.vocabulary)
    return Prototypes(
        names=tuple(map(SEPARATOR.join, paths)),
        vectors=vectors,
        photo_baseline=mean_similarity(vectors, space.vocabulary),
        title_baseline=mean_similarity(vectors, space.embed_texts(CONTENT_FREE_TITLES)),
    )


def embed_paths(paths: Sequence[tuple[str, ...]], space: ImageTextSpace) -> Floats:
    """Embed each path's last level by prompts, moved towards its parents; ``(n, d)``, unit."""
    levels = sorted({level for path in paths for level in path})
    prompts = [template.format(level) for level in levels for template in TEMPLATES]
    prompted = space.embed_texts(prompts).reshape(len(levels), len(TEMPLATES), -1)
    vector_of = dict(zip(levels, unit_rows(prompted.sum(axis=1)), strict=True))
    own = np.stack([vector_of[path[-1]] for path in paths])
    parents = np.zeros_like(own)
    for row, path in enumerate(paths):
        for parent in path[:-1]:
            parents[row] += vector_of[parent]
    return mix(own, unit_rows(parents), PARENT_SHARE)


def lean_on_neighbours(vectors: Floats, vocabulary: Floats) -> Floats:
    """Move each vector towards the mean of its nearest ones in `vocabulary`, if there is one."""
    if len(vocabulary) == 0:
        return vectors
    nearest = np.argsort(-(vectors @ vocabulary.T), axis=1, kind="stable")[:, :N_NEIGHBOURS]
    return mix(vectors, unit_rows(vocabulary[nearest].mean(axis=1)), NEIGHBOUR_SHARE)


def mix(vectors: Floats, others: Floats, share: float) -> Floats:
    """Weighted mean of rows, scaled to unit length; a zero row of `others` changes nothing."""
    return unit_rows((1 - share) * vectors + share * others)


def mean_similarity(vectors: Floats, background: Floats) -> Floats:
    """Mean cosine of each vector to the background's; 0 where there is no background."""
    if len(background) == 0:
        return np.zeros(len(vectors), dtype=np.float32)
    return np.asarray(vectors @ background.mean(axis=0))
