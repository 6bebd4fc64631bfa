"""Groups of listings that are the same thing twice, so that a split can keep them together."""

import logging
import unicodedata
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.linalg import eigh
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.preprocessing import normalize

from ..core.arrays import Bools, Floats, Ints, evenly_spaced

Links = npt.NDArray[np.intp]  # shape (2, n_links): a pair of listings each

_BLOCK_SIMILARITIES = 2**24  # 64 MiB of float32 at a time
_SKETCHED_ROWS, _SKETCH_DIM = 16_384, 64  # fewer rows are compared in full at once
_ROUNDING = 1e-4  # of products in single precision, and to spare
_MAX_CANDIDATES = 1 / 64  # share of a block's pairs above which comparing all is as fast
_LOG = logging.getLogger(__name__)


def duplicate_groups(
    photo_hashes: Sequence[str | None],
    titles: Sequence[str | None],
    photo_embeddings: Floats | None,
    *,
    has_photo: Bools | None,
    min_similarity: float = 0.97,
) -> Ints:
    """Group listings that share the photo's bytes, the title, or a photo that looks the same.

    A model that saw one of them in training would have seen the other's answer. Two guards keep a
    catalogue from collapsing into one group; both report what they do to the log. A title or photo
    that more than a twentieth of the listings (and more than 10) carry, such as "gift" or "no photo
    yet", tells nothing about the product and links nobody. And where look-alikes chain more than a
    twentieth (and more than 50) into one group, as products photographed on one template do, that
    group keeps only its links by bytes and title.

    Parameters
    ----------
    photo_hashes
        A digest of each photo's bytes; ``None`` where there is no photo.
    titles
        As written; compared without regard to case, white space and Unicode form.
    photo_embeddings
        Shape ``(n_listings, n_dimensions)``; ``None`` compares bytes and titles only.
    has_photo
        Shape ``(n_listings,)``: rows of `photo_embeddings` that mean something; ``None``: all.
    min_similarity
        Cosine, above 0 and up to 1, from which on two photos look the same.

    Returns
    -------
    Ints
        Shape ``(n_listings,)``: group numbers from 0, in the order of each group's first listing.
    """
    n_listings = len(titles)
    _check_input(n_listings, photo_hashes, photo_embeddings, has_photo, min_similarity)
    max_carriers, max_group = max(10, n_listings // 20), max(50, n_listings // 20)
    exact = np.hstack(
        [
            same_key_links(photo_hashes, "photo", max_carriers),
            same_key_links([title_key(title) for title in titles], "title", max_carriers),
        ]
    )
    if photo_embeddings is None:
        return components(n_listings, exact)
    usable = np.ones(n_listings, dtype=bool) if has_photo is None else has_photo.astype(bool)
    # One look at each distinct photo: a placeholder on many listings would swamp the search.
    seen: set[str] = set()
    for place in np.flatnonzero(usable).tolist():
        digest = photo_hashes[place]
        usable[place] = digest is None or digest not in seen
        seen.update([] if digest is None else [digest])
    places = np.flatnonzero(usable)
    similar = places[similar_links(photo_embeddings[places], min_similarity)]
    groups = components(n_listings, np.hstack([exact, similar]))
    crowded = np.bincount(groups)[groups] > max_group
    if crowded[similar[0]].any():
        _LOG.warning(
            "%d listings form %d groups of more than %d through look-alike photos; "
            "those groups keep only links by the same photo bytes or title",
            crowded.sum(),
            len(np.unique(groups[crowded])),
            max_group,
        )
        similar = similar[:, ~crowded[similar[0]]]
    return components(n_listings, np.hstack([exact, similar]))


def title_key(title: str | None) -> str | None:
    """Reduce a title to what two spellings of it share; ``None`` where nothing is left."""
    return " ".join(unicodedata.normalize("NFKC", title or "").casefold().split()) or None


def same_key_links(keys: Sequence[str | None], what: str, max_carriers: int) -> Links:
    """Link each listing to the first one with the same key, unless too many carry that key."""
    carriers: dict[str, list[int]] = {}
    for place, key in enumerate(keys):
        if key is not None:
            carriers.setdefault(key, []).append(place)
    pairs: list[tuple[int, int]] = []
    for key, places in carriers.items():
        if len(places) <= max_carriers:
            pairs += [(places[0], place) for place in places[1:]]
        else:
            _LOG.warning(
                "%d listings carry the same %s (%.60r): too common to tell duplicates by",
                len(places),
                what,
                key,
            )
    return np.array(pairs, dtype=np.intp).reshape(-1, 2).T


def similar_links(embeddings: Floats, min_similarity: float) -> Links:
    """Link rows of cosine `min_similarity` or more, directly or through a chain of such rows.

    No link is missed (recall 1, whatever the rows are): where there are many rows, pairs are first
    compared by a sketch that never makes two rows look farther apart than they are, and only those
    that pass are compared in full. Works block by block, and boils the links found so far down to
    one a row where they are more, so memory stays bounded however alike the rows are.
    """
    links = np.empty((2, 0), dtype=np.intp)
    if not len(embeddings):
        return links
    rows = normalize(np.asarray(embeddings, dtype=np.float32))
    near_rows = _Sketch(rows, min_similarity) if len(rows) > _SKETCHED_ROWS else None
    height = max(1, _BLOCK_SIMILARITIES // len(rows))
    for start in range(0, len(rows), height):
        stop = min(len(rows), start + height)
        candidates = near_rows.pairs(start, stop) if near_rows is not None else None
        if candidates is None:
            near, far = np.nonzero(rows[start:stop] @ rows[start:].T >= min_similarity)
            # Only pairs i < j: the others were met the other way round.
            pairs = start + np.stack([near, far])[:, near < far]
        else:
            pairs = candidates[:, _similarities(rows, candidates) >= min_similarity]
        links = np.hstack([links, pairs])
        if links.shape[1] > len(rows):
            links = forest(components(len(rows), links))
    return links


class _Sketch:
    """Rows by their main directions, and by how much of them lies outside of these.

    Squared distances between sketches are at most those between rows: ``|x - y|^2`` is that of the
    parts inside plus that of the parts outside, and the latter is no less than that of the lengths.

    Parameters
    ----------
    rows
        Shape ``(n, d)``, of unit length.
    """

    def __init__(self, rows: Floats, min_similarity: float) -> None:
        some = rows[evenly_spaced(len(rows), _SKETCHED_ROWS)]
        mean = some.mean(axis=0)
        deviation = some - mean
        d = rows.shape[1]
        last = [max(0, d - _SKETCH_DIM), d - 1]
        _, main = eigh(deviation.T @ deviation, subset_by_index=last, check_finite=False)
        sketches = np.empty((len(rows), main.shape[1] + 1), dtype=np.float32)
        for start in range(0, len(rows), _SKETCHED_ROWS):
            block = slice(start, start + _SKETCHED_ROWS)
            deviation = rows[block] - mean
            inside = deviation @ main
            outside = (deviation**2).sum(axis=1) - (inside**2).sum(axis=1)
            sketches[block, :-1], sketches[block, -1] = inside, np.sqrt(np.maximum(outside, 0.0))
        half_squares = (sketches**2).sum(axis=1, keepdims=True) / 2
        most = 1.0 - min_similarity + _ROUNDING  # half of the largest squared distance
        one = np.ones_like(half_squares)
        # their product is what is left of `most` after half the squared distance
        self.left = np.hstack([sketches, one, most - half_squares]).astype(np.float32)
        self.right = np.hstack([sketches, -half_squares, one])

    def pairs(self, start: int, stop: int) -> Links | None:
        """Find the pairs of ``start`` to ``stop`` and what follows that may be near enough.

        Returns
        -------
        Links or None
            Ascending; None if there are so many that all may as well be compared.
        """
        closeness = self.left[start:stop] @ self.right[start:].T
        found = np.flatnonzero(closeness.ravel() >= 0)
        if len(found) > _MAX_CANDIDATES * closeness.size:
            return None
        near, far = np.divmod(found, closeness.shape[1])
        return start + np.stack([near, far])[:, near < far]


def _similarities(rows: Floats, pairs: Links) -> Floats:
    """Cosine of each pair of rows of unit length, some pairs at a time."""
    step = max(1, _BLOCK_SIMILARITIES // rows.shape[1])
    found = [
        np.einsum("nd,nd->n", rows[near], rows[far])
        for near, far in (
            pairs[:, first : first + step] for first in range(0, pairs.shape[1], step)
        )
    ]
    return np.concatenate([np.empty(0, dtype=np.float32), *found])


def components(n_listings: int, links: Links) -> Ints:
    """Number the connected components, in the order of each one's first listing."""
    graph = coo_array((np.ones(links.shape[1], dtype=bool), tuple(links)), (n_listings, n_listings))
    _, labels = connected_components(graph, directed=False)
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse]


def forest(groups: Ints) -> Links:
    """Link every listing to the first one of its group; `components` of these gives it back."""
    _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    links = np.stack([first[inverse], np.arange(len(groups))])
    return links[:, links[0] != links[1]]


def _check_input(
    n_listings: int,
    photo_hashes: Sequence[str | None],
    photo_embeddings: Floats | None,
    has_photo: Bools | None,
    min_similarity: float,
) -> None:
    lengths = [n_listings, len(photo_hashes)]
    lengths += [len(rows) for rows in (photo_embeddings, has_photo) if rows is not None]
    if len(set(lengths)) > 1:
        raise ValueError(
            f"titles, hashes, embeddings and has_photo must be of one length, but are of {lengths}."
        )
    if not 0 < min_similarity <= 1:
        raise ValueError(f"min_similarity must be above 0 and at most 1, but is {min_similarity}.")
