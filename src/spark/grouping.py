"""Which sellers' and single listings belong together because they share a photo or a title."""

import logging
from typing import TYPE_CHECKING

import numpy as np

from ..catalog.groups import components

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

_LOG = logging.getLogger(__name__)
MIN_CARRIERS, MAX_FRACTION, MAX_JOINED = 10, 20, 5


def link_groups(kept: "DataFrame") -> "DataFrame":
    """Join units that share a photo's bytes or a title: ``unit`` and what it is ``together`` with.

    The rules are those of one machine (`duplicate_groups`, `named_groups`), but that photos are
    compared by their bytes: a photo or title that more than a twentieth of the listings carry links
    nobody, and where sharing would join a fifth of the listings, groups stay as they are named.
    Only what is shared comes to the driver, as pairs of names.

    Parameters
    ----------
    kept
        Listings of `check_listings`.
    """
    from pyspark.sql import functions as sf

    keys = sf.expr(
        "array_distinct(concat(array('photo ' || photo_sha256, 'title ' || title_key), "
        "transform(further_sha256, one -> 'photo ' || one)))"
    )
    carried = (
        kept.select(unit().alias("unit"), sf.explode(keys).alias("key"))
        .where("key is not null")
        .groupBy("key", "unit")
        .agg(sf.count("*").alias("n"))
    )
    n_listings = kept.count()
    most = max(MIN_CARRIERS, n_listings // MAX_FRACTION)
    shared = (
        carried.groupBy("key")
        .agg(sf.count("*").alias("units"), sf.sum("n").alias("carriers"))
        .where(f"units > 1 and carriers <= {most}")
    )
    rows = carried.join(shared, "key").select("unit", "key").collect()
    pairs = sorted({(row["unit"], row["key"]) for row in rows})
    sizes = {
        row["unit"]: row["count"]
        for row in kept.select(unit().alias("unit")).groupBy("unit").count()
        .where("count > 1").collect()
    }  # fmt: skip
    together = joined(pairs)
    largest = _largest(together, sizes)
    if largest > max(max(sizes.values(), default=1), n_listings // MAX_JOINED):
        _LOG.warning(
            "Shared photos and titles would join %d of %d listings: groups stay as they are named",
            largest,
            n_listings,
        )
        together = joined([pair for pair in pairs if not pair[0].startswith("group ")])
    moved = [(name, first) for name, first in together.items() if name != first]
    return kept.sparkSession.createDataFrame(moved, "unit string, together string")


def unit() -> "Column":
    """Name what is never parted: a group, or a listing without one."""
    from pyspark.sql import functions as sf

    own = sf.concat(sf.lit("listing "), sf.col("listing_id"))
    return sf.coalesce(sf.concat(sf.lit("group "), sf.col("group")), own)


def joined(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """Give each unit the first name, in order, among all that it is connected with by keys.

    >>> joined([("a", "k"), ("b", "k"), ("b", "l"), ("c", "l"), ("d", "m")])
    {'a': 'a', 'b': 'a', 'c': 'a', 'd': 'd'}
    """
    units = sorted({unit for unit, _ in pairs})
    names = {name: number for number, name in enumerate([*units, *{key for _, key in pairs}])}
    links = np.array([(names[unit], names[key]) for unit, key in pairs], dtype=np.intp)
    numbers = components(len(names), links.reshape(-1, 2).T)[: len(units)]
    first: dict[int, str] = {}
    return {
        name: first.setdefault(int(number), name)
        for name, number in zip(units, numbers, strict=True)
    }


def _largest(together: dict[str, str], sizes: dict[str, int]) -> int:
    totals: dict[str, int] = {}
    for name, first in together.items():
        totals[first] = totals.get(first, 0) + sizes.get(name, 1)
    return max(totals.values(), default=0)
