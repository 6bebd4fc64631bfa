"""The image-text space: photos and texts as comparable unit vectors."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ...core.arrays import Floats
from ...embedding.encoders import ImageEncoder, TextEncoder


@dataclass(frozen=True)
class Slopes:
    """Logits per unit of similarity (inverse temperatures), by what a listing has.

    For listings that have both views, the ratio of their slopes says how much each counts.
    """

    photo_alone: float
    title_alone: float
    photo_beside_title: float
    title_beside_photo: float


class ImageTextSpace(Protocol):
    """Photos and texts in one space; every row is of unit length and independent of its batch.

    ``Embedder(space.photos, space.texts, cache)`` embeds listings with a cache.
    """

    @property
    def photos(self) -> ImageEncoder:
        """Encodes photos, in its own space of ``photos.dim`` dimensions."""
        ...

    @property
    def texts(self) -> TextEncoder:
        """Encodes cleaned texts; the image-text space is the one that it gives."""
        ...

    @property
    def fingerprint(self) -> str:
        """Equal fingerprints mean interchangeable vectors."""
        ...

    @property
    def vocabulary(self) -> Floats:
        """Texts of common things, shape ``(m, texts.dim)``; m may be 0.

        Labels lean on their neighbours among these, and a photo's similarity to a label is
        measured from the average similarity of these.
        """
        ...

    @property
    def slopes(self) -> Slopes:
        """Give what to assume before there are labels to fit."""
        ...

    def to_text_space(self, image_embeddings: Floats) -> Floats:
        """Map ``(n, photos.dim)`` to ``(n, texts.dim)``; a zero row (no photo) stays zero."""
        ...

    def embed_texts(self, texts: Sequence[str]) -> Floats:
        """Clean and embed texts; shape ``(n, texts.dim)``."""
        ...
