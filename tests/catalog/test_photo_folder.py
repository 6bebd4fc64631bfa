"""A folder of photos as a catalogue."""

from pathlib import Path

import pytest
from PIL import Image
from shelfsure.catalog.catalog import read_catalog
from shelfsure.core.errors import CatalogError


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for name in ("Home/Lamps/a.png", "Home/Rugs/b.JPG", "c.png"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(path)
    return tmp_path / "photos"


def test_folders_are_categories(photos: Path) -> None:
    catalog = read_catalog(photos)
    assert [(one.listing_id, one.category) for one in catalog.listings] == [
        ("Home/Lamps/a.png", "Home > Lamps"),
        ("Home/Rugs/b.JPG", "Home > Rugs"),
        ("c.png", None),
    ]
    assert catalog.listings[0].image == photos.resolve() / "Home/Lamps/a.png"
    assert any("folder is its category" in note for note in catalog.notes)


def test_a_photo_without_a_folder_is_rejected_where_categories_are_needed(photos: Path) -> None:
    catalog = read_catalog(photos, need_category=True)
    assert [one.listing_id for one in catalog.rejected] == ["c.png"]
    with pytest.raises(CatalogError, match="category"):
        read_catalog(photos / "Home/Lamps", need_category=True)


def test_the_folder_may_be_the_current_one(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(photos)
    assert len(read_catalog(".").listings) == 3


def test_a_table_beside_photos_is_read_as_such(photos: Path) -> None:
    (photos / "part.csv").write_text("listing_id,title\n1,lamp\n")
    assert [one.title for one in read_catalog(photos).listings] == ["lamp"]
