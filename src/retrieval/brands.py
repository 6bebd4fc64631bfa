"""A brand that a title begins with, against the brands whose photos look most like its photo.

What comes of it is a hint to look at, never a verdict: a brand's new product may look like
another's. How rare it is among the catalogue's own listings is measured, not assumed.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..core.arrays import Floats, Ints, evenly_spaced
from .index.store import ListingIndex, Neighbour

MAX_FRACTION = 0.01
"""Of the catalogue's own listings of known brands, at most so many get a hint."""
MIN_LISTINGS, N_KEPT = 5, 20
"""A brand's look is known from so many photos; more than that many aren't compared with."""
MAX_BRANDS, MAX_LISTINGS = 200, 200_000
LEADS_FRACTION, MAX_WORDS = 0.9, 4
"""A brand is a word that begins nearly all titles that it stands in; others stand in the middle."""
_WORD = re.compile(r"[^\W_]+(?:['’&.+-][^\W_]+)*")


@dataclass(frozen=True)
class BrandHint:
    """A title says one brand, but the photo looks like another's.

    Parameters
    ----------
    says, looks_like
        The brands.
    n_says, n_looks_like
        How many listings of each there are.
    nearest_says, nearest_looks_like
        The listing of each that looks most like the photo.
    own_fraction
        Of the catalogue's own listings, this share looks as much like another brand's (a p-value).
    """

    says: str
    looks_like: str
    n_says: int
    n_looks_like: int
    nearest_says: Neighbour
    nearest_looks_like: Neighbour
    own_fraction: float


@dataclass(frozen=True)
class BrandLooks:
    """Photos of known brands.

    Parameters
    ----------
    names, n_listings
        Each brand as it is written, and how many listings it has.
    ids
        The listings whose photos are compared with, brand after brand.
    photos
        Their unit vectors, shape ``(len(ids), d)``.
    starts
        Each brand's first row; shape ``(len(names),)``.
    own_margins
        Of each of these, left out: how much more similar it is to another brand than to its own.
    """

    names: Sequence[str]
    n_listings: Sequence[int]
    ids: Sequence[str]
    photos: Floats
    starts: Ints
    own_margins: Floats

    def hint(
        self, index: ListingIndex, title: str, photo: Floats, own: str = ""
    ) -> BrandHint | None:
        """Compare what a title says with what a photo looks like; None if nothing is odd.

        Parameters
        ----------
        photo
            Unit vector, shape ``(d,)``.
        own
            The id of this listing, if the index may hold it.
        """
        columns = {first_word(name).casefold(): place for place, name in enumerate(self.names)}
        says = columns.get(first_word(title).casefold())
        if says is None:
            return None
        similarities = self.photos @ photo
        if own in self.ids:
            similarities[self.ids.index(own)] = -1
        nearest = np.maximum.reduceat(similarities, self.starts)
        margin, looks_like = _margins(nearest[None], np.array([says]))
        fraction = float((1 + (self.own_margins >= margin[0]).sum()) / (1 + len(self.own_margins)))
        if fraction > MAX_FRACTION:
            return None
        return self._evidence(index, similarities, (says, int(looks_like[0])), fraction)

    def _evidence(
        self, index: ListingIndex, similarities: Floats, brands: tuple[int, int], fraction: float
    ) -> BrandHint | None:
        ends = [*self.starts[1:].tolist(), len(self.ids)]
        found = []
        for brand in brands:
            first = int(self.starts[brand])
            row = first + int(similarities[first : ends[brand]].argmax())
            record = index.records([self.ids[row]]).get(self.ids[row])
            if record is None:  # it was removed meanwhile
                return None
            near = (record.listing_id, float(similarities[row]), record.title, record.image)
            found.append(Neighbour(*near, record.category))
        says, looks_like = brands
        return BrandHint(
            says=self.names[says],
            looks_like=self.names[looks_like],
            n_says=self.n_listings[says],
            n_looks_like=self.n_listings[looks_like],
            nearest_says=found[0],
            nearest_looks_like=found[1],
            own_fraction=fraction,
        )


def fit_brand_looks(index: ListingIndex) -> BrandLooks | None:
    """Learn what the brands of an index look like, and how often its own listings seem odd.

    None where there are no photos, fewer than two brands, or more listings than are read for this.
    """
    info = index.info()
    if "photo" not in info.spaces or info.n_listings > MAX_LISTINGS:
        return None
    titles = {key: record.title or "" for key, record in index.records(index.ids()).items()}
    kept: list[tuple[str, int, list[str], Floats]] = []
    for name, ids in brands_in(titles).items():
        chosen = [ids[row] for row in evenly_spaced(len(ids), N_KEPT).tolist()]
        rows = index.take(chosen)
        photo = rows.views["photo"]
        there = np.flatnonzero(photo.present).tolist()
        if len(there) >= MIN_LISTINGS:
            own = [rows.records[row].listing_id for row in there]
            kept.append((name, len(ids), own, np.asarray(photo.array[there], dtype=np.float32)))
        if len(kept) == MAX_BRANDS:
            break
    if len(kept) < 2:
        return None
    sizes = [len(own) for _, _, own, _ in kept]
    photos = np.concatenate([vectors for *_, vectors in kept])
    starts = np.cumsum([0, *sizes[:-1]])
    similarities = photos @ photos.T
    np.fill_diagonal(similarities, -1)
    nearest = np.maximum.reduceat(similarities, starts, axis=1)
    return BrandLooks(
        names=[name for name, *_ in kept],
        n_listings=[n for _, n, *_ in kept],
        ids=[key for _, _, own, _ in kept for key in own],
        photos=photos,
        starts=starts,
        own_margins=_margins(nearest, np.repeat(np.arange(len(kept)), sizes))[0],
    )


def _margins(nearest: Floats, says: Ints) -> tuple[Floats, Ints]:
    """Tell how much nearer another brand is than the one that is said, and which one that is.

    `nearest`, shape ``(n, n_brands)``, has each brand's best cosine; `says`, shape ``(n,)``.
    """
    rows = np.arange(len(says))
    others = nearest.copy()
    others[rows, says] = -np.inf
    best = others.argmax(axis=1)
    return others[rows, best] - nearest[rows, says], best


def brands_in(titles: dict[str, str]) -> dict[str, list[str]]:
    """Find the brands that titles begin with, and the ids of each one's listings, largest first.

    >>> few = {str(n): f"Acme mug {n}, red" for n in range(5)} | {"5": "Red mug"}
    >>> brands_in(few)
    {'Acme': ['0', '1', '2', '3', '4']}
    """
    words = {key: _WORD.findall(title) for key, title in titles.items()}
    standing = Counter(word for own in words.values() for word in {w.casefold() for w in own})
    leading: defaultdict[str, list[str]] = defaultdict(list)
    for key, own in words.items():
        if own and len(own[0]) > 1 and not own[0].isdecimal():
            leading[own[0].casefold()].append(key)
    found = {
        _name([words[key] for key in ids], standing): ids
        for word, ids in leading.items()
        if len(ids) >= max(MIN_LISTINGS, LEADS_FRACTION * standing[word])
    }
    return dict(sorted(found.items(), key=lambda item: -len(item[1])))


def _name(titles: Sequence[Sequence[str]], standing: Mapping[str, int]) -> str:
    """Write a brand as most of its titles do, with the next words that only these titles have."""
    name: list[str] = []
    for place in range(MAX_WORDS):
        there = Counter(words[place].casefold() for words in titles if len(words) > place)
        word, n = there.most_common(1)[0] if there else ("", 0)
        its_own = n >= LEADS_FRACTION * max(len(titles), standing[word])
        if name and (not its_own or not word.isalpha()):
            break
        spelt = Counter(w[place] for w in titles if len(w) > place and w[place].casefold() == word)
        name.append(spelt.most_common(1)[0][0])
    return " ".join(name)


def first_word(title: str) -> str:
    """Give the word that a title begins with, as written; empty if there is none."""
    found = _WORD.search(title)
    return found[0] if found else ""
