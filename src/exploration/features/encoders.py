"""Learned encoders as feature families: the profile's own, others by name, CLIP."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...core.arrays import Floats
from ...embedding.embedder import embed_texts
from ...embedding.encoders import ImageEncoder, TextEncoder
from ...embedding.photos import embed_photos
from ...embedding.run_options import RunOptions
from .family import Takes


@dataclass(frozen=True)
class EncodedTexts:
    """A sentence encoder over titles or descriptions; see `FeatureFamily`."""

    name: str
    encoder: TextEncoder
    options: RunOptions
    takes: Takes = "title"

    def encode(self, items: Sequence[str]) -> Floats:
        return embed_texts(items, self.encoder, self.options, f"{self.takes}s").array

    def uncached(self) -> "EncodedTexts":
        """Give the same that computes everything anew: to be timed."""
        return replace(self, options=replace(self.options, cache=None, progress=False))


@dataclass(frozen=True)
class EncodedPhotos:
    """A photo encoder; a photo that can't be read is a row of zeros. See `FeatureFamily`."""

    name: str
    encoder: ImageEncoder
    options: RunOptions
    takes: Takes = "photo"

    def encode(self, items: Sequence[Any]) -> Floats:
        return embed_photos(items, self.encoder, self.options).view.array

    def uncached(self) -> "EncodedPhotos":
        """Give the same that computes everything anew: to be timed."""
        return replace(self, options=replace(self.options, cache=None, progress=False))
