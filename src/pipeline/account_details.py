"""What words and regions of the photo are worth: Owen values, by asking about some sets of them.

Each set is one text or photo to encode, so a bound is set on how many; see `N_ASKED`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np
from tqdm import tqdm

from ..catalog.listing import Listing
from ..core.arrays import Bools, Floats
from ..embedding.embedder import Embedder
from ..embedding.listings import EmbeddedListings
from ..fusion.parts_game import PartsGame
from ..fusion.shapley import sampled_values
from ..fusion.views import DESCRIPTION, PHOTO, TITLE, View, Views
from ..text.contributions import MAX_PIECES, WordContributions, with_nats, without, word_pieces
from ..text.tfidf import Tfidf
from ..vision.regions import GRID, WHOLE, blurred, framing, region_numbers, with_regions
from .account import Account, PhotoRegions
from .features import build_views

DESCRIPTION_PIECES = 8
"""Fewer than for titles: a description takes the encoder some ten times as long."""
N_PIECES: Mapping[str, int] = {TITLE: MAX_PIECES, DESCRIPTION: DESCRIPTION_PIECES}
N_ASKED: Mapping[str, int] = {PHOTO: 256, TITLE: 256, DESCRIPTION: 64}
"""Part -> how many photos or texts are encoded for it, at most."""
BATCH = 32

Gains: TypeAlias = Callable[[Bools], Floats]


def with_details(
    account: Account,
    game: PartsGame,
    embedder: Embedder,
    tfidf: Mapping[str, Tfidf],
    embedded: EmbeddedListings,
    *,
    progress: bool = False,
) -> Account:
    """Add what words and regions are worth, for each part that the listing has.

    Parameters
    ----------
    embedded
        One listing, whose game it is.
    progress
        Show a bar for each part.
    """
    words: dict[str, WordContributions] = {}
    regions: PhotoRegions | None = None
    for part, whole in account.parts.items():
        if part == PHOTO:
            regions = region_values(game, embedder, embedded.listings[0], whole, progress=progress)
        else:
            words[part] = word_values(
                game, embedder, tfidf, embedded, part, whole, progress=progress
            )
    return replace(account, words=words, regions=regions)


def word_values(
    game: PartsGame,
    embedder: Embedder,
    tfidf: Mapping[str, Tfidf],
    embedded: EmbeddedListings,
    part: str,
    whole: float,
    *,
    progress: bool = False,
) -> WordContributions:
    """Share a text's value, `whole`, out among its words; a word that isn't there is cut out."""
    text = (embedded.titles if part == TITLE else embedded.descriptions)[0]
    pieces = word_pieces(text, N_PIECES[part])
    if not pieces:
        return WordContributions(text, ())

    def gains(kept: Bools) -> Floats:
        texts = [
            without(text, [piece for piece, stays in zip(pieces, row, strict=True) if not stays])
            for row in kept
        ]
        return game.gains(part, text_variants(embedder, tfidf, embedded, part, texts))

    ask = _in_batches(gains, f"Asking about words of the {part}", progress=progress)
    nats = sampled_values(ask, len(pieces), whole, n_asked=N_ASKED[part])
    return with_nats(text, pieces, nats)


def text_variants(
    embedder: Embedder,
    tfidf: Mapping[str, Tfidf],
    embedded: EmbeddedListings,
    part: str,
    texts: Sequence[str],
) -> Views:
    """Lay other titles (or descriptions) of one listing out as views; an empty one is missing."""
    # past the cache: nobody will ask for a text with a word missing again
    there = np.array([bool(text) for text in texts])
    vectors = np.zeros((len(texts), embedder.texts.dim), dtype=np.float32)
    if there.any():
        vectors[there] = embedder.texts.encode([text for text in texts if text])
    copies, view = embedded.take([0] * len(texts)), View(vectors, there)
    if part == TITLE:
        copies = replace(copies, title=view, titles=list(texts))
    else:
        copies = replace(copies, description=view, descriptions=list(texts))
    own = {part: tfidf[part]} if part in tfidf else {}
    return build_views(copies, own)


def region_values(
    game: PartsGame,
    embedder: Embedder,
    listing: Listing,
    whole: float,
    *,
    progress: bool = False,
) -> PhotoRegions:
    """Share a photo's value, `whole`, out among its regions; one that isn't there is blurred.

    Without any region there is no photo. What the blurred photo is worth falls to whichever region
    is there first, to each as often as to any other: that share is exact, not sampled.
    """
    encoder = embedder.photos
    photo = encoder.decode(listing.image, embedder.options.limits)
    pixels = encoder.prepare(photo)
    preprocessing = getattr(encoder, "preprocessing", None)
    size = (photo.width_px, photo.height_px)
    inside, seen = framing(preprocessing, size) if preprocessing else (WHOLE, WHOLE)
    numbers = region_numbers(len(pixels), inside)
    background = blurred(pixels, inside)
    n = GRID[0] * GRID[1]

    def gains(kept: Bools) -> Floats:
        vectors = encoder.encode(list(with_regions(pixels, background, numbers, kept)))
        return game.gains(PHOTO, {PHOTO: View(vectors, np.ones(len(kept), dtype=bool))})

    base = float(gains(np.zeros((1, n), dtype=bool))[0])
    ask = _in_batches(lambda kept: gains(kept) - base, "Asking about the photo", progress=progress)
    nats = sampled_values(ask, n, whole - base, n_asked=N_ASKED[PHOTO] - 1) + base / n
    return PhotoRegions(nats.reshape(GRID), base, seen)


def _in_batches(gains: Gains, what: str, *, progress: bool) -> Gains:
    """Ask in batches, with a bar: so that memory doesn't grow with how many are asked."""

    def ask(kept: Bools) -> Floats:
        found = []
        with tqdm(total=len(kept), desc=what, disable=None if progress else True) as bar:
            for start in range(0, len(kept), BATCH):
                found.append(gains(kept[start : start + BATCH]))
                bar.update(len(found[-1]))
        return np.concatenate(found)

    return ask
