from pathlib import Path

import pytest
from shelfsure.catalog.catalog import read_catalog
from shelfsure.catalog.sample import unpack_sample
from shelfsure.serving.demo.examples import (
    N_UPLOADS,
    example_labelled,
    example_uploads,
)
from shelfsure.serving.demo.uploads.uploads import read_outside, read_upload


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample") / "shop"
    unpack_sample(folder, n_per_category=4)
    return folder


@pytest.mark.parametrize("names", [["Kitchen > Mugs"], ["Kitchen & Dining"]])
def test_example_uploads_have_two_bad_rows(shop: Path, tmp_path: Path, names: list[str]) -> None:
    table, archive = example_uploads(shop, tmp_path, names, 2)
    (tmp_path / "in").mkdir()
    catalog = read_upload(table, archive, tmp_path / "in").catalog
    assert catalog.n_rows == N_UPLOADS + 2
    assert [bad.row for bad in catalog.rejected] == [6, 7]


def test_example_uploads_have_plain_titles_for_a_model_of_other_shops(
    shop: Path, tmp_path: Path
) -> None:
    def texts(*names: str) -> list[tuple[str | None, str | None]]:
        table, _ = example_uploads(shop, tmp_path, names, 2)
        rows = read_catalog(table, image_root=shop).listings
        return [(row.title, row.description) for row in rows]

    own, plain = texts("Kitchen > Mugs"), texts("Kitchen & Dining")
    assert [bool(title) for title, _ in own] == [bool(title) for title, _ in plain]
    assert any(description for _, description in own)
    assert not any(description for _, description in plain)
    assert len(set(plain) - {(title, None) for title, _ in own}) >= 3


def test_example_labelled_uses_the_samples_names_where_the_model_knows_them(
    shop: Path, tmp_path: Path
) -> None:
    names = ["Kitchen > Mugs", "Home > Vases"]
    table, archive, outside = example_labelled(shop, tmp_path, names, 2)
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    catalog = read_upload(table, archive, tmp_path / "in", need_category=True).catalog
    assert {listing.category for listing in catalog.listings} == set(names)
    assert len(read_outside(outside, tmp_path / "out")) == 24


def test_example_labelled_uses_the_starters_names_else(shop: Path, tmp_path: Path) -> None:
    names = ["Baby Care", "Computers", "Kitchen & Dining"]
    table, *_ = example_labelled(shop, tmp_path, names, 1)
    rows = read_catalog(table, image_root=shop, need_category=True)
    assert {listing.category for listing in rows.listings} == {"Computers", "Kitchen & Dining"}
    assert all(listing.description is None for listing in rows.listings)
    assert "Laptop with a 15 inch display, 512 GB" in {listing.title for listing in rows.listings}


def test_example_labelled_gives_something_to_a_model_that_knows_none_of_it(
    shop: Path, tmp_path: Path
) -> None:
    table, *_ = example_labelled(shop, tmp_path, ["Boats"], 1)
    assert read_catalog(table, image_root=shop).listings
