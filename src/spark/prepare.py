"""From raw rows to parts to train and test on, with no listing's like on both sides."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from .checkpoints import Checkpoints
from .grouping import link_groups, unit

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

FRACTIONS: Mapping[str, float] = MappingProxyType({"train": 0.7, "validation": 0.15, "test": 0.15})
KEYS = ("row_key", "content_key", "title_key")


@dataclass(frozen=True)
class PreparedListings:
    """Listings with the part that each is in, and the rejected rows with their reasons.

    Parameters
    ----------
    listings
        Columns of `check_listings`, ``together`` (what may not be parted) and ``part``.
    rejected
        ``listing_id`` and ``reason``.
    """

    listings: "DataFrame"
    rejected: "DataFrame"

    def counts(self) -> dict[str, int]:
        """Count the listings of each part, and the rejected rows."""
        found = {r["part"]: r["count"] for r in self.listings.groupBy("part").count().collect()}
        return found | {"rejected": self.rejected.count()}

    def reasons(self) -> Counter[str]:
        """Count the rejected rows by the kind of their reason."""
        kinds = self.rejected.selectExpr("split(reason, ':')[0] as kind").groupBy("kind").count()
        return Counter({row["kind"]: row["count"] for row in kinds.collect()})


def prepare(
    checked: "DataFrame",
    checkpoints: Checkpoints,
    *,
    fractions: Mapping[str, float] = FRACTIONS,
    seed: int = 0,
) -> PreparedListings:
    """Set duplicates aside, and split the rest so that what belongs together stays together.

    Of rows with one id, and of listings with one photo, title and description, one stays. Listings
    with one photo, title or group are in one part. Which part is decided by a hash, so the same
    listings are split alike on every engine, and a new one moves none but its like.

    Parameters
    ----------
    checked
        What `check_listings` gave, written: its row keys are drawn at random.
    checkpoints
        Where what is found between is kept.
    fractions
        Part -> its share, above 0; together they are 1. Small tables come out unevenly.
    seed
        Another one gives another split.
    """
    if abs(sum(fractions.values()) - 1) > 1e-9 or min(fractions.values()) <= 0:
        raise ValueError(f"fractions must be above 0 and sum to 1, but are {dict(fractions)}.")
    from pyspark.sql import functions as sf

    aside = checkpoints.whole("set_aside", set_aside(checked), "set_aside")
    rows = checked.join(sf.broadcast(aside), "row_key", "left")
    rows = rows.withColumn("reason", sf.coalesce("reason", "why")).drop("why")
    kept = rows.where("reason is null")
    linked = checkpoints.whole("linked", link_groups(kept), "linked")
    listings = (
        kept.withColumn("unit", unit())
        .join(sf.broadcast(linked), "unit", "left")
        .withColumn("together", sf.coalesce("together", "unit"))
        .withColumn("part", part_of("together", fractions, seed))
    )
    return PreparedListings(
        listings.drop("unit", "reason", *KEYS),
        rows.where("reason is not null").select("listing_id", "reason"),
    )


def set_aside(checked: "DataFrame") -> "DataFrame":
    """Find rows whose id or whose content another row has, too: ``row_key`` and ``why``."""
    from pyspark.sql import Window
    from pyspark.sql import functions as sf

    # narrow rows only: photos aren't sorted
    narrow = checked.where("reason is null").select("row_key", "listing_id", "content_key")
    by_id = Window.partitionBy("listing_id").orderBy("content_key", "row_key")
    numbered = narrow.withColumn("place", sf.row_number().over(by_id))
    repeated = numbered.where("place > 1").select(
        "row_key", sf.lit("duplicate id: another row has it too").alias("why")
    )
    by_content = Window.partitionBy("content_key").orderBy("listing_id")
    first = numbered.where("place = 1").withColumn("first", sf.first("listing_id").over(by_content))
    copies = first.where("first != listing_id").select(
        "row_key",
        sf.concat(
            sf.lit("exact duplicate: photo, title and description are those of "), sf.col("first")
        ).alias("why"),
    )
    return repeated.unionByName(copies)


def part_of(column: str, fractions: Mapping[str, float], seed: int) -> "Column":
    """Deal out by a hash, in proportion."""
    from pyspark.sql import functions as sf

    digest = sf.sha2(sf.concat(sf.lit(f"{seed} "), sf.col(column)), 256)
    share = sf.conv(sf.substring(digest, 1, 8), 16, 10).cast("double") / float(2**32)
    *others, last = fractions
    chosen, below = sf.lit(last), 1.0 - fractions[last]
    for name in reversed(others):
        chosen = sf.when(share < below, sf.lit(name)).otherwise(chosen)
        below -= fractions[name]
    return chosen
