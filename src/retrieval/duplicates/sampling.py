"""Pairs to learn from: edited copies of a catalogue's photos, and its own look-alikes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image
from tqdm import tqdm

from ...core.arrays import Bools, Floats, Ints
from ...core.errors import CalibrationError, PhotoError
from ...embedding.listings import EmbeddedListings
from ...vision.load import PhotoLimits, decode_photo
from .candidates import near_pairs
from .edits import EDITS, chain, encode_jpeg, other_colour
from .pair_model import PairModel
from .photo_detail import PhotoDetail, load_detail
from .photo_match import FEATURES, match_photos

MIN_PHOTOS = 10
LOOK_ALIKES = 4  # neighbours that each copy is compared with
SURELY_COPIES = 0.97
EDITED_PX = 800  # larger photos are shrunk before they are edited


@dataclass(frozen=True, slots=True)
class PairSample:
    """Pairs of photos of which it is known whether they are copies.

    Features have shape ``(n_pairs, 9)``, see `photo_match.FEATURES`; `sources` names the photo that
    each pair comes from, to keep its pairs together.
    """

    features: Floats
    copies: Bools
    sources: Ints


def sample_pairs(
    embedded: EmbeddedListings,
    prior: PairModel | None,
    n_sources: int,
    n_edits: int,
    limits: PhotoLimits,
    *,
    progress: bool = False,
) -> PairSample:
    """Make copies of some photos, and compare them with their originals and with look-alikes.

    Look-alikes are the nearest neighbours, and the photo itself in another colour.
    Neighbours that may be duplicates nobody has marked are left out: the same title, or copies by
    all that the prior knows.
    """
    rng = np.random.default_rng(0)
    photos = [rows[0] for rows in embedded.distinct_photos()]
    if len(photos) < MIN_PHOTOS:
        raise CalibrationError(
            f"Fitting the duplicate model needs {MIN_PHOTOS} distinct photos or more, got "
            f"{len(photos)}. Use the model that comes with Shelfsure."
        )
    near = _neighbours(embedded.photo_vectors(photos), LOOK_ALIKES)
    drawn = rng.permutation(len(photos))[:n_sources]
    features: list[Floats] = []
    copies: list[bool] = []
    sources: list[int] = []
    for source in tqdm(drawn, desc="Learning duplicates", disable=None if progress else True):
        row = photos[source]
        try:
            image, original = _load(embedded, row, limits)
        except PhotoError:
            continue
        edited = [_detail(copy, rng, limits) for copy in _copies(image, n_edits, rng)]
        recoloured = [other_colour(image, rng) for _ in range(n_edits // 4)]
        others = [_detail(copy, rng, limits) for copy in recoloured if copy is not None]
        neighbours = [photos[number] for number in near[source]]
        look_alikes = list(_look_alikes(embedded, row, original, neighbours, prior, limits))
        for copy in edited:
            features.append(match_photos(copy, original).features)
            features += [match_photos(copy, other).features for other in look_alikes]
            copies += [True] + [False] * len(look_alikes)
        features += [match_photos(other, original).features for other in look_alikes + others]
        copies += [False] * len(look_alikes + others)
        sources += [int(source)] * (len(copies) - len(sources))
    return PairSample(
        np.array(features).reshape(-1, len(FEATURES)),
        np.array(copies, dtype=bool),
        np.array(sources),
    )


def _load(
    embedded: EmbeddedListings, row: int, limits: PhotoLimits
) -> tuple[Image.Image, PhotoDetail]:
    source = embedded.listings[row].image or b""
    image = decode_photo(source, min_side_px=EDITED_PX, **vars(limits)).image
    image.thumbnail((EDITED_PX, EDITED_PX))
    return image, load_detail(source, limits)


def _copies(image: Image.Image, n_edits: int, rng: np.random.Generator) -> Iterator[Image.Image]:
    """Make copies: half of them by one edit, half by two after each other."""
    single = [EDITS[str(name)] for name in rng.permutation(list(EDITS))]
    for number in range(n_edits):
        edit = chain if number % 2 else single[number // 2 % len(single)]
        yield edit(image, rng)


def _detail(image: Image.Image, rng: np.random.Generator, limits: PhotoLimits) -> PhotoDetail:
    return load_detail(encode_jpeg(image, int(rng.integers(60, 95))), limits)


def _look_alikes(
    embedded: EmbeddedListings,
    row: int,
    original: PhotoDetail,
    neighbours: Sequence[int],
    prior: PairModel | None,
    limits: PhotoLimits,
) -> Iterator[PhotoDetail]:
    title = (embedded.listings[row].title or "").casefold().split()
    for other in neighbours:
        listing = embedded.listings[other]
        if listing.image is None or (title and (listing.title or "").casefold().split() == title):
            continue
        try:
            detail = load_detail(listing.image, limits)
        except PhotoError:
            continue
        features = match_photos(original, detail).features[None, :]
        if prior is None or prior.probabilities(features)[0] < SURELY_COPIES:
            yield detail


def _neighbours(vectors: Floats, n_neighbours: int) -> list[list[int]]:
    """List the nearest other photos of each, the nearest first."""
    near = near_pairs([vectors], n_neighbours=n_neighbours, min_similarity=-1.0)
    found: list[list[tuple[float, int]]] = [[] for _ in vectors]
    for (a, b), similarity in zip(near.rows.tolist(), near.similarity.tolist(), strict=True):
        found[a].append((-similarity, b))
        found[b].append((-similarity, a))
    return [[row for _, row in sorted(pairs)[:n_neighbours]] for pairs in found]
