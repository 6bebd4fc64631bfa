"""Which column is taken for what: shops' own names, spellings, and where it has to be asked."""

from pathlib import Path

import pytest
from shelfsure.catalog.catalog import read_catalog
from shelfsure.catalog.column_names import USUAL_NAMES, recognised
from shelfsure.catalog.columns import match_columns
from shelfsure.core.errors import CatalogError

# The header of each shop's own export, and the columns that hold id, title, description, brand,
# category and image in it.
EXPORTS = {
    "magento": (
        (
            "sku,store_view_code,attribute_set_code,product_type,categories,name,description,"
            "short_description,price,url_key,meta_title,base_image,small_image,thumbnail_image,"
            "additional_images,manufacturer"
        ),
        ("sku", "name", "description", "manufacturer", "categories", "base_image"),
    ),
    "shopify": (
        (
            "Handle,Title,Body (HTML),Vendor,Product Category,Type,Tags,Option1 Name,Variant SKU,"
            "Variant Price,Image Src,Image Position,SEO Title,SEO Description,Variant Image,Status"
        ),
        ("Handle", "Title", "Body (HTML)", "Vendor", "Product Category", "Image Src"),
    ),
    "woocommerce": (
        (
            "ID,Type,SKU,GTIN,Name,Published,Short description,Description,In stock?,Regular price,"
            "Categories,Tags,Shipping class,Images,Parent,Brands"
        ),
        ("ID", "Name", "Description", "Brands", "Categories", "Images"),
    ),
    "google merchant": (
        (
            "id,title,description,link,image_link,additional_image_link,availability,price,brand,gtin,"
            "google_product_category,product_type,item_group_id"
        ),
        ("id", "title", "description", "brand", "google_product_category", "image_link"),
    ),
    "google merchant in xml's names": (
        "g:id,g:title,g:description,g:image_link,g:brand,g:google_product_category",
        (
            "g:id",
            "g:title",
            "g:description",
            "g:brand",
            "g:google_product_category",
            "g:image_link",
        ),
    ),
    "amazon": (
        (
            "feed_product_type,item_sku,brand_name,item_name,product_description,bullet_point1,"
            "standard_price,main_image_url,other_image_url1"
        ),
        (
            "item_sku",
            "item_name",
            "product_description",
            "brand_name",
            "feed_product_type",
            "main_image_url",
        ),
    ),
    "flipkart": (
        (
            "uniq_id,crawl_timestamp,product_url,product_name,product_category_tree,pid,retail_price,"
            "discounted_price,image,is_FK_Advantage_product,description,product_rating,brand"
        ),
        ("uniq_id", "product_name", "description", "brand", "product_category_tree", "image"),
    ),
    "shopee": (
        "posting_id,image,image_phash,title,label_group",
        ("posting_id", "title", None, None, None, "image"),
    ),
    "rakuten": (
        ",designation,description,productid,imageid,prdtypecode",
        ("productid", "designation", "description", None, "prdtypecode", None),
    ),
}
ORDER = ("listing_id", "title", "description", "brand", "category", "image")


@pytest.mark.parametrize("shop", EXPORTS)
def test_match_columns_knows_each_shops_export(shop: str) -> None:
    header, expected = EXPORTS[shop]
    match = match_columns(header.split(","), {}, need_category=False)
    assert match.problems == ()
    assert tuple((match.columns.get(field) or (None,))[0] for field in ORDER) == expected


@pytest.mark.parametrize("name", ["Title", "TITLE", " Title ", "Product Name", "product-name"])
def test_read_catalog_takes_a_column_in_any_spelling(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.csv").write_text(f"Listing ID,{name},IMAGE\n1,Red mug,\n")
    catalog = read_catalog(tmp_path / "a.csv")
    assert [(x.listing_id, x.title) for x in catalog.listings] == [("1", "Red mug")]
    assert catalog.columns == (
        f"listing_id from Listing ID, title from {name.strip()}, image from IMAGE; "
        "none for description, brand, category"
    )


@pytest.mark.parametrize(
    ("header", "field"),
    [
        ("id,name,Name", "title"),
        ("id,product_name,Item Name", "title"),
        ("id,Title,TITLE", "title"),
        ("product_id,item_id,title", "listing_id"),
        ("id,title,photo,picture", "image"),
    ],
)
def test_read_catalog_asks_where_two_columns_fit_equally(
    tmp_path: Path, header: str, field: str
) -> None:
    names = header.split(",")
    (tmp_path / "a.csv").write_text(f"{header}\n{','.join(names)}\n")
    with pytest.raises(CatalogError, match=rf"fit {field} equally.*--{field.replace('_', '-')}-co"):
        read_catalog(tmp_path / "a.csv")
    chosen = next(name for name in reversed(names) if recognised(name) == field)
    match = match_columns(names, {field: chosen}, need_category=False)
    assert match.columns[field] == (chosen,)
    assert match.problems == ()


def test_match_columns_prefers_the_fields_own_name_and_what_the_user_named() -> None:
    found = ["id", "title", "Title", "name"]
    assert match_columns(found, {}, need_category=False).columns["title"] == ("title",)
    named = match_columns(found, {"listing_id": "name"}, need_category=False)
    assert named.columns["listing_id"] == ("name",)
    assert named.columns["title"] == ("title",)
    spelled = match_columns(["ID", "Front View"], {"image": "front_view"}, need_category=False)
    assert spelled.columns == {"listing_id": ("ID",), "image": ("Front View",)}
    assert spelled.problems == ()


def test_a_column_that_appears_twice_matters_only_where_it_is_wanted(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,title,bullet,bullet\n1,Mug,a,b\n")
    assert read_catalog(tmp_path / "a.csv").listings[0].title == "Mug"
    (tmp_path / "b.csv").write_text("id,title,title\n1,Mug,a\n")
    with pytest.raises(CatalogError, match="`title` must appear once, but appears 2 times"):
        read_catalog(tmp_path / "b.csv")


def test_no_usual_name_stands_for_two_fields() -> None:
    names = [name for ranks in USUAL_NAMES.values() for names in ranks for name in names]
    assert len(names) == len(set(names)) > 60


def test_no_sellers_column_is_taken_for_the_group() -> None:
    match = match_columns(["id", "title", "seller", "shop", "vendor"], {}, need_category=False)
    assert "group" not in match.columns
