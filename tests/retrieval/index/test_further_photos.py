"""An index holds every photo of a listing, and answers a listing once."""

from pathlib import Path

import numpy as np
import pytest
from shelfsure.catalog.listing import Listing
from shelfsure.core.arrays import Floats
from shelfsure.embedding.further_photos import FurtherPhotos
from shelfsure.embedding.listings import EmbeddedListings
from shelfsure.fusion.views import View
from shelfsure.retrieval.index.rows import embedded_rows, index_rows
from shelfsure.retrieval.index.store import ListingIndex

DIM = 8
PRINTS = {"photo": "p", "title": "t"}


def unit(rng: np.random.Generator, n: int) -> Floats:
    vectors = rng.normal(size=(n, DIM)).astype(np.float32)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def listings(rng: np.random.Generator, n: int, n_further: int, start: int = 0) -> EmbeddedListings:
    """Listings of `1 + n_further` photos each, all different."""
    found = EmbeddedListings.of_photos(
        [Listing(f"{start + row}", f"title {row}", f"{row}.jpg") for row in range(n)],
        View(unit(rng, n), np.ones(n, dtype=bool)),
        [f"main {start + row}" for row in range(n)],
        View(unit(rng, n), np.ones(n, dtype=bool)),
    )
    if not n_further:
        return found
    owners = np.repeat(np.arange(n), n_further)
    more = FurtherPhotos(
        rows=owners,
        numbers=[2 + k for _ in range(n) for k in range(n_further)],
        photo=View(unit(rng, len(owners)), np.ones(len(owners), dtype=bool)),
        hashes=[f"more {start} {k}" for k in range(len(owners))],
        images=[f"more {k}.jpg" for k in range(len(owners))],
    )
    return EmbeddedListings(**{**vars(found), "further": more})


def built(folder: Path, embedded: EmbeddedListings, kind: str = "auto") -> ListingIndex:
    rows = index_rows(embedded)
    return ListingIndex.build(folder, rows.records, rows.views, PRINTS, kind)  # type: ignore[arg-type]


def photos(view: View) -> dict[str, View]:
    return {"photo": view}


@pytest.mark.parametrize("kind", ["exact", "hnsw"])
def test_each_photo_finds_its_listing_and_k_come_back(
    tmp_path: Path, rng: np.random.Generator, kind: str
) -> None:
    embedded = listings(rng, 40, 5)
    assert embedded.further is not None
    index = built(tmp_path / "index", embedded, kind)
    found = index.search(photos(embedded.further.photo), 10)
    assert [near[0].listing_id for near in found] == [str(r) for r in embedded.further.rows]
    assert all(len({each.listing_id for each in near}) == 10 == len(near) for near in found)
    assert all(near[0].image == f"{near[0].listing_id}.jpg" for near in found)
    assert all(
        [x.similarity for x in near] == sorted((x.similarity for x in near), reverse=True)
        for near in found
    )
    every = index.search(photos(embedded.photo), 1000)
    assert {len(near) for near in every} == {40}


def test_photo_and_title_together_take_the_nearest_photo(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    embedded = listings(rng, 40, 3)
    further = embedded.further
    assert further is not None
    index = built(tmp_path / "index", embedded)
    own = {"photo": further.photo, "title": embedded.title.take(further.rows)}
    for row, near in zip(further.rows.tolist(), index.search(own, 5), strict=True):
        assert near[0].listing_id == str(row)
        assert near[0].similarity == pytest.approx(1.0, abs=1e-5)
        assert len({each.listing_id for each in near}) == 5


def test_listings_are_counted_replaced_and_removed_with_all_their_photos(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    before = listings(rng, 20, 3)
    index = built(tmp_path / "index", before)
    assert (index.info().n_listings, index.info().spaces["photo"].n_vectors) == (20, 80)
    assert index.ids() == [str(row) for row in range(20)]

    fewer = index_rows(listings(rng, 5, 1))
    index.add(fewer.records, fewer.views)
    assert (index.info().n_listings, index.info().spaces["photo"].n_vectors) == (20, 70)
    assert index.remove(["0", "19", "nobody"]) == 2
    assert (index.info().n_listings, index.info().spaces["photo"].n_vectors) == (18, 64)
    index.rebuild()
    assert (index.info().n_listings, index.info().spaces["photo"].n_vectors) == (18, 64)
    assert before.further is not None
    gone = index.search(photos(before.further.photo.take([57])), 18)[0]
    assert "19" not in {each.listing_id for each in gone}

    other = built(tmp_path / "other", listings(rng, 3, 2, start=100))
    index.merge(other)
    assert (index.info().n_listings, index.info().spaces["photo"].n_vectors) == (21, 73)


def test_what_went_in_comes_back(tmp_path: Path, rng: np.random.Generator) -> None:
    embedded = listings(rng, 6, 2)
    index = built(tmp_path / "index", embedded)
    back = embedded_rows(ListingIndex.open(tmp_path / "index", PRINTS).contents())
    assert back.further is not None
    assert embedded.further is not None
    assert back.further.rows.tolist() == embedded.further.rows.tolist()
    assert list(back.further.numbers) == list(embedded.further.numbers)
    assert list(back.further.hashes) == list(embedded.further.hashes)
    np.testing.assert_allclose(back.further.photo.array, embedded.further.photo.array, atol=1e-6)
    some = embedded_rows(index.take(["4", "2"], all_photos=True))
    assert some.further is not None
    assert sorted(one.listing_id for one in some.listings) == ["2", "4"]
    assert len(some.further.rows) == 4
    assert embedded_rows(index.take(["4", "2"])).further is None
