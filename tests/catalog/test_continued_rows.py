"""Tests of rows that go on with the listing before them, as Shopify exports photos and variants."""

from pathlib import Path

import pytest
from shelfsure.catalog.catalog import Catalog, read_catalog, read_in_chunks
from shelfsure.catalog.catalog_file import CatalogFile
from shelfsure.catalog.listing import MAX_PHOTOS, UnusablePhoto

OLD = (
    "Handle,Title,Body (HTML),Vendor,Product Category,Type,Option1 Name,Option1 Value,"
    "Variant SKU,Variant Price,Image Src,Image Position,Variant Image"
)
NEW = (
    "Title,URL handle,Description,Vendor,Product category,Type,SKU,Option1 name,Option1 value,"
    "Price,Product image URL,Image position,Variant image URL"
)
PHOTOS = """
mug,Blue mug,<p>A mug</p>,Acme,Home > Mugs,Mugs,Title,Default Title,M1,9.9,1.jpg,1,
mug,,,,,,,,,,2.jpg,2,
mug,,,,,,,,,,3.jpg,3,
watch,Watch,,Acme,Watches,Watches,Title,Default Title,W1,99,4.jpg,1,
"""
VARIANTS = """
towel,Towel,<p>A towel</p>,Acme,Home > Towels,Towels,Color,Red,T-R,19,1.jpg,1,1.jpg
towel,,,,,,,Blue,T-B,19,2.jpg,2,2.jpg
towel,,,,,,,Green,T-G,19,,,
towel,,,,,,,,,,3.jpg,3,
watch,Watch,,Acme,Watches,Watches,Title,Default Title,W1,99,4.jpg,1,
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    for number in range(1, 5):
        (tmp_path / f"{number}.jpg").write_bytes(b"photo %d" % number)
    return tmp_path


def catalog_of(shop: Path, rows: str, header: str = OLD, **options: object) -> Catalog:
    path = shop / "products_export.csv"
    path.write_text(header + "\n" + rows.lstrip("\n"))
    return read_catalog(path, **options)


def photos_of(catalog: Catalog) -> dict[str, list[str]]:
    return {
        one.listing_id: [photo.name for photo in (one.image, *one.more_images)]
        for one in catalog.listings
    }


def test_rows_of_further_photos_are_photos_of_the_listing_before_them(shop):
    catalog = catalog_of(shop, PHOTOS)
    assert photos_of(catalog) == {"mug": ["1.jpg", "2.jpg", "3.jpg"], "watch": ["4.jpg"]}
    assert catalog.rows == (1, 4)
    assert not catalog.rejected
    assert catalog.summary() == "4 rows: 2 kept, 2 joined to the one before, 0 rejected"
    assert any("2 rows go on with the listing before them" in note for note in catalog.notes)


def test_the_newer_export_with_other_names_is_read_alike(shop):
    rows = (
        "Blue mug,mug,A mug,Acme,Home > Mugs,Mugs,M1,Title,Default Title,9.9,1.jpg,1,\n"
        ",mug,,,,,,,,,2.jpg,2,\nWatch,watch,,,Watches,,W1,,,99,4.jpg,1,\n"
    )
    catalog = catalog_of(shop, rows, NEW)
    assert photos_of(catalog) == {"mug": ["1.jpg", "2.jpg"], "watch": ["4.jpg"]}
    assert catalog.listings[0].description == "A mug"


def test_rows_of_variants_are_part_of_their_product(shop):
    catalog = catalog_of(shop, VARIANTS)
    assert photos_of(catalog) == {"towel": ["1.jpg", "2.jpg", "3.jpg"], "watch": ["4.jpg"]}
    assert catalog.summary() == "5 rows: 2 kept, 3 joined to the one before, 0 rejected"


def test_variants_with_ids_of_their_own_are_listings_that_have_the_rest_from_the_product(shop):
    catalog = catalog_of(shop, VARIANTS, columns={"listing_id": "Variant SKU"})
    assert photos_of(catalog) == {
        "T-R": ["1.jpg", "2.jpg", "3.jpg"],
        "T-B": ["2.jpg", "1.jpg", "3.jpg"],
        "T-G": ["1.jpg", "2.jpg", "3.jpg"],
        "W1": ["4.jpg"],
    }
    assert [one.title for one in catalog.listings] == ["Towel", "Towel", "Towel", "Watch"]
    assert {one.category for one in catalog.listings[:3]} == {"Home > Towels"}
    assert {own["parent"] for own in list(catalog.product_columns.values())[:3]} == {"towel"}
    assert catalog.summary() == "5 rows: 4 kept, 1 joined to the one before, 0 rejected"


def test_a_title_that_each_row_repeats_changes_nothing(shop):
    rows = PHOTOS.replace("mug,,", "mug,Blue mug,")
    assert photos_of(catalog_of(shop, rows)) == photos_of(catalog_of(shop, PHOTOS))


def test_a_row_that_says_something_else_is_a_repeated_id(shop):
    rows = PHOTOS.replace("mug,,,,,,,,,,3.jpg", "mug,,Other,,,,,,,,3.jpg")
    catalog = catalog_of(shop, rows)
    assert [(bad.row, bad.kind) for bad in catalog.rejected] == [(3, "duplicate id")]


def test_without_a_handle_a_repeated_title_stays_a_repeated_id(shop):
    catalog = catalog_of(shop, "a,Mug,1.jpg\na,Mug,2.jpg\nb,,3.jpg\nb,,4.jpg\n", "id,title,image")
    assert [(bad.row, bad.kind) for bad in catalog.rejected] == [
        (2, "duplicate id"),
        (4, "duplicate id"),
    ]


def test_a_broken_row_between_is_rejected_and_loses_no_photo(shop):
    rows = PHOTOS.replace("\nmug,,,,,,,,,,3", "\nmug,too,few\nmug,,,,,,,,,,3")
    catalog = catalog_of(shop, rows)
    assert photos_of(catalog)["mug"] == ["1.jpg", "2.jpg", "3.jpg"]
    assert [(bad.row, bad.kind) for bad in catalog.rejected] == [(3, "wrong number of fields")]
    assert catalog.n_rows + catalog.n_joined == 5


def test_photos_that_are_lost_or_too_many_are_counted(shop):
    rows = PHOTOS.replace("3.jpg", "lost.jpg").replace(
        "watch,Watch", "".join(f"mug,,,,,,,,,,x{n}.jpg,,\n" for n in range(70)) + "watch,Watch"
    )
    [mug, _] = catalog_of(shop, rows).listings
    lost = [photo for photo in mug.more_images if isinstance(photo, UnusablePhoto)]
    assert sum(photo.n for photo in lost) == 71
    assert len(lost) <= MAX_PHOTOS


@pytest.mark.parametrize("n_rows", [1, 2, 3])
def test_parts_of_a_file_never_part_a_listing_from_its_photos(shop, n_rows):
    whole = catalog_of(shop, VARIANTS)
    parts = list(read_in_chunks(CatalogFile(whole.source), n_rows))
    assert [one for part in parts for one in part.listings] == list(whole.listings)
    assert sum(part.n_joined for part in parts) == whole.n_joined
    assert all(part.n_rows <= n_rows for part in parts)
