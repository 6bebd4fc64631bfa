"""Duplicates among a DataFrame's listings: the verdicts of one machine, found cell by cell."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..retrieval.duplicates.groups import (
    DuplicateGroup,
    group_duplicates,
    keeper_order,
    parents_apart,
)
from ..retrieval.duplicates.pair_model import PairModel
from ..retrieval.duplicates.text_pairs import MIN_TITLE_SIMILARITY, N_NEIGHBOURS
from ..retrieval.duplicates.verdict import DuplicatePair
from ..retrieval.index.self_join import Recall
from .checkpoints import Checkpoints
from .close_look import SIDE, judge_pairs, look_closely, pair_of
from .near_pairs import near_pairs
from .photo_rows import (
    MAIN,
    distinct_photos,
    every_photo,
    finding,
    first_of_pair,
    main_pixels,
    most_photos,
    of_listings,
    sharing,
    turned,
    with_sources,
)
from .workers import WorkerOptions

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

PHOTOS_PER_PHOTO = 10
"""And as many more as a listing has photos, which are near each other."""
PAIR_SCHEMA = (
    "listing_id_a string, listing_id_b string, verdict string, mergeable boolean, "
    "probability double, photo_similarity double, title_similarity double, evidence string, "
    "title_a string, title_b string"
)
GROUP_SCHEMA = "group int, listing_id string, role string"


@dataclass(frozen=True)
class ClusterDuplicates:
    """What was found.

    Parameters
    ----------
    pairs, groups
        As in `DuplicateResult`; listings come without their photos.
    n_listings, n_compared
        How many listings were looked through, and how many pairs of photos closely.
    recall
        Share of planted copies that met their originals, with its 95 % interval: what the cells
        find of what comparing all with all would.
    n_cells
        Cells that photos were compared in.
    """

    pairs: list[DuplicatePair]
    groups: list[DuplicateGroup]
    n_listings: int
    n_compared: int
    recall: Recall
    n_cells: int

    def pair_rows(self) -> list[tuple[object, ...]]:
        """Give the pairs as rows of `PAIR_SCHEMA`; photos that weren't there have no numbers."""
        return [
            (
                pair.a.listing_id,
                pair.b.listing_id,
                pair.verdict,
                pair.mergeable,
                *_numbers(pair),
                pair.title_similarity,
                pair.evidence,
                pair.a.title,
                pair.b.title,
            )
            for pair in self.pairs
        ]

    def group_rows(self) -> list[tuple[object, ...]]:
        """Give the groups as rows of `GROUP_SCHEMA`, the keeper of each first."""
        return [
            (number, listing.listing_id, "member" if place else "keeper")
            for number, group in enumerate(self.groups, start=1)
            for place, listing in enumerate((group.keeper, *group.members))
        ]


def _numbers(pair: DuplicatePair) -> tuple[float | None, float | None]:
    photo = pair.photo
    absent = photo.relation == "absent"
    return (None, None) if absent else (photo.probability, photo.similarity)


def find_duplicates(
    embedded: "DataFrame",
    photos: "DataFrame",
    checkpoints: Checkpoints,
    *,
    against: "DataFrame | None" = None,
    model: PairModel | None = None,
    worker: WorkerOptions | None = None,
) -> ClusterDuplicates:
    """Find listings that are the same thing twice, and variants that only look like it.

    Any photo of one may be any of the other's. Pairs that are more than look-alikes come to the
    driver, which groups them: about 1 KB each.

    Parameters
    ----------
    embedded
        What `embed` gave, written; rows with a reason are passed over, and so are all but one of
        those with one id.
    photos
        What `photos_by_id` gives of all these listings.
    checkpoints
        Where what is found between is kept.
    against
        The same of other listings, to compare with instead of among each other; their photos are
        in `photos`, too. Those of an id that both have are passed over.
    model
        Rates pairs; None: the one that comes with Shelfsure.
    """
    model, worker = model or PairModel.load(), worker or WorkerOptions()
    listings = _listings(embedded)
    other = listings if against is None else _listings(against)
    own, theirs = every_photo(listings), every_photo(other)
    near = near_pairs(
        distinct_photos(theirs),
        None if against is None else distinct_photos(own),
        k=PHOTOS_PER_PHOTO + most_photos(other) - 1,
        min_similarity=model.min_similarity,
        checkpoints=checkpoints,
        name="photos",
    )
    candidates = near.pairs.where("a != b")
    looked = checkpoints.whole(
        "looked", look_closely(with_sources(candidates, photos), model, worker), "looked"
    )
    found = of_listings(looked, own, theirs)
    if against is None:  # a pair's smaller photo isn't always that of the smaller id
        found = found.unionByName(of_listings(turned(looked), own, theirs))
    found = found.unionByName(sharing(own, theirs, alone=against is None))
    found = found.unionByName(_by_text(listings, other, against is None, checkpoints))
    found = found.where("id_a < id_b" if against is None else "id_a != id_b")
    found = found.dropDuplicates(["id_a", "id_b", "photo_a", "photo_b"])
    judged = first_of_pair(judge_pairs(_with_listings(found, listings, other), model))
    rows = checkpoints.whole("pairs", judged, "pairs").toArrow().to_pylist()
    pairs = sorted(
        map(pair_of, rows),
        key=lambda pair: (-pair.photo.probability, pair.a.listing_id, pair.b.listing_id),
    )
    pairs = parents_apart(pairs)
    return ClusterDuplicates(
        pairs,
        _groups(pairs, main_pixels(of_listings(looked, own, theirs)), against is not None),
        listings.count(),
        candidates.count(),
        near.recall,
        near.n_cells,
    )


def _groups(
    pairs: list[DuplicatePair], n_pixels: dict[str, int], against: bool
) -> list[DuplicateGroup]:
    """Group what was found; with `against`, what was there before is kept first."""
    new = {pair.a.listing_id: pair.a for pair in pairs}
    old = {pair.b.listing_id: pair.b for pair in pairs}
    if against:
        fresh = [new[name] for name in sorted(new.keys() - old.keys())]
        order = keeper_order([old[name] for name in sorted(old)], n_pixels)
        return group_duplicates(order + keeper_order(fresh, n_pixels), pairs)
    every = old | new
    return group_duplicates(keeper_order([every[name] for name in sorted(every)], n_pixels), pairs)


def _listings(embedded: "DataFrame") -> "DataFrame":
    """Give what can be compared, each id once."""
    from pyspark.sql import Window
    from pyspark.sql import functions as sf

    same = Window.partitionBy("listing_id").orderBy("photo_sha256", "title")
    good = embedded.where("reason is null").withColumn("place", sf.row_number().over(same))
    return good.where("place = 1").selectExpr("*", "photo_vector is not null as has_photo")


def _by_text(
    listings: "DataFrame", other: "DataFrame", alone: bool, checkpoints: Checkpoints
) -> "DataFrame":
    """Pair listings, one at least without a photo, whose titles are near; words decide later."""
    sides = [(listings, other, "id_a", "id_b"), (other, listings, "id_b", "id_a")]
    found = None
    for number, (asking, asked, key, other_key) in enumerate(sides[:1] if alone else sides):
        titled, known = (
            df.where("title_vector is not null").selectExpr(
                "listing_id as key", "title_vector as vector", "has_photo"
            )
            for df in (asking, asked)
        )
        near = near_pairs(
            known.drop("has_photo"),
            titled.where("not has_photo").drop("has_photo"),
            k=N_NEIGHBOURS,
            min_similarity=MIN_TITLE_SIMILARITY,
            checkpoints=checkpoints,
            name=f"titles_{number}",
        )
        pairs = near.pairs.toDF(key, other_key, "near")
        if alone:
            pairs = pairs.selectExpr("least(id_a, id_b) as id_a", "greatest(id_a, id_b) as id_b")
        pairs = pairs.selectExpr("id_a", "id_b", *finding("absent", 0.0), *MAIN)
        found = pairs if found is None else found.unionByName(pairs)
    return found


def _with_listings(pairs: "DataFrame", listings: "DataFrame", other: "DataFrame") -> "DataFrame":
    names = [*SIDE, "title_vector"]
    for side, df in (("a", listings), ("b", other)):
        own = df.selectExpr(f"listing_id as id_{side}", *(f"{n} as {n}_{side}" for n in names))
        pairs = pairs.join(own, f"id_{side}")
    return pairs
