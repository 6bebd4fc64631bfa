"""Listings to embeddings: each photo and text is read once, encoded once, and remembered."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..catalog.catalog import Catalog
from ..catalog.listing import Listing
from ..core.cache import EmbeddingCache
from ..core.config import Config
from ..core.device import Runtime, pick_device, pick_precision
from ..fusion.views import View
from ..text.clean import clean_text
from ..text.encoder import SentenceEncoder
from ..vision.encoder import PhotoEncoder
from ..vision.load import PhotoLimits
from .encoders import ImageEncoder, TextEncoder
from .encoding import Encoding, as_view
from .listings import EmbeddedListings
from .photos import embed_photos


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
    ) -> EmbeddedListings:
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
        return EmbeddedListings(
            listings=listings,
            photo=photos.view,
            title=embed_texts(titles, self.texts, encoding, "titles"),
            description=embed_texts(described, self.texts, encoding, "descriptions"),
            photo_hashes=photos.hashes,
            titles=titles,
            descriptions=described,
            problems=photos.problems,
            quality=photos.quality,
        )

    def embed_catalog(
        self, catalog: Catalog, *, description: bool = True
    ) -> tuple[Catalog, EmbeddedListings]:
        """Embed a catalogue, and set aside the rows whose photo can't be used.

        Returns
        -------
        Catalog, EmbeddedListings
            Row by row the same listings; the catalogue knows the others with their reasons.
        """
        embedded = self.embed(catalog.listings, description=description)
        if not embedded.problems:
            return catalog, embedded
        good = [row for row in range(len(catalog.listings)) if row not in embedded.problems]
        reasons = {
            catalog.rows[row]: f"unusable photo: {why}" for row, why in embedded.problems.items()
        }
        return catalog.reject(reasons), embedded.take(good)

    def select_runtime(self) -> None:
        """Choose each encoder's runtime now: for a server, which shouldn't stop for it later."""
        for encoder in (self.photos, self.texts):
            if isinstance(encoder, PhotoEncoder | SentenceEncoder):
                encoder.engine.select_runtime()


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


def embed_texts(texts: Sequence[str], encoder: TextEncoder, encoding: Encoding, what: str) -> View:
    """Embed cleaned texts; an empty one is missing.

    Parameters
    ----------
    what
        They are, for the progress bar.
    """
    keys = [hashlib.sha256(text.encode()).hexdigest() if text else None for text in texts]
    text_of = {key: text for key, text in zip(keys, texts, strict=True) if key}
    space = encoder.fingerprint
    found = encoding.known(text_of, space)
    fresh = [(key, text) for key, text in text_of.items() if key not in found]
    fresh.sort(key=lambda item: len(item[1]))  # batches of like length waste no padding
    with encoding.bar(what, total=len(text_of), initial=len(found)) as bar:
        found |= encoding.encode(fresh, encoder.encode, space, bar)
    return as_view(keys, found, encoder.dim)
