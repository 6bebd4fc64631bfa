"""What a catalogue has of each category, and which categories are alike or taken for each other."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...core.arrays import Ints, unit_rows
from ...fusion.views import View
from ..features.reduced import reduced
from ..overlap import mistaken_for
from .labelled import UNLABELLED, Material
from .look import MAIN_DIM, Look

MAX_PAIRS = 20


@dataclass(frozen=True)
class CategoryOverview:
    """One category, or all listings together.

    Parameters
    ----------
    title_words, photo_px
        Medians: words of a title, the shorter side of a photo; None where there is none.
    no_photo, no_title, no_description
        Listings that lack it.
    right
        Share of its listings that the best family's probe finds again; None where it wasn't asked.
    mistaken_for, n_mistaken
        The category that they are most often taken for; empty and 0 where none is.
    """

    name: str
    n: int
    title_words: float | None
    photo_px: float | None
    no_photo: int
    no_title: int
    no_description: int
    right: float | None = None
    mistaken_for: str = ""
    n_mistaken: int = 0


@dataclass(frozen=True)
class AlikePair:
    """Two categories whose middles are close: `similarity` is a cosine."""

    a: str
    b: str
    similarity: float


def overview(material: Material, best: Look | None) -> tuple[CategoryOverview, ...]:
    """Describe all listings, then each category that there is, the largest first."""
    categories = np.array(material.categories, dtype=object)
    names, counts = np.unique(categories[categories != ""].astype(str), return_counts=True)
    rows = [_described("all", np.arange(len(categories)), material, best)]
    for place in np.argsort(-counts, kind="stable"):
        name = str(names[place])
        rows.append(_described(name, np.flatnonzero(categories == name), material, best))
    return tuple(rows)


def imbalance(counts: Sequence[int]) -> tuple[float, float]:
    """Tell how uneven categories are.

    Returns
    -------
    float, float
        The largest category by the smallest; and how many equal categories would be as uneven as
        these (the exponential of their entropy).

    >>> imbalance([10, 10])
    (1.0, 2.0)
    """
    shares = np.array(counts) / sum(counts)
    return max(counts) / min(counts), float(np.exp(-(shares * np.log(shares)).sum()).round(9))


def alike_pairs(view: View, labels: Ints, names: Sequence[str]) -> tuple[AlikePair, ...]:
    """Find the categories whose mean listings are closest, by cosine around the catalogue's own."""
    known = view.present & (labels != UNLABELLED)
    if not known.any() or len(names) < 2:
        return ()
    main, own = reduced(view.features[known], MAIN_DIM), labels[known]
    main = main - main.mean(axis=0)
    there = np.unique(own)
    middles = unit_rows(np.stack([main[own == label].mean(axis=0) for label in there]))
    cosines = middles @ middles.T
    pairs = [
        AlikePair(names[there[a]], names[there[b]], float(cosines[a, b]))
        for a, b in zip(*np.triu_indices(len(there), 1), strict=True)
    ]
    return tuple(sorted(pairs, key=lambda pair: -pair.similarity)[:MAX_PAIRS])


def _described(name: str, rows: Ints, material: Material, best: Look | None) -> CategoryOverview:
    embedded, sizes = material.embedded, material.squares.sizes_px[rows].min(axis=1)
    words = [len(embedded.titles[row].split()) for row in rows if embedded.titles[row]]
    asked = rows[best.answer[rows] != UNLABELLED] if best else rows[:0]
    right, taken, n_taken = None, "", 0
    if best is not None and len(asked):
        answers, labels = best.answer[asked], material.labels[asked]
        right = float((answers == labels).mean())
        mistaken = mistaken_for(answers, labels, len(material.names))[labels[0]]
        if mistaken and name != "all":
            taken, n_taken = material.names[mistaken[0]], mistaken[1]
    return CategoryOverview(
        name=name,
        n=len(rows),
        title_words=float(np.median(words)) if words else None,
        photo_px=float(np.median(sizes[sizes > 0])) if (sizes > 0).any() else None,
        no_photo=sum(embedded.photo_hashes[row] is None for row in rows),
        no_title=sum(not embedded.titles[row] for row in rows),
        no_description=sum(not embedded.descriptions[row] for row in rows),
        right=right,
        mistaken_for=taken,
        n_mistaken=n_taken,
    )
