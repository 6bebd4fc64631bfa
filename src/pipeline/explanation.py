"""Why a listing got its category: where on the photo, which words, and what each part says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from ..catalog.listing import SEPARATOR, Listing
from ..core.arrays import Floats
from ..core.errors import ExplanationError, PhotoError
from ..embedding.listings import EmbeddedListings
from ..fusion.classifier import FusionClassifier, LateFusion
from ..fusion.parts_game import PartsGame
from ..fusion.views import DESCRIPTION, PHOTO, TITLE, modality, patterns, restrict
from ..text.contributions import WordContributions, word_contributions
from ..vision.gradcam import category_heatmap, over_photo
from ..vision.load import DecodedPhoto, decode_photo, photo_bytes
from .account import Account
from .account_details import N_PIECES, text_variants, with_details
from .decision import TOP_K
from .pipeline import ListingPipeline

Pixels: TypeAlias = npt.NDArray[np.uint8]
FUSED = "fused"
N_NAMED = 20
"""Categories that are named where one is unknown."""
PHOTO_PX = 640
"""The longer side of the photo that an explanation shows; smaller ones stay as they are."""


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
    account
        What each part adds to the answer, and each word and region if that was asked for.
    title, description
        Words, and how the fused answer changes when one is left out.
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
    account: Account
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
    pipeline: ListingPipeline,
    listing: Listing,
    category: str | None = None,
    *,
    details: bool = False,
    progress: bool = False,
) -> Explanation:
    """Explain what the pipeline sees in a listing.

    The probabilities are those of the verdict. What is out of catalogue, duplicates and categories
    that are known by name only have their reasons in the verdict.

    Parameters
    ----------
    category
        One of ``pipeline.class_names``; None explains the most probable one.
    details, progress
        As for `account_listing`.

    Raises
    ------
    PhotoError
        If the photo can't be used.
    ExplanationError
        If the category isn't a trained one, or the listing has neither a photo nor a title.
    """
    embedded, game = _game(pipeline, listing, category)
    names, column = pipeline.class_names, game.column
    predictions = pipeline.predict_views(game.views)
    fused = predictions.probabilities[0]
    shown = [int(place) for place in np.argsort(-fused, kind="stable")[:TOP_K]]
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
        account=_account(pipeline, embedded, game, details=details, progress=progress),
        title=_explain_text(pipeline, embedded, game, TITLE),
        description=_explain_text(pipeline, embedded, game, DESCRIPTION),
        photo=photo,
        heatmap=heatmap,
        no_heatmap=no_heatmap,
    )


def account_listing(
    pipeline: ListingPipeline,
    listing: Listing,
    category: str | None = None,
    *,
    details: bool = False,
    progress: bool = False,
) -> Account:
    """Account for the log-odds of a listing's answer: what photo, title and description add.

    As `explain_listing`, which has this with all else, raises and chooses the category.

    Parameters
    ----------
    details
        Also what words and regions of the photo add: some hundred texts and photos are encoded
        for it, at most as many as `account_details.N_ASKED` says.
    progress
        Show how far that is.
    """
    embedded, game = _game(pipeline, listing, category)
    return _account(pipeline, embedded, game, details=details, progress=progress)


def _game(
    pipeline: ListingPipeline, listing: Listing, category: str | None
) -> tuple[EmbeddedListings, PartsGame]:
    """Embed a listing, and ask about its category by every set of its parts."""
    names = pipeline.class_names
    if category is not None and category not in names:
        raise ExplanationError(
            f"An explanation needs one of the {len(names)} trained categories, got {category!r}. "
            f"Choose one, or none for the most probable. {_nearest_first(category, names)}"
        )
    embedded = pipeline.embedder.embed([listing], description=pipeline.config.description)
    if embedded.problems:
        raise PhotoError(embedded.problems[0])
    views = pipeline.views(embedded)
    if not patterns(restrict(views, pipeline.modalities))[0] & {PHOTO, TITLE}:
        raise ExplanationError(
            "An explanation needs a photo or a title, but the listing has neither."
        )
    if category is None:
        column = int(pipeline.classifier.log_probabilities(views)[0].argmax())
    else:
        column = names.index(category)
    return embedded, PartsGame.of(pipeline.classifier, views, column)


def _nearest_first(said: str, names: Sequence[str]) -> str:
    """List categories, those first that are spelled like what was said, or end like it."""

    def likeness(name: str) -> float:
        ways = (name.casefold(), name.rpartition(SEPARATOR)[2].casefold())
        return max(SequenceMatcher(None, way, said.casefold()).ratio() for way in ways)

    shown = sorted(names, key=likeness, reverse=True)[:N_NAMED]
    n_more = len(names) - len(shown)
    more = f"; and {n_more:,} more" if n_more else ""
    return f"The nearest first: {'; '.join(shown)}{more}."


def _account(
    pipeline: ListingPipeline,
    embedded: EmbeddedListings,
    game: PartsGame,
    *,
    details: bool,
    progress: bool,
) -> Account:
    account = Account.of(pipeline.class_names[game.column], game)
    if not details:
        return account
    known = (pipeline.embedder, pipeline.tfidf, embedded)
    return with_details(account, game, *known, progress=progress)


def _explain_text(
    pipeline: ListingPipeline, embedded: EmbeddedListings, game: PartsGame, part: str
) -> WordContributions:
    """Leave out each word of a title (or description) in turn, all else being the same."""
    others = frozenset(game.players) - {part}

    def answer(texts: Sequence[str]) -> Floats:
        variants = text_variants(pipeline.embedder, pipeline.tfidf, embedded, part, texts)
        return game.odds(part, variants, others)

    text = (embedded.titles if part == TITLE else embedded.descriptions)[0]
    return word_contributions(text, answer, max_pieces=N_PIECES[part])


def _explain_photo(
    pipeline: ListingPipeline, listing: Listing, column: int
) -> tuple[Pixels | None, Floats | None, str]:
    """Give the photo as shown, its heatmap, and why there is none."""
    if listing.image is None:
        return None, None, "The listing has no photo."
    encoder, limits = pipeline.embedder.photos, pipeline.embedder.options.limits
    decoded = _decoded(pipeline, listing.image)
    photo = _shown(decoded)
    coefficients = photo_coefficients(pipeline.classifier)
    if coefficients is None:
        return photo, None, "This bundle has no expert that judges the photo by itself."
    pixels = encoder.prepare(encoder.decode(listing.image, limits))
    heat = category_heatmap(encoder, pixels, coefficients, column)
    if heat is None:
        return photo, None, "The photo encoder keeps no map of where on the photo it sees what."
    preprocessing = encoder.preprocessing  # type: ignore[attr-defined]
    original_px, shown_px = (decoded.width_px, decoded.height_px), (photo.shape[1], photo.shape[0])
    return photo, over_photo(heat, preprocessing, original_px, shown_px), ""


def shown_photo(pipeline: ListingPipeline, listing: Listing) -> Pixels | None:
    """Give a listing's photo as explanations show it; None without one."""
    return None if listing.image is None else _shown(_decoded(pipeline, listing.image))


def _decoded(pipeline: ListingPipeline, image: str | Path | bytes) -> DecodedPhoto:
    limits = pipeline.embedder.options.limits
    return decode_photo(
        photo_bytes(image),
        max_pixels=limits.max_pixels,
        allow_truncated=limits.allow_truncated,
        min_side_px=PHOTO_PX,
        longer_side=True,
    )


def photo_coefficients(classifier: FusionClassifier) -> Floats | None:
    """Sum up the photo's experts, each as much as it counts where there is only a photo."""
    if not isinstance(classifier, LateFusion):
        head = classifier.heads.get(PHOTO)
        return None if head is None else head.array
    weights = classifier.weights_for(frozenset({PHOTO}))
    heads = {name: head for name, head in classifier.heads.items() if modality(name) == PHOTO}
    if not heads:
        return None
    own = [weights[name] / head.temperature * head.array for name, head in heads.items()]
    return np.asarray(np.sum(own, axis=0), dtype=np.float32)


def _shown(photo: DecodedPhoto) -> Pixels:
    scale = min(1.0, PHOTO_PX / max(photo.width_px, photo.height_px))
    size = (max(1, round(photo.width_px * scale)), max(1, round(photo.height_px * scale)))
    return np.array(photo.image.resize(size, Image.Resampling.BICUBIC, box=photo.box))
