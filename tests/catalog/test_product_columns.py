from pathlib import Path

from shelfsure.catalog.catalog import read_catalog
from shelfsure.catalog.product_columns import read_product_columns


def test_read_product_columns_reads_what_tells_variants_apart(tmp_path: Path) -> None:
    path = tmp_path / "shop.csv"
    path.write_text(
        "listing_id,title,Parent SKU,Color,size,Price\n"
        "a,Tee,P1,Navy  Blue,M,12.50\n"
        ",no id,P1,red,S,1\n"
        "b,Tee,,,XL,12.00\n"
    )
    assert read_product_columns(read_catalog(path)) == [
        {"parent": "p1", "colour": "navy blue", "size": "m", "price": "12.5"},
        {"size": "xl", "price": "12"},
    ]
