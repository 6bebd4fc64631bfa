"""Listings to embeddings: each photo and text is read once, encoded once, and remembered."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from .arrays import Floats
from .cache import EmbeddingCache
from .config import Config
from .device import pick_device, pick_precision
from .errors import PhotoError
from .fusion.views import View
from .listings.catalog import Catalog
from .listings.listing import Listing
from .reading_ahead import ahead, batches, threads
from .runtimes.names import Runtime
from .text.clean import clean_text
from .text.encoder import SentenceEncoder
from .vision.encoder import PhotoEncoder, PhotoLimits
from .vision.load import photo_bytes

T = TypeVar("T")
R = TypeVar("R")
if TYPE_CHECKING:
    Bar: TypeAlias = tqdm[Any]
Square: TypeAlias = npt.NDArray[np.uint8]
BATCH = 32
WRITE_EVERY = 256


class TextEncoder(Protocol):
    """Anything that turns cleaned texts into unit vectors."""

    dim: int
    fingerprint: str

    def encode(self, items: Sequence[str]) -> Floats:
        """Shape ``(n, dim)``, float32, unit length."""
        ...


class ImageEncoder(Protocol):
    """Anything that turns photos into unit vectors: threads prepare, a model encodes."""

    dim: int
    fingerprint: str

    def prepare(self, source: Any, limits: PhotoLimits) -> Square:
        """Decode one photo, or raise PhotoError."""
        ...

    def encode(self, items: Sequence[Square]) -> Floats:
        """Shape ``(n, dim)``, float32, unit length."""
        ...


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
    """

    photo: View
    title: View
    description: View
    titles: list[str]
    descriptions: list[str]
    photo_hashes: list[str | None]
    problems: dict[int, str]

    def take(self, rows: Sequence[int]) -> "Embedded":
        """Keep some rows, in this order."""
        return Embedded(
            photo=self.photo.take(rows),
            title=self.title.take(rows),
            description=self.description.take(rows),
            titles=[self.titles[row] for row in rows],
            descriptions=[self.descriptions[row] for row in rows],
            photo_hashes=[self.photo_hashes[row] for row in rows],
            problems={
                place: self.problems[row] for place, row in enumerate(rows) if row in self.problems
            },
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

    def embed(self, listings: Sequence[Listing], *, description: bool = True) -> Embedded:
        """Embed what listings have; nothing is raised for one bad photo."""
        titles = [clean_text(listing.title) for listing in listings]
        described = [clean_text(listing.description) if description else "" for listing in listings]
        photo, hashes, problems = self._embed_photos([listing.image for listing in listings])
        return Embedded(
            photo=photo,
            title=self._embed_texts(titles, "titles"),
            description=self._embed_texts(described, "descriptions"),
            titles=titles,
            descriptions=described,
            photo_hashes=hashes,
            problems=problems,
        )

    def settle(self) -> None:
        """Choose each encoder's runtime now: for a server, which shouldn't stop for it later."""
        for encoder in (self.photos, self.texts):
            if isinstance(encoder, PhotoEncoder | SentenceEncoder):
                encoder.engine.settle()

    def _embed_photos(
        self, sources: Sequence[Any]
    ) -> tuple[View, list[str | None], dict[int, str]]:
        """Hash every photo, look the hashes up, encode what is new; equal photos once."""
        space = f"{self.photos.fingerprint}|{self.limits}"
        hashes: list[str | None] = [None] * len(sources)
        problems: dict[int, str] = {}
        rows_of: dict[str, list[int]] = {}
        there = [row for row, source in enumerate(sources) if source is not None]
        with threads() as pool:
            digests = ahead(pool, lambda row: _sha256(sources[row]), there)
            for row, digest in zip(there, digests, strict=True):
                if isinstance(digest, PhotoError):
                    problems[row] = str(digest)
                else:
                    hashes[row] = digest
                    rows_of.setdefault(digest, []).append(row)
            found = self.cache.read(space, list(rows_of)) if self.cache else {}
            fresh = [digest for digest in rows_of if digest not in found]
            squares = ahead(
                pool, lambda d: self.photos.prepare(sources[rows_of[d][0]], self.limits), fresh
            )

            def good() -> Iterator[tuple[str, Square]]:
                for digest, outcome in zip(fresh, squares, strict=True):
                    if isinstance(outcome, PhotoError):
                        problems.update(dict.fromkeys(rows_of[digest], str(outcome)))
                    else:
                        yield digest, outcome

            with self._bar("photos", total=len(rows_of), initial=len(found)) as bar:
                found |= self._encode_new(self.photos.encode, good(), space, bar)
        view = _view(hashes, found, self.photos.dim)
        seen: frozenset[str] = getattr(self.photos, "seen", frozenset())
        if seen:  # by a fine-tuned encoder
            view = replace(view, familiar=np.array([digest in seen for digest in hashes]))
        return view, hashes, problems

    def _embed_texts(self, texts: Sequence[str], what: str) -> View:
        keys = [hashlib.sha256(text.encode()).hexdigest() if text else None for text in texts]
        text_of = {key: text for key, text in zip(keys, texts, strict=True) if key}
        space = self.texts.fingerprint
        found = self.cache.read(space, list(text_of)) if self.cache else {}
        fresh = [(key, text) for key, text in text_of.items() if key not in found]
        fresh.sort(key=lambda item: len(item[1]))  # batches of like length waste no padding
        with self._bar(what, total=len(text_of), initial=len(found)) as bar:
            found |= self._encode_new(self.texts.encode, fresh, space, bar)
        return _view(keys, found, self.texts.dim)

    def _encode_new(
        self,
        encode: Callable[[list[Any]], Floats],
        items: Iterable[tuple[str, Any]],
        space: str,
        bar: "Bar",
    ) -> dict[str, Floats]:
        """Encode in batches as they come (photos are decoded meanwhile); write now and then."""
        new: dict[str, Floats] = {}
        unwritten: dict[str, Floats] = {}
        try:
            for batch in batches(items, BATCH):
                vectors = encode([item for _, item in batch])
                unwritten.update(zip((key for key, _ in batch), vectors, strict=True))
                bar.update(len(batch))
                if len(unwritten) >= WRITE_EVERY:
                    new |= self._written(unwritten, space)
                    unwritten = {}
        finally:  # what was done before Ctrl-C is kept
            new |= self._written(unwritten, space)
        return new

    def _written(self, vectors: dict[str, Floats], space: str) -> dict[str, Floats]:
        if self.cache and vectors:
            self.cache.write(space, vectors)
        return vectors

    def _bar(self, what: str, total: int, initial: int) -> "Bar":
        """Show a bar only where there is work to watch."""
        hidden = None if self.progress and initial < total else True
        return tqdm(total=total, initial=initial, desc=f"Embedding {what}", disable=hidden)


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


def _view(keys: Sequence[str | None], vectors: dict[str, Floats], dim: int) -> View:
    features = np.zeros((len(keys), dim), dtype=np.float32)
    present = np.zeros(len(keys), dtype=bool)
    for row, key in enumerate(keys):
        if key is not None and key in vectors:
            features[row], present[row] = vectors[key], True
    return View(features, present)


def _sha256(source: Any) -> str:
    return hashlib.sha256(photo_bytes(source)).hexdigest()
