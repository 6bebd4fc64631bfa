"""Embedding a DataFrame: the vectors of one machine."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from shelfsure.catalog.listing import Listing
from shelfsure.pipeline.pipeline import ListingPipeline
from shelfsure.spark.embed import embed
from shelfsure.spark.workers import WorkerOptions

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SCHEMA = "listing_id string, title string, image binary"


def test_embed_gives_the_vectors_of_one_machine(
    spark: "SparkSession", bundle: Path, worker: WorkerOptions, shop_rows: list[dict[str, Any]]
) -> None:
    rows = [tuple(row[name] for name in ("listing_id", "title", "image")) for row in shop_rows[:12]]
    df = spark.createDataFrame(rows, SCHEMA).repartition(2)
    found = {row["listing_id"]: row for row in embed(df, bundle, worker=worker).collect()}
    listings = [
        Listing(listing_id=row["listing_id"], title=row["title"], image=row["image"])
        for row in shop_rows[:12]
        if row["listing_id"] not in {None, "s03", "s09"}
    ]
    expected = ListingPipeline.load(bundle, worker.run_options()).embedder.embed(listings)
    assert len(found) == 12
    for place, listing in enumerate(listings):
        row = found[listing.listing_id]
        assert row["reason"] is None
        for name, view in (("photo_vector", expected.photo), ("title_vector", expected.title)):
            if view.present[place]:
                np.testing.assert_allclose(row[name], view.array[place], atol=2e-6)
            else:
                assert row[name] is None
        assert row["photo_sha256"] == expected.photo_hashes[place]
    assert found["s03"]["photo_vector"] is None
    assert found["s03"]["reason"].startswith("unusable photo: ")
    assert found["s09"]["reason"].startswith("missing photo and title")
    assert found[""]["reason"] == "missing listing_id"
