"""Equally near rows come in their order, asked for one by one or together."""

from pathlib import Path

import numpy as np
from shelfsure.catalog.listing import Listing
from shelfsure.core.arrays import unit_rows
from shelfsure.fusion.views import View
from shelfsure.retrieval.index.records import records_of
from shelfsure.retrieval.index.store import ListingIndex
from shelfsure.retrieval.index.ties import first_of_equals


def test_a_single_query_finds_the_copies_that_a_batch_finds(
    rng: np.random.Generator, tmp_path: Path
) -> None:
    vectors = unit_rows(rng.standard_normal((900, 48)).astype(np.float32))
    vectors[300:700] = vectors[5]
    there = np.ones(900, dtype=bool)
    records = records_of([Listing(f"{n:03}") for n in range(900)], [None] * 900)
    index = ListingIndex.build(
        tmp_path / "i", records, {"photo": View(vectors, there)}, {"photo": "x"}, kind="exact"
    )
    index.remove(["301"])

    def asked(rows: list[int]) -> list[list[str]]:
        view = View(vectors[rows], np.ones(len(rows), dtype=bool))
        return [[one.listing_id for one in own] for own in index.search({"photo": view}, 6)]

    rows = [*range(20), 300, 500]
    together = asked(rows)
    assert together == [asked([row])[0] for row in rows]
    assert together[5] == together[-1] == ["005", "300", "302", "303", "304", "305"]


def test_what_is_apart_stays_in_its_order() -> None:
    near = np.array([[0.9, 0.8, 0.8, 0.7], [0.9, 0.8, 0.7, -np.inf]], dtype=np.float32)
    rows = np.array([[4, 9, 2, 1], [3, 2, 1, -1]])
    similarities, found = first_of_equals(near, rows, 3, lambda *_: (near[0], rows[0]))
    assert found.tolist() == [[4, 2, 9], [3, 2, 1]]
    np.testing.assert_array_equal(similarities, near[:, :3])
