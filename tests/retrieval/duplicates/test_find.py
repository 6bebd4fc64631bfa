from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import shelfsure
from PIL import Image
from shelfsure.catalog.catalog import Catalog, read_catalog
from shelfsure.catalog.listing import Listing
from shelfsure.embedding.embedder import Embedder
from shelfsure.retrieval.index.change import DETAILS_FILE
from shelfsure.retrieval.index.rows import index_rows
from shelfsure.retrieval.index.store import ListingIndex
from shelfsure.retrieval.zero_shot.load_space import fingerprints

MakeEmbedder = Callable[..., Embedder]


@pytest.fixture
def catalog(drawn_shop: Path, tmp_path: Path) -> Catalog:
    """The drawn shop, a smaller copy of one of its listings, and a photo that is none."""
    listings = list(read_catalog(drawn_shop / "catalogue.csv").listings)
    smaller = tmp_path / "smaller.jpg"
    Image.open(Path(str(listings[7].image))).resize((256, 224)).save(smaller, quality=85)
    listings.append(replace(listings[7], listing_id="copy", image=smaller))
    listings.append(Listing("broken", "a lamp", b"no photo"))
    return Catalog.from_listings(listings)


def test_find_duplicates_takes_a_catalogue(catalog: Catalog, fake_embedder: MakeEmbedder) -> None:
    result = shelfsure.find_duplicates(catalog, embedder=fake_embedder())
    with pytest.raises(ValueError, match="not both"):
        shelfsure.find_duplicates(catalog, shelfsure.RunOptions(), embedder=fake_embedder())
    pairs = {frozenset((p.a.listing_id, p.b.listing_id)): p.verdict for p in result.pairs}
    assert pairs == {frozenset(("s07", "copy")): "same_product"}
    assert result.n_listings == len(result.catalog.listings) == len(catalog.listings) - 1
    assert [row.listing_id for row in result.catalog.rejected] == ["broken"]


def test_find_duplicates_against_an_index(
    catalog: Catalog, drawn_shop: Path, fake_embedder: MakeEmbedder, tmp_path: Path
) -> None:
    embedder = fake_embedder()
    rows = index_rows(embedder.embed(read_catalog(drawn_shop / "catalogue.csv").listings))
    ListingIndex.build(tmp_path / "index", rows.records, rows.views, fingerprints(embedder))
    new = Catalog.from_listings([x for x in catalog.listings if x.listing_id == "copy"])
    result = shelfsure.find_duplicates(new, against=tmp_path / "index", embedder=embedder)
    assert [(p.a.listing_id, p.b.listing_id) for p in result.pairs] == [("copy", "s07")]


def test_find_duplicates_keeps_an_indexs_details_in_its_folder(
    catalog: Catalog, drawn_shop: Path, fake_embedder: MakeEmbedder, tmp_path: Path
) -> None:
    embedder, folder = fake_embedder(), tmp_path / "index"
    rows = index_rows(embedder.embed(read_catalog(drawn_shop / "catalogue.csv").listings))
    made_with = fingerprints(embedder)
    ListingIndex.build(folder, rows.records, rows.views, made_with)
    new = Catalog.from_listings([x for x in catalog.listings if x.listing_id == "copy"])
    first, second = (
        shelfsure.find_duplicates(new, against=folder, embedder=embedder) for _ in range(2)
    )
    assert (folder / DETAILS_FILE).stat().st_size > 10_000
    assert [pair.photo.probability for pair in first.pairs] == [
        pair.photo.probability for pair in second.pairs
    ]
    # it is the index's own: a change leaves it, and a new build may replace the folder
    ListingIndex.open(folder).remove(["s01"])
    ListingIndex.build(folder, rows.records, rows.views, made_with)
    assert (folder / DETAILS_FILE).exists()
    assert len(ListingIndex.open(folder).ids()) == len(rows.records)
