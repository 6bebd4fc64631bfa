"""Every photo of a DataFrame's listings as a row, and pairs of photos as pairs of listings."""

from typing import TYPE_CHECKING

from ..retrieval.duplicates.match import MAX_SHARED

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

FINDING = ("relation", "probability", "similarity", "agreeing_fraction", "mirrored")
MAIN = ("2 as n_main", "1 as photo_a", "1 as photo_b")
_KEY = "concat(listing_id, '\u0001', cast(number as string))"
"""A photo's name; ids hold no control characters."""


def every_photo(listings: "DataFrame") -> "DataFrame":
    """Lay the photos of what `embed` gave out, a row each.

    Returns
    -------
    DataFrame
        ``listing_id``; ``key``, the photo's name; ``sha256`` and ``vector``; ``is_main``; and
        ``shown``, its number for people: a main photo that stands in for others is number 1.
    """
    main = listings.where("has_photo").selectExpr(
        "listing_id",
        "photo_number as number",
        "photo_sha256 as sha256",
        "photo_vector as vector",
        "true as is_main",
        "1 as shown",
    )
    further = listings.selectExpr("listing_id", "explode(further_photos) as one").selectExpr(
        "listing_id",
        "one.number as number",
        "one.sha256 as sha256",
        "one.vector as vector",
        "false as is_main",
        "one.number as shown",
    )
    return main.unionByName(further).selectExpr("*", f"{_KEY} as key").drop("number")


def most_photos(listings: "DataFrame") -> int:
    """Count the photos of the listing that has most, at least 1."""
    found = listings.selectExpr("max(1 + size(further_photos)) as most").collect()
    return int(found[0]["most"] or 1)


def distinct_photos(photos: "DataFrame") -> "DataFrame":
    """Give each distinct photo once, by the first of its names, and its vector."""
    from pyspark.sql import functions as sf

    return (
        photos.groupBy("sha256")
        .agg(sf.min("key").alias("first"), sf.min_by("vector", "key").alias("vector"))
        .selectExpr("first as key", "vector")
    )


def with_sources(pairs: "DataFrame", photos: "DataFrame") -> "DataFrame":
    """Put both photos' bytes or paths beside each pair, as `photos_by_id` gives them."""
    for side in "ab":
        own = photos.selectExpr(
            f"{_KEY} as {side}", f"image as image_{side}", f"image_path as path_{side}"
        )
        pairs = pairs.join(own, side)
    return pairs


def of_listings(looked: "DataFrame", own: "DataFrame", theirs: "DataFrame") -> "DataFrame":
    """Let listings stand for their photos."""
    pairs = looked.join(_carriers(own, "a"), "a").join(_carriers(theirs, "b"), "b")
    # those of one file are paired already
    return _numbered(pairs.where("sha_a != sha_b"), *FINDING, "pixels_a", "pixels_b")


def turned(looked: "DataFrame") -> "DataFrame":
    """Swap the sides of pairs."""
    names = {"a": "b", "b": "a", "pixels_a": "pixels_b", "pixels_b": "pixels_a"}
    return looked.selectExpr(*(f"{names.get(name, name)} as {name}" for name in looked.columns))


def sharing(own: "DataFrame", theirs: "DataFrame", *, alone: bool) -> "DataFrame":
    """Pair the listings that have a photo's file in common."""
    from pyspark.sql import functions as sf

    # of those who show a placeholder only the first one asks, or is asked
    left, right = _carriers(own, "a"), _carriers(theirs, "b")
    if alone:
        right = theirs.selectExpr(*_side("b"))
    else:
        left = own.selectExpr(*_side("a"))
    pairs = left.join(right, sf.col("sha_a") == sf.col("sha_b"))
    return _numbered(pairs, *finding("same_bytes", 1.0))


def first_of_pair(judged: "DataFrame") -> "DataFrame":
    """Keep what says most of two listings: of their main photos, then the surest."""
    from pyspark.sql import Window
    from pyspark.sql import functions as sf

    order = [sf.col("n_main").desc(), sf.col("probability").desc(), "photo_a", "photo_b"]
    same = Window.partitionBy("listing_id_a", "listing_id_b").orderBy(*order)
    return judged.withColumn("place", sf.row_number().over(same)).where("place = 1").drop("place")


def main_pixels(pairs: "DataFrame") -> dict[str, int]:
    """Give the content, in pixels, of the main photos that were looked at closely, by id."""
    rows = pairs.select("id_a", "pixels_a", "photo_a", "id_b", "pixels_b", "photo_b").collect()
    return {
        row[f"id_{side}"]: row[f"pixels_{side}"]
        for row in rows
        for side in "ab"
        if row[f"photo_{side}"] == 1
    }


def finding(relation: str, p: float) -> list[str]:
    """Write what was found of two photos without looking closely, as columns."""
    return [
        f"'{relation}' as relation",
        f"cast({p} as double) as probability",
        f"cast({p} as double) as similarity",
        "cast(1 as double) as agreeing_fraction",
        "false as mirrored",
        "cast(null as bigint) as pixels_a",
        "cast(null as bigint) as pixels_b",
    ]


def _side(side: str) -> list[str]:
    return [
        f"sha256 as sha_{side}",
        f"listing_id as id_{side}",
        f"is_main as is_main_{side}",
        f"shown as photo_{side}",
    ]


def _carriers(photos: "DataFrame", side: str) -> "DataFrame":
    """Give the listings of each photo, by the first name; of a placeholder, that one for all."""
    from pyspark.sql import Window
    from pyspark.sql import functions as sf

    same = Window.partitionBy("sha256")
    counted = photos.withColumn("n", sf.count("*").over(same))
    counted = counted.withColumn("first", sf.min("key").over(same))
    told_apart = counted.where(f"n <= {MAX_SHARED} or first = key")
    return told_apart.selectExpr(f"first as {side}", *_side(side))


def _numbered(pairs: "DataFrame", *columns: str) -> "DataFrame":
    """Say which photos of the listings these are, and how many of the two are main ones."""
    n_main = "cast(is_main_a as int) + cast(is_main_b as int) as n_main"
    return pairs.selectExpr("id_a", "id_b", *columns, n_main, "photo_a", "photo_b")
