"""Why a listing got its category: where on the photo, which words, and what each part says."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.special import logsumexp

from ..catalog.listing import Listing
from ..core.arrays import Floats
from ..core.errors import PhotoError
from ..embedding.listings import EmbeddedListings
from ..fusion.classifier import FusionClassifier, LateFusion
from ..fusion.views import DESCRIPTION, PHOTO, TITLE, View, modality
from ..text.contributions import MAX_PIECES, WordContributions, word_contributions
from ..vision.gradcam import category_heatmap, over_photo
from ..vision.load import DecodedPhoto, decode_photo, photo_bytes
from .decision import TOP_K
from .pipeline import ListingPipeline

Pixels: TypeAlias = npt.NDArray[np.uint8]
FUSED = "fused"
PHOTO_PX = 640
"""The longer side of the photo that an explanation shows; smaller ones stay as they are."""
DESCRIPTION_PIECES = 8
"""Fewer than for titles: a description takes the encoder some ten times as long."""


@dataclass(frozen=True)
class Explanation:
    """What speaks for one category.

    Parameters
    ----------
    category
        The category that is explained.
    categories
        The best categories of the fused answer, most probable first; `category` is among them.
    probabilities
        What each part alone says, and the fused answer: ``photo``, ``title``, ``description``
        (those that are there) and ``fused`` -> one probability for each of `categories`.
    title, description
        Words and their contributions to the fused answer.
    photo
        Shape ``(height, width, 3)``, upright RGB; None if there is none.
    heatmap
        Shape ``(height, width)``, 0 to 1: where the photo speaks for `category`, 1 at its hottest
        point, 0 where it doesn't or the model doesn't look. It tells where, not how much.
    no_heatmap
        Why there is no heatmap; empty if there is one.
    """

    category: str
    categories: tuple[str, ...]
    probabilities: Mapping[str, tuple[float, ...]]
    title: WordContributions
    description: WordContributions
    photo: Pixels | None = None
    heatmap: Floats | None = None
    no_heatmap: str = ""

    def table(self) -> list[dict[str, str | float]]:
        """Lay the probabilities side by side: one row a category, one column a part."""
        return [
            {"category": name, **{part: row[place] for part, row in self.probabilities.items()}}
            for place, name in enumerate(self.categories)
        ]


def explain_listing(
    pipeline: ListingPipeline, listing: Listing, category: str | None = None
) -> Explanation:
    """Explain what the pipeline sees in a listing.

    The probabilities are those of the verdict. What is out of catalogue, duplicates and categories
    that are known by name only have their reasons in the verdict.

    Parameters
    ----------
    category
        One of ``pipeline.class_names``; None explains the most probable one.

    Raises
    ------
    PhotoError
        If the photo can't be used.
    ValueError
        If the category isn't a trained one, or the listing has neither a photo nor a title.
    """
    names = pipeline.class_names
    if category is not None and category not in names:
        raise ValueError(
            f"An explanation needs one of the {len(names)} trained categories, got {category!r}. "
            "Choose one, or none for the most probable."
        )
    embedded = pipeline.embedder.embed([listing], description=pipeline.config.description)
    if embedded.problems:
        raise PhotoError(embedded.problems[0])
    predictions = pipeline.predict_views(pipeline.views(embedded))
    if not predictions.present[0] & {PHOTO, TITLE}:
        raise ValueError("An explanation needs a photo or a title, but the listing has neither.")
    fused = predictions.probabilities[0]
    order = np.argsort(-fused, kind="stable")
    column = int(order[0]) if category is None else names.index(category)
    shown = [int(place) for place in order[:TOP_K]]
    shown += [column] if column not in shown else []
    answers = {part: p[0] for part, p in predictions.by_modality.items()}
    answers = {part: p for part, p in answers.items() if part in predictions.present[0]}
    photo, heatmap, no_heatmap = _explain_photo(pipeline, listing, column)
    return Explanation(
        category=names[column],
        categories=tuple(names[place] for place in shown),
        probabilities={
            part: tuple(float(p[place]) for place in shown)
            for part, p in (answers | {FUSED: fused}).items()
        },
        title=_explain_text(pipeline, embedded, TITLE, column),
        description=_explain_text(pipeline, embedded, DESCRIPTION, column),
        photo=photo,
        heatmap=heatmap,
        no_heatmap=no_heatmap,
    )


def log_odds(log_probabilities: Floats, column: int) -> Floats:
    """Turn log-probabilities, shape ``(n, K)``, into one category's log-odds, ``(n,)``, in nats."""
    others = np.delete(log_probabilities, column, axis=1)
    return np.asarray(log_probabilities[:, column] - logsumexp(others, axis=1))


def _explain_text(
    pipeline: ListingPipeline, embedded: EmbeddedListings, part: str, column: int
) -> WordContributions:
    text = (embedded.titles if part == TITLE else embedded.descriptions)[0]
    answer = _answer_to(pipeline, embedded, part, column)
    limit = MAX_PIECES if part == TITLE else DESCRIPTION_PIECES
    return word_contributions(text, answer, max_pieces=limit)


def _answer_to(
    pipeline: ListingPipeline, embedded: EmbeddedListings, part: str, column: int
) -> Callable[[Sequence[str]], Floats]:
    """Answer for other titles (or descriptions) of one listing, all else being the same."""

    def answer(texts: Sequence[str]) -> Floats:
        # past the cache: nobody will ask for a text with a word missing again
        there = np.array([bool(text) for text in texts])
        vectors = np.zeros((len(texts), pipeline.embedder.texts.dim), dtype=np.float32)
        vectors[there] = pipeline.embedder.texts.encode([text for text in texts if text])
        copies = embedded.take([0] * len(texts))
        view = View(vectors, there)
        if part == TITLE:
            copies = replace(copies, title=view, titles=list(texts))
        else:
            copies = replace(copies, description=view, descriptions=list(texts))
        return log_odds(pipeline.classifier.log_probabilities(pipeline.views(copies)), column)

    return answer


def _explain_photo(
    pipeline: ListingPipeline, listing: Listing, column: int
) -> tuple[Pixels | None, Floats | None, str]:
    """Give the photo as shown, its heatmap, and why there is none."""
    if listing.image is None:
        return None, None, "The listing has no photo."
    encoder, limits = pipeline.embedder.photos, pipeline.embedder.options.limits
    decoded = decode_photo(
        photo_bytes(listing.image),
        max_pixels=limits.max_pixels,
        allow_truncated=limits.allow_truncated,
        min_side_px=PHOTO_PX,
        longer_side=True,
    )
    photo = _shown(decoded)
    coefficients = _photo_coefficients(pipeline.classifier)
    if coefficients is None:
        return photo, None, "This bundle has no expert that judges the photo by itself."
    pixels = encoder.prepare(encoder.decode(listing.image, limits))
    heat = category_heatmap(encoder, pixels, coefficients, column)
    if heat is None:
        return photo, None, "The photo encoder keeps no map of where on the photo it sees what."
    preprocessing = encoder.preprocessing  # type: ignore[attr-defined]
    original_px, shown_px = (decoded.width_px, decoded.height_px), (photo.shape[1], photo.shape[0])
    return photo, over_photo(heat, preprocessing, original_px, shown_px), ""


def _photo_coefficients(classifier: FusionClassifier) -> Floats | None:
    """Sum up the photo's experts, each as much as it counts where there is only a photo."""
    if not isinstance(classifier, LateFusion):
        head = classifier.heads.get(PHOTO)
        return None if head is None else head.coefficients
    weights = classifier.weights_for(frozenset({PHOTO}))
    heads = {name: head for name, head in classifier.heads.items() if modality(name) == PHOTO}
    if not heads:
        return None
    own = [weights[name] / head.temperature * head.coefficients for name, head in heads.items()]
    return np.asarray(np.sum(own, axis=0), dtype=np.float32)


def _shown(photo: DecodedPhoto) -> Pixels:
    scale = min(1.0, PHOTO_PX / max(photo.width_px, photo.height_px))
    size = (max(1, round(photo.width_px * scale)), max(1, round(photo.height_px * scale)))
    return np.array(photo.image.resize(size, Image.Resampling.BICUBIC, box=photo.box))
