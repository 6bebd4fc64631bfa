from pathlib import Path

import pytest
from shelfsure.catalog.photo_listings import photos_in
from shelfsure.core.errors import CatalogError


def test_photos_in_lists_photos_by_their_path_from_the_folder(tmp_path: Path) -> None:
    for name in ("b.JPG", "a/z.png", "a/y.webp", "c.tiff", "notes.txt", "jpg", "d.jpg.bak"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.jpg").mkdir()
    listings = photos_in(tmp_path)
    assert [x.listing_id for x in listings] == ["a/y.webp", "a/z.png", "b.JPG", "c.tiff"]
    assert [x.image for x in listings] == [tmp_path / x.listing_id for x in listings]
    assert {(x.title, x.category) for x in listings} == {(None, None)}
    assert photos_in(str(tmp_path)) == listings


def test_photos_in_needs_a_folder_with_photos(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(CatalogError, match=rf"{tmp_path.name} must hold photos \(.*\.jpg"):
        photos_in(tmp_path)
    with pytest.raises(CatalogError, match=r"notes\.txt isn't one"):
        photos_in(tmp_path / "notes.txt")
    with pytest.raises(CatalogError, match="nowhere isn't one"):
        photos_in(tmp_path / "nowhere")
