"""Preparing a table: what is wrong goes with a reason, what belongs together stays together."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from shelfsure.spark.check import check_listings
from shelfsure.spark.checkpoints import Checkpoints
from shelfsure.spark.grouping import joined
from shelfsure.spark.photos import with_photos
from shelfsure.spark.prepare import FRACTIONS, PreparedListings, part_of, prepare
from shelfsure.spark.workers import WorkerOptions

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SCHEMA = "listing_id string, title string, image binary, category string, group string"


def prepared(
    spark: "SparkSession", rows: list[tuple[Any, ...]], work: Path, **options: Any
) -> PreparedListings:
    checked = check_listings(spark.createDataFrame(rows, SCHEMA), worker=WorkerOptions())
    checkpoints = Checkpoints(spark, str(work))
    return prepare(checkpoints.whole("checked", checked, 0), checkpoints, **options)


@pytest.fixture(scope="module")
def photos(drawn_shop: Path) -> list[bytes]:
    return [(drawn_shop / f"photos/{number}.png").read_bytes() for number in range(8)]


def test_prepare_sets_aside_what_is_wrong(
    spark: "SparkSession", photos: list[bytes], tmp_path: Path
) -> None:
    rows = [
        ("a", "Red mug", photos[0], "Kitchen/Mugs", None),
        ("a", "Blue mug", photos[1], "Kitchen/Mugs", None),
        ("b", "red  MUG", photos[0], "Kitchen/Mugs", None),
        ("c", "Red mug", photos[2], "Kitchen/Cups", None),
        ("d", "Broken", photos[3][:300], "Garden/Tools", None),
        ("e", None, None, "Garden/Tools", None),
        (None, "No id", None, "Garden/Tools", None),
        ("g", "Title only", None, "Garden/Tools", None),
        ("g", "Title only", None, "Garden/Tools", None),
    ]
    found = prepared(spark, rows, tmp_path)
    kept = {row["listing_id"]: row for row in found.listings.collect()}
    assert set(kept) == {"a", "b", "c", "g"} or set(kept) == {"a", "c", "g"}
    assert kept["c"]["category"] == "Kitchen > Cups"
    assert len(kept["c"]["photo_sha256"]) == 64
    assert bytes(kept["c"]["image"]) == photos[2]
    assert "image" in found.listings.columns
    rejected = sorted(
        (r["listing_id"], r["reason"].split(":")[0]) for r in found.rejected.collect()
    )
    assert ("d", "unusable photo") in rejected
    assert ("e", "missing photo and title") in rejected
    assert ("", "missing listing_id") in rejected
    assert rejected.count(("a", "duplicate id")) == 1
    assert rejected.count(("g", "duplicate id")) == 1
    assert found.listings.count() + found.rejected.count() == len(rows)
    assert sum(found.counts().values()) == len(rows)
    assert found.reasons()["duplicate id"] == 2


def test_prepare_keeps_one_of_exact_copies(
    spark: "SparkSession", photos: list[bytes], tmp_path: Path
) -> None:
    rows = [(name, "Red mug", photos[0], "Mugs", None) for name in "dbca"]
    rows += [("e", "Red mug", photos[1], "Mugs", None), ("f", "Mug", photos[0], "Mugs", None)]
    found = prepared(spark, rows, tmp_path)
    assert {row["listing_id"] for row in found.listings.collect()} == {"a", "e", "f"}
    reasons = {row["listing_id"]: row["reason"] for row in found.rejected.collect()}
    assert set(reasons) == {"b", "c", "d"}
    assert set(reasons.values()) == {"exact duplicate: photo, title and description are those of a"}
    # one photo, or one title: not the same listing, but never in two parts
    assert len({row["part"] for row in found.listings.collect()}) == 1


def test_prepare_parts_no_group_and_nobody_of_one_photo_or_title(
    spark: "SparkSession", photos: list[bytes], tmp_path: Path
) -> None:
    """600 listings: 100 sellers of three, 150 pairs of one title."""
    rows: list[tuple[Any, ...]] = [
        (f"s{n}", f"Thing number {n}", None, "Things", f"seller {n // 3}") for n in range(300)
    ]
    rows += [  # a photo on so many is no photo
        (f"p{n}", f"Pair number {n // 2}", photos[0] if n % 2 else None, "Things", None)
        for n in range(300)
    ]
    rows[3] = ("s3", "Thing number 0", photos[0], "Things", "seller 1")  # joins sellers 0 and 1
    found = {row["listing_id"]: row for row in prepared(spark, rows, tmp_path).listings.collect()}
    together: dict[str, set[str]] = {}
    for row in found.values():
        together.setdefault(row["together"], set()).add(row["part"])
    assert all(len(parts) == 1 for parts in together.values())
    assert found["s1"]["together"] == found["s5"]["together"] == "group seller 0"
    assert found["p0"]["together"] == found["p1"]["together"] == "listing p0"
    sizes = {part: sum(row["part"] == part for row in found.values()) for part in FRACTIONS}
    assert set(sizes) == {"train", "validation", "test"}
    for part, share in FRACTIONS.items():
        assert sizes[part] == pytest.approx(600 * share, abs=60)


def test_prepare_lets_no_common_title_join_all(spark: "SparkSession", tmp_path: Path) -> None:
    rows: list[tuple[Any, ...]] = [
        (f"s{n}", "Gift" if n % 2 else f"Thing {n}", None, "Things", f"seller {n // 2}")
        for n in range(60)
    ]
    listings = prepared(spark, rows, tmp_path).listings.collect()
    assert len({row["together"] for row in listings}) == 30


def test_part_of_is_a_hash_anyone_can_compute(spark: "SparkSession") -> None:
    names = [f"listing {n}" for n in range(200)]
    df = spark.createDataFrame([(name,) for name in names], "name string")
    rows = df.withColumn("part", part_of("name", {"x": 0.25, "y": 0.25, "z": 0.5}, 7)).collect()
    for row in rows:
        share = int(hashlib.sha256(f"7 {row['name']}".encode()).hexdigest()[:8], 16) / 2**32
        assert row["part"] == ("x" if share < 0.25 else "y" if share < 0.5 else "z")


def test_prepare_refuses_fractions_that_arent_all(spark: "SparkSession", tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"sum to 1, but are \{'train': 0\.7\}"):
        prepared(spark, [("a", "b", None, None, None)], tmp_path, fractions={"train": 0.7})


def test_joined_takes_chains_for_one() -> None:
    pairs = [("a", "1"), ("b", "1"), ("b", "2"), ("c", "2"), ("e", "3"), ("d", "3")]
    assert joined(pairs) == {"a": "a", "b": "a", "c": "a", "d": "d", "e": "d"}
    assert joined([]) == {}


def test_with_photos_brings_bytes_to_paths(spark: "SparkSession", drawn_shop: Path) -> None:
    rows = [("a", "1.png", "Mug"), ("b", "nothing.png", "Mug"), ("c", None, "Mug")]
    df = spark.createDataFrame(rows, "listing_id string, image string, title string")
    joined_rows = with_photos(df, str(drawn_shop / "photos"))
    found = {row["listing_id"]: row for row in check_listings(joined_rows).collect()}
    assert bytes(found["a"]["image"]) == (drawn_shop / "photos/1.png").read_bytes()
    assert found["b"]["reason"].startswith("photo not found: ")
    assert (found["c"]["reason"], found["c"]["image"]) == (None, None)


def test_listings_that_share_any_photo_are_in_one_part(
    spark: "SparkSession", photos: list[bytes], tmp_path: Path
) -> None:
    schema = "listing_id string, title string, image binary, more_images array<binary>"
    rows = [
        ("a", "Mug", photos[0], [photos[4]]),
        ("b", "Cup", photos[1], [photos[5], photos[4]]),
        ("c", "Pot", photos[2], [photos[1]]),
        ("d", "Pan", photos[3], None),
    ]
    checked = check_listings(spark.createDataFrame(rows, schema), worker=WorkerOptions())
    checkpoints = Checkpoints(spark, str(tmp_path))
    found = prepare(checkpoints.whole("checked", checked, 0), checkpoints)
    together = {row["listing_id"]: row["together"] for row in found.listings.collect()}
    assert together["a"] == together["b"] == together["c"] != together["d"]
