"""Find duplicates within a catalogue, or of new uploads in a catalogue."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product
from pathlib import Path

import numpy as np

from ...catalog.listing import Listing
from ...catalog.product_columns import ProductColumns
from ...embedding.encoders import ImageEncoder
from ...embedding.listings import EmbeddedListings
from ...vision.load import PhotoLimits
from .candidates import CandidateSearch, near_pairs
from .column_match import differing_columns
from .detail_store import KeptDetails, PhotoDetails
from .every_photo import EveryPhoto, FoundPair, by_listing
from .groups import DuplicateGroup, group_duplicates, keeper_order, parents_apart
from .pair_model import PairModel
from .photo_views import embed_middles
from .text_pairs import says_enough, text_pairs
from .title_match import compare_titles
from .verdict import DuplicatePair, PhotoFinding, judge, titles_related
from .verification import verify_pairs

MAX_SHARED = 50  # listings with one photo; more, and it is a placeholder that tells nothing
PLACEHOLDER = (
    "%d listings show the very same photo (the first is %r): more than %d, so it is taken for a "
    "placeholder, and they are compared only with the first"
)
NO_PHOTO = PhotoFinding("absent", 0.0, 0.0)
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class DuplicateResult:
    """What was found.

    Parameters
    ----------
    pairs
        Duplicates and variants, the surest first; what is different isn't there.
    groups
        Duplicates around the listing to keep.
    n_listings, n_compared
        How many listings were looked through, and how many pairs of photos closely.
    search
        How those pairs were searched, and what share of the nearest photos that finds.
    n_by_text, n_not_compared
        Listings without a usable photo that were compared by what is written, and those that had
        nothing to compare.
    """

    pairs: list[DuplicatePair]
    groups: list[DuplicateGroup]
    n_listings: int
    n_compared: int
    search: CandidateSearch
    n_by_text: int = 0
    n_not_compared: int = 0

    @property
    def coverage(self) -> str:
        """Say what was compared by other things than photos, or not at all; empty if nothing."""
        said = []
        if self.n_by_text:
            said.append(f"{self.n_by_text:,} listings have no photo: compared by title and text")
        if self.n_not_compared:
            said.append(
                f"{self.n_not_compared:,} listings weren't compared: neither photo nor title is "
                "usable"
            )
        return "; ".join(said)


def match_listings(
    embedded: EmbeddedListings,
    encoder: ImageEncoder | None = None,
    model: PairModel | None = None,
    *,
    against: EmbeddedListings | None = None,
    columns: Sequence[ProductColumns] | None = None,
    n_neighbours: int = 10,
    limits: PhotoLimits | None = None,
    stores: tuple[KeptDetails | None, KeptDetails | None] = (None, None),
    progress: bool = False,
) -> DuplicateResult:
    """Find listings that are the same thing twice, and variants that only look like it.

    Any photo of one may be any of the other's. Listings without a photo are compared by title and
    text, among each other and with the rest.

    Parameters
    ----------
    embedded
        The listings to look through.
    encoder
        What embedded the photos: embeds their middles, too, which finds hard crops in large
        catalogues. ``None`` searches with the photos as they are.
    model
        Rates pairs; ``None``: the one that comes with Shelfsure.
    against
        Compare with these listings instead of among each other. A listing of the same id is the
        same listing, so it is left out.
    columns
        Size, colour, parent and the like of each listing of `embedded`, where the catalogue has
        columns for them; not used with `against`, where the other side's aren't known.
    n_neighbours
        Photos to compare closely with each photo, at most, by view.
    limits
        What a photo may be.
    stores
        Where the details of these photos are kept, and those of `against`; None keeps none.
    progress
        Show a bar on standard error.
    """
    model, limits = model or PairModel.load(), limits or PhotoLimits()
    other = against or embedded
    own = EveryPhoto.of(embedded)
    theirs = own if against is None else EveryPhoto.of(against)
    photos, other_photos = own.embedded.distinct_photos(), theirs.embedded.distinct_photos()
    own_store, other_store = stores
    details = _details(own.embedded, photos, limits, own_store)
    others = (
        details if against is None else _details(theirs.embedded, other_photos, limits, other_store)
    )
    vectors = [own.embedded.photo_vectors([rows[0] for rows in photos])]
    if encoder is not None:
        vectors.append(embed_middles(details.sources, encoder, limits, progress=progress))
    near = near_pairs(
        vectors,
        None
        if against is None
        else theirs.embedded.photo_vectors([rows[0] for rows in other_photos]),
        n_neighbours=n_neighbours + theirs.most - 1,  # a listing's own photos are near each other
        min_similarity=model.min_similarity,
    )
    same_file = PhotoFinding("same_bytes", 1.0, 1.0)
    shared = _sharing(own.embedded, photos, None if against is None else theirs.embedded)
    findings = [(a, b, same_file) for a, b in shared]
    n_pixels: dict[str, int] = {}
    for found in verify_pairs(near, details, others, model, limits, progress=progress):
        rows_a, rows_b = photos[found.a], other_photos[found.b]
        if _same_file(own.embedded, rows_a[0], theirs.embedded, rows_b[0]):
            continue  # already among those that share a photo
        n_pixels |= _ids(embedded, rows_a, found.n_pixels[0])
        n_pixels |= _ids(other, rows_b, found.n_pixels[1])
        told_apart = product(_told_apart(rows_a), _told_apart(rows_b))
        findings += [(a, b, found.finding) for a, b in told_apart]
    sizes = {"n_own": len(embedded.listings), "n_other": len(other.listings)}
    by_pair = [*by_listing(findings, own, theirs, **sizes)]
    by_pair += [[FoundPair(a, b, NO_PHOTO)] for a, b in text_pairs(embedded, against)]
    known = columns if columns is not None and against is None else None
    judged = (_judged(embedded, other, some, model, known) for some in by_pair)
    pairs = [x for x in judged if x and x.a.listing_id != x.b.listing_id]
    pairs.sort(key=lambda pair: -pair.photo.probability)
    pairs = parents_apart(pairs)
    order = keeper_order(embedded.listings, n_pixels)
    if against is not None:  # what was there before stays
        there = {listing.listing_id for listing in against.listings}
        order = keeper_order(against.listings, n_pixels) + [
            listing for listing in order if listing.listing_id not in there
        ]
    groups = group_duplicates(order, pairs)
    seen, titled = (np.asarray(v.present, dtype=bool) for v in (embedded.photo, embedded.title))
    return DuplicateResult(
        pairs,
        groups,
        len(embedded.listings),
        len(near.rows),
        near.search,
        n_by_text=int((~seen & titled).sum()),
        n_not_compared=int((~seen & ~titled).sum()),
    )


def _ids(embedded: EmbeddedListings, rows: Sequence[int], n_pixels: int) -> dict[str, int]:
    """Say it of the listings whose main photo is in these rows."""
    n = len(embedded.listings)
    return {embedded.listings[row].listing_id: n_pixels for row in rows if row < n}


def _judged(
    embedded: EmbeddedListings,
    other: EmbeddedListings,
    found: Sequence[FoundPair],
    model: PairModel,
    columns: Sequence[ProductColumns] | None,
) -> DuplicatePair | None:
    """Judge two listings by the first of their photos that tell something; None: they differ."""
    for one in found:
        similarity = None
        if embedded.title.present[one.a] and other.title.present[one.b]:
            similarity = float(embedded.title.array[one.a] @ other.title.array[one.b])
        known = (columns[one.a], columns[one.b]) if columns else ({}, {})
        a, b = embedded.listings[one.a], other.listings[one.b]
        main = one.n_main
        pair = judge_pair(a, b, one.finding, similarity, model, known, n_main=main)
        if pair.verdict != "different":
            return replace(pair, photos=one.photos) if main < 2 else pair
    return None


def judge_pair(
    a: Listing,
    b: Listing,
    finding: PhotoFinding,
    title_similarity: float | None,
    model: PairModel,
    columns: tuple[ProductColumns, ProductColumns] = ({}, {}),
    *,
    n_main: int = 2,
) -> DuplicatePair:
    """Let columns and titles speak, and decide.

    A further photo may show a size chart, a box, or all colours of a product. So where one of the
    photos isn't the main one (`n_main` of the two are), titles have to say the same; and two
    further ones make a variant at best.

    `columns` is what the catalogue's columns say of either; see `DuplicatePair` for the rest.
    """
    titles = compare_titles(a.title, b.title)
    differences = (*differing_columns(a, b, *columns), *titles.differences)
    if finding.relation == "absent":
        doubted = bool(titles.extra) or not says_enough(a, b)
    else:
        related = titles_related(title_similarity)
        unclear = finding.probability < model.sure_threshold
        doubted = unclear and bool(titles.extra or not related)
        if n_main < 2 and related:
            doubted |= bool(titles.extra) or title_similarity is None
        doubted |= n_main < 1
    verdict = judge(finding.relation, differences, title_similarity, doubted=doubted)
    return DuplicatePair(a, b, verdict, finding, title_similarity, differences, titles.extra)


def _sharing(
    embedded: EmbeddedListings, photos: list[list[int]], against: EmbeddedListings | None
) -> Iterator[tuple[int, int]]:
    """Pair the listings whose photo files are identical."""
    if against is None:
        for rows in photos:
            if len(rows) > MAX_SHARED:
                first = embedded.listings[rows[0]].listing_id
                _LOG.warning(PLACEHOLDER, len(rows), first, MAX_SHARED)
                yield from ((rows[0], row) for row in rows[1:])
            else:
                yield from combinations(rows, 2)
        return
    rows_of = {against.photo_hashes[rows[0]]: rows for rows in against.distinct_photos()}
    for rows in photos:
        digest = embedded.photo_hashes[rows[0]]
        if digest is not None and digest in rows_of:
            yield from product(rows, _told_apart(rows_of[digest]))


def _told_apart(rows: list[int]) -> list[int]:
    """Let one listing stand for all that show a placeholder."""
    return rows if len(rows) <= MAX_SHARED else rows[:1]


def _same_file(a: EmbeddedListings, row_a: int, b: EmbeddedListings, row_b: int) -> bool:
    digest = a.photo_hashes[row_a]
    return digest is not None and digest == b.photo_hashes[row_b]


def _details(
    embedded: EmbeddedListings,
    photos: list[list[int]],
    limits: PhotoLimits,
    store: KeptDetails | None,
) -> PhotoDetails:
    images = [embedded.listings[rows[0]].image for rows in photos]
    sources = [str(image) if isinstance(image, Path) else image or b"" for image in images]
    hashes = [embedded.photo_hashes[rows[0]] for rows in photos]
    return PhotoDetails(sources, hashes, limits, store)
