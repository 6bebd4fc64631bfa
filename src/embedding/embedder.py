"""Listings to embeddings: each photo and text is read once, encoded once, and remembered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from ..catalog.catalog import Catalog
from ..catalog.listing import Listing
from ..core.cache import EmbeddingCache
from ..core.config import Config
from ..core.device import pick_device, pick_precision
from ..core.runtimes.names import Runtime
from ..fusion.views import View
from ..text.clean import clean_text
from ..text.encoder import SentenceEncoder
from ..vision.encoder import PhotoEncoder
from ..vision.load import PhotoLimits
from ..vision.quality import PhotoFlag, PhotoQuality
from .encoders import ImageEncoder, TextEncoder
from .encoding import Encoding
from .photos import embed_photos
from .texts import embed_texts

T = TypeVar("T")


@dataclass(frozen=True)
class Embedded:
    """Listings as arrays.

    Parameters
    ----------
    photo, title, description
        Unit vectors with a mask of who has one.
    titles, descriptions
        Cleaned texts, empty where missing.
    photo_hashes
        sha256 of each photo's bytes, None where there is none.
    problems
        Row -> why its photo can't be used; such a row is to be set aside.
    quality
        Row -> its photo's quality, where that was asked for.
    """

    photo: View
    title: View
    description: View
    titles: list[str]
    descriptions: list[str]
    photo_hashes: list[str | None]
    problems: dict[int, str]
    quality: dict[int, PhotoQuality] = field(default_factory=dict)

    def flags(self, row: int) -> tuple[PhotoFlag, ...]:
        """Say what could be better about a photo, as far as it was measured."""
        return self.quality[row].flags if row in self.quality else ()

    def take(self, rows: Sequence[int]) -> "Embedded":
        """Keep some rows, in this order."""
        return Embedded(
            photo=self.photo.take(rows),
            title=self.title.take(rows),
            description=self.description.take(rows),
            titles=[self.titles[row] for row in rows],
            descriptions=[self.descriptions[row] for row in rows],
            photo_hashes=[self.photo_hashes[row] for row in rows],
            problems=_taken(self.problems, rows),
            quality=_taken(self.quality, rows),
        )


@dataclass(frozen=True)
class Embedder:
    """Two encoders and a cache.

    Parameters
    ----------
    cache
        None embeds everything anew.
    progress
        Show a bar with rate and time left on standard error, if that is a terminal.
    """

    photos: ImageEncoder
    texts: TextEncoder
    cache: EmbeddingCache | None = None
    limits: PhotoLimits = field(default_factory=PhotoLimits)
    progress: bool = False

    def embed(
        self, listings: Sequence[Listing], *, description: bool = True, quality: bool = False
    ) -> Embedded:
        """Embed what listings have; nothing is raised for one bad photo.

        Parameters
        ----------
        quality
            Measure the photos as well, while they are decoded.
        """
        titles = [clean_text(listing.title) for listing in listings]
        described = [clean_text(listing.description) if description else "" for listing in listings]
        encoding = Encoding(self.cache, self.progress)
        images = [listing.image for listing in listings]
        photos = embed_photos(images, self.photos, self.limits, encoding, quality=quality)
        return Embedded(
            photo=photos.view,
            title=embed_texts(titles, self.texts, encoding, "titles"),
            description=embed_texts(described, self.texts, encoding, "descriptions"),
            titles=titles,
            descriptions=described,
            photo_hashes=photos.hashes,
            problems=photos.problems,
            quality=photos.quality,
        )

    def select_runtime(self) -> None:
        """Choose each encoder's runtime now: for a server, which shouldn't stop for it later."""
        for encoder in (self.photos, self.texts):
            if isinstance(encoder, PhotoEncoder | SentenceEncoder):
                encoder.engine.select_runtime()


def set_problems_aside(catalog: Catalog, embedded: Embedded) -> tuple[Catalog, Embedded]:
    """Reject the rows whose photo couldn't be used."""
    if not embedded.problems:
        return catalog, embedded
    good = [row for row in range(len(catalog.listings)) if row not in embedded.problems]
    reasons = {
        catalog.rows[row]: f"unusable photo: {why}" for row, why in embedded.problems.items()
    }
    return catalog.reject(reasons), embedded.take(good)


def load_embedder(
    config: Config,
    *,
    device: str,
    cache: EmbeddingCache | None,
    limits: PhotoLimits,
    progress: bool,
    runtime: Runtime = "auto",
) -> Embedder:
    """Load both encoders as configured.

    Parameters
    ----------
    runtime
        What computes them: ``auto`` (the fastest here), ``torch``, ``onnxruntime``, ``openvino``.

    Raises
    ------
    WeightsError
        If weights can't be had, within 20 s.
    RuntimeUnusableError
        If a runtime was asked for by name, and can't run them.
    """
    device = pick_device(device)
    image, text = config.image, config.text
    photos = PhotoEncoder.load(
        image.weights,
        side_px=image.side_px,
        crop_mode=image.crop_mode,
        decode=image.decode,
        device=device,
        precision=pick_precision(image.precision, device),
        runtime=runtime,
    )
    texts = SentenceEncoder.load(
        text.weights,
        device=device,
        precision=pick_precision(text.precision, device),
        runtime=runtime,
    )
    return Embedder(photos, texts, cache, limits, progress)


def _taken(values: Mapping[int, T], rows: Sequence[int]) -> dict[int, T]:
    return {place: values[row] for place, row in enumerate(rows) if row in values}
