"""Headers of shops' exports and of other languages: every column that is plainly meant is read."""

import json
from pathlib import Path

import pytest
from shelfsure.catalog.catalog import Catalog, read_catalog


def catalog_of(folder: Path, text: str, name: str = "shop.csv", **options: object) -> Catalog:
    for photo in "abc":
        (folder / f"{photo}.jpg").write_bytes(photo.encode())
    (folder / name).write_text(text)
    return read_catalog(folder / name, **options)


@pytest.mark.parametrize(
    "text",
    [
        "Product ID;Name*;Categories (x,y,z...);Image URLs (x,y,z...)\n1;Mug;Home;a.jpg,b.jpg\n",
        "Item number,Title,Category name,PicURL\n1,Mug,Home,a.jpg|b.jpg\n",
        "et_title_product_id,name,Category,Cover image,Item Image 1\n1,Mug,Home,a.jpg,b.jpg\n",
        "商品管理番号,商品名,カテゴリ,商品画像パス1,商品画像パス2\n1,Mug,Home,a.jpg,b.jpg\n",
        "Artikelnummer;Bezeichnung;Kategorie;Bild;image2\n1;Mug;Home;a.jpg;b.jpg\n",
        "Référence;Titre;Catégorie;Photo;Photo 2\n1;Mug;Home;a.jpg;b.jpg\n",
        "codigo,titulo,categoria,imagen\n1,Mug,Home,a.jpg;b.jpg\n",
        "id,name,Category,Product Image File - 1,Product Image File - 2\n1,Mug,Home,a.jpg,b.jpg\n",
        "id,title,category,image,images\n1,Mug,Home,a.jpg,a.jpg|b.jpg\n",
    ],
)
def test_columns_are_known_by_the_names_that_shops_give_them(tmp_path: Path, text: str) -> None:
    [mug] = catalog_of(tmp_path, text).listings
    assert (mug.listing_id, mug.title, mug.category) == ("1", "Mug", "Home")
    assert [photo.name for photo in (mug.image, *mug.more_images)] == ["a.jpg", "b.jpg"]


def test_a_listing_with_only_the_column_of_all_photos_is_judged_by_them(tmp_path: Path) -> None:
    rows = [
        {"id": 1, "title": "Mug", "images": [{"src": "a.jpg"}, {"src": "b.jpg"}]},
        {"id": 2, "title": "Cup", "image": "c.jpg"},
    ]
    found = catalog_of(tmp_path, json.dumps(rows), "shop.json").listings
    assert [one.image.name for one in found] == ["a.jpg", "c.jpg"]


def test_a_column_that_may_hold_photos_is_named_where_none_is_read(tmp_path: Path) -> None:
    catalog = catalog_of(tmp_path, "id,title,pic front,image alt text\n1,Mug,a.jpg,x\n")
    assert catalog.columns.endswith('pass --image-column "pic front"')
    named = catalog_of(
        tmp_path, "id,title,pic front\n1,Mug,a.jpg\n", columns={"image": "pic front"}
    )
    assert "No photo is read" not in named.columns


@pytest.mark.parametrize("arrow", ["->", "=>", "-->", "→", "⇒", "›", ">>"])
def test_arrows_of_all_kinds_end_a_level(tmp_path: Path, arrow: str) -> None:
    catalog = catalog_of(tmp_path, f"id,title,category\n1,Mug,Home {arrow} Mugs\n")
    assert [one.category for one in catalog.listings] == ["Home > Mugs"]
