"""Ids of a taxonomy's file become paths, and come back with verdicts."""

from pathlib import Path

import pytest
from shelfsure.catalog.catalog import read_catalog
from shelfsure.catalog.taxonomy_file import read_taxonomy
from shelfsure.core.errors import CatalogError

TEXT = """# Google_Product_Taxonomy_Version: 2021-09-21
536 - Home & Garden
604 - Home & Garden >  Lighting

2809 - Home & Garden > Lighting > Lamps
"""


@pytest.fixture
def taxonomy(tmp_path: Path) -> Path:
    path = tmp_path / "taxonomy.txt"
    path.write_text("\ufeff" + TEXT, encoding="utf-8")
    return path


def test_read_taxonomy_maps_ids_to_paths(taxonomy: Path) -> None:
    assert read_taxonomy(taxonomy) == {
        "536": "Home & Garden",
        "604": "Home & Garden > Lighting",
        "2809": "Home & Garden > Lighting > Lamps",
    }


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("Home & Garden", r"line 7, 'Home & Garden', isn't that"),
        ("12 - > >", "line 7, '12 - > >', isn't that"),
        ("604 - Other", "line 7, '604 - Other', stands there twice"),
        ("9 - Home & Garden", "line 7, '9 - Home & Garden', stands there twice"),
    ],
)
def test_read_taxonomy_names_the_line_that_is_wrong(line: str, what: str, tmp_path: Path) -> None:
    path = tmp_path / "taxonomy.txt"
    path.write_text(f"{TEXT}\n{line}\n")
    with pytest.raises(CatalogError, match=what):
        read_taxonomy(path)


def test_read_taxonomy_needs_a_file_with_lines(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("# nothing\n")
    (tmp_path / "latin.txt").write_bytes(b"1 - Caf\xe9")
    for name, what in (("empty.txt", "has none"), ("latin.txt", "in UTF-8"), ("no", "No such")):
        with pytest.raises(CatalogError, match=what):
            read_taxonomy(tmp_path / name)


def test_read_catalog_takes_ids_for_paths_and_rejects_unknown_ones(
    taxonomy: Path, tmp_path: Path
) -> None:
    shop = tmp_path / "shop.csv"
    shop.write_text("listing_id,title,category\na,x,604\nb,y,604.0\nc,z,Toys > Kites\nd,q,7\n")
    catalog = read_catalog(shop, need_category=True, category_taxonomy=taxonomy)
    assert [each.category for each in catalog.listings] == [
        "Home & Garden > Lighting",
        "Home & Garden > Lighting",
        "Toys > Kites",
    ]
    assert [bad.reason for bad in catalog.rejected] == [
        "unknown category id: '7' isn't in the taxonomy's file"
    ]
    free = read_catalog(shop, category_taxonomy=taxonomy)
    assert (free.listings[3].category, len(free.rejected)) == ("7", 0)
