from pathlib import Path

from shelfsure.catalog.listing import Listing, UnusablePhoto
from shelfsure.serving.demo.jobs.listings import photo_files, with_photo_files


def test_photos_that_a_table_brought_along_become_files(tmp_path: Path) -> None:
    lost, path = UnusablePhoto("lost"), tmp_path / "x.jpg"
    listing = Listing("1", "lamp", b"photo", more_images=(lost, b"other", path))
    kept = with_photo_files(listing, tmp_path)
    assert isinstance(kept.image, Path)
    assert kept.image.read_bytes() == b"photo"
    assert kept.more_images[0] == lost
    assert isinstance(kept.more_images[1], Path)
    assert kept.more_images[1].read_bytes() == b"other"
    assert kept.more_images[2] == path
    assert with_photo_files(kept, tmp_path) is kept
    assert photo_files([kept, Listing("2", "rug"), listing]) == [kept.image]
