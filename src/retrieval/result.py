"""What the catalogue as a whole says of one listing."""

from collections.abc import Sequence
from dataclasses import dataclass

from .duplicates.verdict import DuplicatePair
from .index.store import Neighbour


@dataclass(frozen=True)
class RetrievalResult:
    """One listing against the catalogue; without a catalogue nothing is known.

    Parameters
    ----------
    p_value
        How ordinary it is, 0 (strange) to 1; NaN if unknown.
    refused
        Whether it is held for out of catalogue.
    unseen
        The likeliest category without a trained expert, and its probability among all categories.
    neighbours
        The nearest catalogue listings, nearest first.
    duplicates
        Catalogue listings that are this one again, or a variant of it, the surest first.
    pair_p_value
        How usual it is that a photo and its title are as unlike, 0 to 1; NaN if unknown.
    """

    p_value: float = float("nan")
    refused: bool = False
    unseen: tuple[str, float] | None = None
    neighbours: Sequence[Neighbour] = ()
    duplicates: Sequence[DuplicatePair] = ()
    pair_p_value: float = float("nan")
