"""Listings to embeddings: each photo and text is read once, encoded once, and remembered."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..catalog.catalog import Catalog
from ..catalog.in_memory import tidied
from ..catalog.listing import Listing
from ..core.cache import EmbeddingCache
from ..core.config import Config
from ..fusion.views import View
from ..text.clean import clean_text
from ..text.encoder import SentenceEncoder
from ..vision.encoder import PhotoEncoder
from .encoders import ImageEncoder, TextEncoder
from .encoding import as_view, encode_new, known, progress_bar
from .further_photos import embed_all_photos
from .listings import EmbeddedListings
from .run_options import UNDECIDED, RunOptions


@dataclass(frozen=True)
class Embedder:
    """Two encoders, and the options that they run with."""

    photos: ImageEncoder
    texts: TextEncoder
    options: RunOptions = field(default_factory=RunOptions)

    def embed(
        self, listings: Sequence[Listing], *, description: bool = True, quality: bool = False
    ) -> EmbeddedListings:
        """Embed what listings have; nothing is raised for one bad photo or field.

        A main photo that can't be used gives way to the first further one that can.

        Fields may be what a table says: NaN for missing, numbers as ids; see `tidied`.

        Parameters
        ----------
        quality
            Measure the photos as well, while they are decoded.
        """
        listings, defects = tidied(listings)
        titles = [clean_text(listing.title) for listing in listings]
        described = [clean_text(listing.description) if description else "" for listing in listings]
        listings, photos, further = embed_all_photos(
            listings, self.photos, self.options, quality=quality
        )
        return EmbeddedListings(
            listings=listings,
            photo=photos.view,
            title=embed_texts(titles, self.texts, self.options, "titles"),
            description=embed_texts(described, self.texts, self.options, "descriptions"),
            photo_hashes=photos.hashes,
            titles=titles,
            descriptions=described,
            problems={**photos.problems, **defects},
            quality=photos.quality,
            further=further,
        )

    def embed_catalog(
        self, catalog: Catalog, *, description: bool = True, quality: bool = False
    ) -> tuple[Catalog, EmbeddedListings]:
        """Embed a catalogue, and set aside the rows whose photo can't be used.

        Or leave those photos out, where the catalogue says so and there is a title.

        Returns
        -------
        Catalog, EmbeddedListings
            Row by row the same listings; the catalogue knows the others with their reasons.
        """
        embedded = self.embed(catalog.listings, description=description, quality=quality)
        if any(listing.more_images for listing in catalog.listings):  # one may be the main one now
            catalog = replace(catalog, listings=tuple(embedded.listings))
        if catalog.on_photo_error == "title":
            embedded = embedded.by_title()
            catalog = catalog.without_photos(_reasons(catalog, embedded.left_out))
        if not embedded.problems:
            return catalog, embedded
        good = [row for row in range(len(catalog.listings)) if row not in embedded.problems]
        return catalog.reject(_reasons(catalog, embedded.problems)), embedded.take(good)

    def with_cache(self, folder: Path) -> "Embedder":
        """Remember embeddings in a folder, if they aren't remembered elsewhere."""
        cache = self.options.cache or EmbeddingCache(folder)
        return replace(self, options=replace(self.options, cache=cache))

    def select_runtime(self) -> None:
        """Choose each encoder's runtime now: for a server, which shouldn't stop for it later."""
        for encoder in (self.photos, self.texts):
            if isinstance(encoder, PhotoEncoder | SentenceEncoder):
                encoder.engine.select_runtime()


def load_photo_encoder(config: Config, options: RunOptions) -> PhotoEncoder:
    """Load the photo encoder alone; see `load_embedder`."""
    image, run = config.image, options.resolved(config.image.precision)
    return PhotoEncoder.load(
        image.weights,
        side_px=image.side_px,
        crop_mode=UNDECIDED if image.crop_mode == "auto" else image.crop_mode,
        decode=image.decode,
        device=run.device,
        precision=run.precision,
        runtime=options.runtime,
    )


def _reasons(catalog: Catalog, problems: Mapping[int, str]) -> dict[int, str]:
    return {catalog.rows[row]: f"unusable photo: {why}" for row, why in problems.items()}


def load_embedder(config: Config, options: RunOptions) -> Embedder:
    """Load both encoders as configured.

    Raises
    ------
    WeightsError
        If weights can't be had, within 20 s.
    RuntimeUnusableError
        If a runtime was asked for by name, and can't run them.
    """
    text = config.text
    text_run = options.resolved(text.precision)
    photos = load_photo_encoder(config, options)
    texts = SentenceEncoder.load(
        text.weights,
        device=text_run.device,
        precision=text_run.precision,
        runtime=options.runtime,
    )
    return Embedder(photos, texts, options)


def embed_texts(texts: Sequence[str], encoder: TextEncoder, options: RunOptions, what: str) -> View:
    """Embed cleaned texts; an empty one is missing.

    Parameters
    ----------
    what
        They are, for the progress bar.
    """
    keys = [hashlib.sha256(text.encode()).hexdigest() if text else None for text in texts]
    text_of = {key: text for key, text in zip(keys, texts, strict=True) if key}
    space = encoder.fingerprint
    found = known(text_of, space, options.cache, encoder.dim)
    fresh = [(key, text) for key, text in text_of.items() if key not in found]
    fresh.sort(key=lambda item: len(item[1]))  # batches of like length waste no padding
    with progress_bar(what, len(text_of), len(found), shown=options.progress) as bar:
        found |= encode_new(fresh, encoder.encode, space, options.cache, bar)
    return as_view(keys, found, encoder.dim)
