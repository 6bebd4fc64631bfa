"""What a drift most likely is, by the listings that are most unlike the training listings."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..core.arrays import Floats, Ints
from .logged import LoggedListings
from .signals import OOD, ScoreSignal, ShareSignal, Signals

CauseName = Literal[
    "photo quality",
    "missing parts",
    "other titles",
    "other photos",
    "new category",
    "out of catalogue",
    "mix",
]
UNLIKE = 0.01
"""Of the training listings, this share is as strange as one that is called unlike."""
STRANGE = 0.1
MOST = 0.5
MIN_ALIKE, MAX_PAIRED = 3, 400


@dataclass(frozen=True)
class Cause:
    """A name, what it means, and the logged listings that show it, the strangest first."""

    name: CauseName
    said: str
    rows: Sequence[int]


def name_cause(logged: LoggedListings, signals: Signals, alarmed: Collection[str]) -> Cause:
    """Name what has changed.

    Parameters
    ----------
    alarmed
        Signals that alarmed, by their own.
    """
    ordinary = ordinary_by(signals, len(logged.rows))
    unlike = most_unlike(ordinary)
    for signal in signals.each:
        if not isinstance(signal, ShareSignal) or signal.name not in alarmed:
            continue
        rows = signal.rows[signal.new > 0]
        if np.mean(ordinary[OOD][rows] <= STRANGE) >= MOST if OOD in ordinary else False:
            continue  # it is something else that brings this along
        if signal.name.startswith("no "):
            return Cause("missing parts", f"More listings have {signal.name}.", rows.tolist())
        return Cause("photo quality", f"More photos are {_words(signal.name)}.", rows.tolist())
    if not len(unlike):
        said = f"Of the listings as a whole: {', '.join(sorted(alarmed))}."
        return Cause("mix", said, unlike.tolist())
    strange = {
        name: np.nanmean(p[unlike] <= STRANGE) if np.isfinite(p[unlike]).any() else 0.0
        for name, p in ordinary.items()
    }
    photo, title, refused = (strange.get(name, 0.0) for name in ("photo", "title", OOD))
    if title >= MOST > photo:
        return Cause(
            "other titles", "Titles are unlike training's, photos aren't.", unlike.tolist()
        )
    if photo >= MOST > title and refused < MOST:
        return Cause("other photos", "Photos are unlike training's.", unlike.tolist())
    if _alike(signals, unlike):
        said = "Listings that are unlike training's, and like each other."
        return Cause("new category", said, unlike.tolist())
    said = "Listings that are unlike training's, and unlike each other."
    return Cause("out of catalogue", said, unlike.tolist())


def ordinary_by(signals: Signals, n: int) -> dict[str, Floats]:
    """Tell how ordinary each logged listing is: signal -> shape ``(n,)``, NaN where unknown."""
    found = {}
    for vectors in signals.vectors():
        found[vectors.name] = np.full(n, np.nan)
        found[vectors.name][vectors.rows] = vectors.ordinary()
    for signal in signals.each:
        if isinstance(signal, ScoreSignal) and signal.name == OOD:
            found[OOD] = np.full(n, np.nan)
            found[OOD][signal.rows] = -signal.new
    return found


def most_unlike(ordinary: dict[str, Floats], at_most: int = 200) -> Ints:
    """List the rows that are unlike training's by any signal, the strangest first."""
    if not ordinary:
        return np.empty(0, dtype=np.intp)
    p = np.array(list(ordinary.values()))
    known = np.where(np.isnan(p), 1.0, p)
    lowest, mean = known.min(axis=0), known.mean(axis=0)
    order = np.lexsort((mean, lowest))
    return np.asarray(order[lowest[order] <= UNLIKE][:at_most])


def _alike(signals: Signals, unlike: Ints) -> bool:
    """Tell whether these are more like each other than most pairs of training listings are."""
    for vectors in signals.vectors():
        own = vectors.new[np.isin(vectors.rows, unlike)]
        usual = _pairs(vectors.known[:MAX_PAIRED])
        if len(own) >= MIN_ALIKE and np.median(_pairs(own)) > np.quantile(usual, 0.75):
            return True
    return False


def _pairs(rows: Floats) -> Floats:
    """Give the cosine of each pair of rows."""
    similarity = rows @ rows.T
    return np.asarray(similarity[np.triu_indices(len(rows), 1)])


def _words(flag: str) -> str:
    return {"border": "in a frame", "text_overlay": "written on"}.get(flag, flag.replace("_", " "))
