"""What a feature family is, whoever wrote it."""

from collections.abc import Sequence
from typing import Any, Literal, Protocol, TypeAlias

from ...fusion.views import Features

Takes: TypeAlias = Literal["title", "description", "square", "photo"]
"""What a family looks at: cleaned texts, squares of pixels (see `squares`), or photos' sources."""
MODALITY: dict[Takes, str] = {
    "title": "title",
    "description": "description",
    "square": "photo",
    "photo": "photo",
}


class FeatureFamily(Protocol):
    """Turns all that a catalogue has of one kind into rows of numbers; may learn from it first."""

    @property
    def name(self) -> str: ...

    @property
    def takes(self) -> Takes: ...

    def encode(self, items: Sequence[Any]) -> Features:
        """Shape ``(n, d)``, float32, dense or sparse; rows of unit length.

        A row of zeros says nothing, such as a title without a known word.
        """
        ...
