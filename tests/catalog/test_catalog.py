"""Columns, file-level defects, and the Catalog that comes out."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shelfsure.catalog.catalog import Catalog, read_catalog
from shelfsure.catalog.columns import suggest
from shelfsure.catalog.export import write_listings
from shelfsure.catalog.listing import Listing
from shelfsure.core.errors import CatalogError

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(text: str) -> Path:
        path = tmp_path / "catalogue.csv"
        path.write_text(text, encoding="utf-8", newline="")
        return path

    return write


def test_read_catalog_names_the_missing_column_and_the_option(write: Write) -> None:
    with pytest.raises(CatalogError) as caught:
        read_catalog(write("idd,the names,photoz\n1,a,b\n"), need_category=True)
    message = str(caught.value)
    assert "Found: idd, the names, photoz." in message
    assert "column `listing_id` is missing" in message
    assert "Rename it, or pass --listing-id-column idd." in message
    assert "catalogue.csv: column `image` is missing" in message
    assert '--image-column photoz or --title-column "the names"' in message
    assert "column `category` is missing" in message
    assert "--category-column NAME" in message


def test_read_catalog_reports_every_defect_of_a_file_at_once(write: Write) -> None:
    path = write("title,title,price\n")
    with pytest.raises(CatalogError) as caught:
        read_catalog(path, columns={"brand": "maker"}, image_root=path.parent / "no-such-folder")
    lines = str(caught.value).splitlines()
    for part in (
        "no-such-folder must be a folder",
        "column `title` must appear once, but appears 2 times",
        "column `maker`, named by --brand-column, is missing. Found: title, title, price",
        "column `listing_id` is missing",
        "must have rows",
    ):
        assert sum(part in line for line in lines) == 1, part
    assert len(lines) == 5


def test_read_catalog_hints_at_another_separator(write: Write) -> None:
    with pytest.raises(CatalogError, match="another separator"):
        read_catalog(write("listing_id:title;x\n1;a\n"))


def test_read_catalog_refuses_an_unknown_field(write: Write) -> None:
    with pytest.raises(ValueError, match=r"listing_id.*but has photo"):
        read_catalog(write("listing_id,title\n1,a\n"), columns={"photo": "image"})


def test_read_catalog_maps_columns_and_trims_header_names(write: Write) -> None:
    path = write("\ufeffsku, name ,title,,\n0012,A mug,other,,\n")
    catalog = read_catalog(path, columns={"listing_id": "sku", "title": "name"})
    assert catalog.listings == (Listing("0012", "A mug"),)
    assert catalog.source == path


@pytest.mark.parametrize(
    ("field", "found", "suggestion"),
    [
        ("image", ["id", "Photo"], "Photo"),
        ("image", ["image_path", "price"], "image_path"),
        ("title", ["Product Name", "id"], '"Product Name"'),
        ("title", ["titel"], "titel"),
        ("category", ["Categories"], "Categories"),
        ("listing_id", ["uniq_id"], "uniq_id"),
        ("brand", ["price", "colour"], "NAME"),
    ],
)
def test_suggest_finds_the_likely_column(field: str, found: list[str], suggestion: str) -> None:
    assert suggest(field, found) == suggestion


def test_read_catalog_keeps_the_first_good_row_of_an_id(write: Write) -> None:
    catalog = read_catalog(write("listing_id,title\na,\na,first good\na,second\n01,x\n1,y\n"))
    assert [x.title for x in catalog.listings] == ["first good", "x", "y"]
    assert catalog.rows == (2, 4, 5)
    assert [(r.row, r.reason.split(":")[0]) for r in catalog.rejected] == [
        (1, "missing photo and title"),
        (3, "duplicate id"),
    ]
    assert "row 2" in catalog.rejected[1].reason


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    lines=st.lists(st.text(st.sampled_from('ab1,"\x00\t é'), max_size=12).filter(lambda line: line))
)
def test_read_catalog_accounts_for_every_row(write: Write, lines: list[str]) -> None:
    path = write("listing_id,title\n" + "\n".join(lines) + "\nlast,x\n")
    catalog = read_catalog(path)
    numbers = sorted([*catalog.rows, *(rejected.row for rejected in catalog.rejected)])
    assert numbers == list(range(1, catalog.n_rows + 1))
    assert len(catalog.rows) == len(catalog.listings)
    assert len({x.listing_id for x in catalog.listings}) == len(catalog.listings)
    if not any('"' in line for line in lines):
        assert catalog.n_rows == 1 + sum(bool(line.strip(",")) for line in lines)


def test_first_reasons_quotes_rows_in_order_and_nothing_where_all_is_well(write: Write) -> None:
    catalog = read_catalog(write("listing_id,title\na,A\nb,\na,C\n"))
    assert catalog.first_reasons(1) == f"Row 2: {catalog.rejected[0].reason}"
    assert "Row 3: duplicate id" in catalog.first_reasons()
    assert read_catalog(write("listing_id,title\na,A\n")).first_reasons() == ""


def test_reject_sets_more_rows_aside_in_a_new_catalog(write: Write, tmp_path: Path) -> None:
    catalog = read_catalog(write("listing_id,title\na,A\nb,\nc,C\nd,D\n"))
    fewer = catalog.reject({3: "truncated photo: c.jpg ends early", 1: "truncated photo: a.jpg"})
    assert [x.listing_id for x in fewer.listings] == ["d"]
    assert fewer.rows == (4,)
    assert [(r.row, r.listing_id) for r in fewer.rejected] == [(1, "a"), (2, "b"), (3, "c")]
    assert (
        fewer.summary()
        == "4 rows: 1 kept, 3 rejected (2 truncated photo, 1 missing photo and title)"
    )
    assert (len(catalog.listings), fewer.n_rows, catalog.reject({})) == (3, 4, catalog)
    with pytest.raises(ValueError, match=r"\[2, 9\]"):
        catalog.reject({2: "already rejected", 9: "no such row", 1: "fine"})

    fewer.write_rejected(tmp_path / "out" / "rejected.csv")
    with (tmp_path / "out" / "rejected.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[:2] == [["row", "listing_id", "reason"], ["1", "a", "truncated photo: a.jpg"]]
    assert len(rows) == 4


def test_summary_and_rejected_file_of_a_clean_catalog(tmp_path: Path) -> None:
    catalog = Catalog.from_listings([Listing(str(n), "t") for n in range(1234)])
    assert catalog.summary() == "1,234 rows: 1,234 kept, 0 rejected"
    catalog.write_rejected(tmp_path / "rejected.csv")
    assert (tmp_path / "rejected.csv").read_text().split() == ["row,listing_id,reason"]


def test_from_listings_checks_as_a_file_does(tmp_path: Path) -> None:
    photo = tmp_path / "a.jpg"
    photo.write_bytes(b"photo")
    catalog = Catalog.from_listings(
        [
            Listing("bytes", image=b"photo"),
            Listing("path", image=photo),
            Listing("text path", image=str(photo)),
            Listing("no bytes", image=b""),
            Listing("", "t"),
            Listing("path", "again"),
            Listing("url", image="https://shop.example/a.jpg"),
            Listing("nan", title=float("nan"), image=photo),  # type: ignore[arg-type]
            Listing("number", title=3.5),  # type: ignore[arg-type]
            Listing("category", "t", category="A >> B"),
        ]
    )
    assert catalog.source is None
    assert catalog.rows == (1, 2, 3, 8, 10)
    assert catalog.listings[0].image == b"photo"
    assert [x.image for x in catalog.listings[1:4]] == [photo.resolve()] * 3
    assert catalog.listings[4].category == "A > B"
    assert [r.kind for r in catalog.rejected] == [
        "missing photo and title",
        "missing listing_id",
        "duplicate id",
        "photo is a URL",
        "not text",
    ]
    outside = Catalog.from_listings([Listing("path", image=photo)], image_root=tmp_path / "sub")
    assert outside.rejected[0].kind == "photo outside the image folder"
    assert Catalog.from_listings([]).n_rows == 0


def test_write_listings_is_read_back_from_another_folder(tmp_path: Path) -> None:
    (tmp_path / "shop" / "photos").mkdir(parents=True)
    (tmp_path / "shop" / "photos" / "ä b.jpg").write_bytes(b"photo")
    listings = Catalog.from_listings(
        [
            Listing("01", ' "NA",\r\n x\r', "photos/ä b.jpg", "null", "\tB ", "A > B"),
            Listing("1", "=title", None),
        ],
        image_root=tmp_path / "shop",
    ).listings
    assert len(listings) == 2
    write_listings(tmp_path / "parts" / "train.csv", listings, tmp_path / "shop")
    again = read_catalog(tmp_path / "parts" / "train.csv", image_root=tmp_path / "shop")
    assert again.listings == listings
    assert "photos/ä b.jpg" in (tmp_path / "parts" / "train.csv").read_text("utf-8")


def test_write_listings_keeps_photos_that_are_no_files(tmp_path: Path) -> None:
    listings = (Listing("1", image=bytes(range(256)) * 1000), Listing("2", "t"))
    write_listings(tmp_path / "a.csv", listings, tmp_path)
    assert read_catalog(tmp_path / "a.csv").listings == listings


def test_write_listings_refuses_what_cannot_be_read_back(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"'8'.*elsewhere"):
        write_listings(tmp_path / "a.csv", [Listing("8", image="../elsewhere.jpg")], tmp_path)
    with pytest.raises(ValueError, match=r"a\.parquet"):
        write_listings(tmp_path / "a.parquet", [], tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.realdata
def test_read_catalog_keeps_all_real_listings(real_data: Path, tmp_path: Path) -> None:
    catalog = read_catalog(real_data / "flipkart" / "listings.csv", need_category=True)
    assert catalog.summary() == "786 rows: 786 kept, 0 rejected"
    assert all(isinstance(x.image, Path) and x.title and x.category for x in catalog.listings)
    write_listings(tmp_path / "copy.csv", catalog.listings, real_data / "flipkart")
    copy = read_catalog(tmp_path / "copy.csv", image_root=real_data / "flipkart")
    assert copy.listings == catalog.listings
