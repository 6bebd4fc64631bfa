"""All families by name, and which of them a catalogue is looked at with."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import TypeAlias

from ...core.arrays import unit_rows
from ...core.config import Config
from ...core.errors import ConfigError
from ...embedding.embedder import Embedder, load_photo_encoder
from ...fusion.views import View
from ...retrieval.zero_shot.conse import ConSE
from ...retrieval.zero_shot.image_text_space import ImageTextSpace
from ...retrieval.zero_shot.load_space import CONSE, load_space
from ...text.encoder import SentenceEncoder
from .bag_of_words import BagOfWords
from .colour import colour_histogram
from .encoders import EncodedPhotos, EncodedTexts
from .family import FeatureFamily
from .gabor import gabor_energies
from .glcm import co_occurrence
from .hog import oriented_gradients
from .lbp import binary_patterns
from .pixels import DescribedPhotos, histogram_rows, standardised
from .sift_words import SiftWords
from .tfidf import TfidfWords
from .word_vectors import WordVectors
from .words import Cleaning

WHITENED = ":whitened"
PHOTOS, TITLES, DESCRIPTIONS = "photo-encoder", "sentence-encoder", "description-encoder"
CLIP = ("clip-photo", "clip-title")
FUSIONS = (
    f"{PHOTOS}+tfidf",
    f"{PHOTOS}+{TITLES}",
    f"{PHOTOS}+{TITLES}{WHITENED}",
    f"{PHOTOS}+{TITLES}+{DESCRIPTIONS}",
)
DESCRIBED = (
    DescribedPhotos("colour", colour_histogram, histogram_rows),
    DescribedPhotos("lbp", binary_patterns, histogram_rows, is_extra=True),
    DescribedPhotos("glcm", co_occurrence, standardised, is_extra=True),
    DescribedPhotos("gabor", gabor_energies, standardised),
    DescribedPhotos("hog", oriented_gradients, unit_rows, is_extra=True),
)
Factory: TypeAlias = Callable[[], FeatureFamily]
Single: TypeAlias = Callable[[str], tuple[View, float, str]]
"""Family -> its features, processor seconds a listing, modality."""


def factories(config: Config, embedder: Embedder, language: str) -> dict[str, Factory]:
    """Say how each single family is made; nothing is loaded before it is called."""
    options = embedder.options
    clean = {
        "tfidf-cased": Cleaning(lower=False),
        "tfidf-stopped": Cleaning(stop_words=False),
        "tfidf-stems": Cleaning(stems=language),
        "tfidf-stems-stopped": Cleaning(stop_words=False, stems=language),
    }

    @cache
    def space() -> ImageTextSpace:
        name = config.retrieval.image_text_space
        found = None if name == CONSE else load_space(name, embedder)
        if found is None or isinstance(found, ConSE):
            raise ConfigError(
                f"{' and '.join(CLIP)} need a CLIP model, but the configuration's "
                f"retrieval.image_text_space is {name!r}. Name an open_clip model there."
            )
        return found

    made: dict[str, Factory] = {
        "bag-of-words": BagOfWords,
        "tfidf": TfidfWords,
        **{name: partial(TfidfWords, name, own) for name, own in clean.items()},
        "word-vectors": WordVectors,
        TITLES: partial(EncodedTexts, TITLES, embedder.texts, options),
        DESCRIPTIONS: partial(EncodedTexts, DESCRIPTIONS, embedder.texts, options, "description"),
        **{each.name: partial(replace, each) for each in DESCRIBED},
        "sift": SiftWords,
        PHOTOS: partial(EncodedPhotos, PHOTOS, embedder.photos, options),
        CLIP[0]: lambda: EncodedPhotos(CLIP[0], space().photos, options),
        CLIP[1]: lambda: EncodedTexts(CLIP[1], space().texts, options),
    }
    return made


def default_names(config: Config) -> list[str]:
    """List every family there is, CLIP only where the configuration names one."""
    singles = (
        "bag-of-words,tfidf,tfidf-cased,tfidf-stopped,tfidf-stems,tfidf-stems-stopped,"
        f"word-vectors,{TITLES},{DESCRIPTIONS},colour,lbp,glcm,gabor,hog,sift,{PHOTOS}"
    ).split(",")
    clip = [] if config.retrieval.image_text_space == CONSE else [*CLIP, "+".join(CLIP)]
    return [*singles, *clip, *FUSIONS]


def split_fusion(name: str) -> tuple[list[str], bool]:
    """Read ``a+b:whitened``: the families put together, and whether they are whitened.

    >>> split_fusion("hog+tfidf:whitened")
    (['hog', 'tfidf'], True)
    """
    parts = name.removesuffix(WHITENED).split("+")
    return parts, name.endswith(WHITENED)


def check_names(names: Sequence[str], known: Sequence[str]) -> None:
    """Raise a ConfigError for a family that nobody knows, or no family at all."""
    parts = [part.partition("=")[0] for name in names for part in split_fusion(name)[0]]
    wrong = [part for part in parts if part not in known]
    if wrong or not parts:
        raise ConfigError(
            f"--families must name some of {', '.join(known)}, fusions of them (photo-encoder+"
            f"tfidf, with {WHITENED} at the end if wanted), or another model ({PHOTOS}=TIMM-NAME, "
            f"{TITLES}=MODEL), but holds {wrong[0] if wrong else 'nothing'!r}."
        )


def load_family(
    name: str, made: dict[str, Factory], config: Config, embedder: Embedder
) -> FeatureFamily:
    """Make one family; ``photo-encoder=NAME`` and ``sentence-encoder=NAME`` load another model.

    Raises
    ------
    WeightsError
        If its weights can't be had.
    MissingExtraError
        If what it needs isn't installed.
    """
    kind, _, weights = name.partition("=")
    if not weights:
        return made[kind]()
    options = embedder.options
    if kind == PHOTOS:
        image = config.image.model_validate({"weights": weights})
        chosen = options.applied_to(config.model_copy(update={"image": image}))
        return EncodedPhotos(name, load_photo_encoder(chosen, options), options)
    if kind in {TITLES, DESCRIPTIONS}:
        run = options.resolved(config.text.precision)
        texts = SentenceEncoder.load(
            weights, device=run.device, precision=run.precision, runtime=options.runtime
        )
        given = made[kind]()
        return replace(given, name=name, encoder=texts)  # type: ignore[type-var]
    raise ConfigError(f"Only encoders take another model, but {kind} isn't one: {name!r}.")
