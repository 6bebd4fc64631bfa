import base64
import io
from pathlib import Path

import pytest
from PIL import Image
from shelfsure.vision.thumbnails import THUMBNAIL_PX, thumbnail_uri


def size_of(uri: str | None) -> tuple[int, int]:
    assert uri is not None
    with Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))) as image:
        return image.size


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A tall photo, turned upright by its metadata, which also says who took it, and where."""
    exif = Image.Exif()
    exif[0x0112], exif[0x013B] = 6, "Somebody"
    path = tmp_path / "photo.jpg"
    Image.new("RGB", (1200, 600), (10, 90, 200)).save(path, exif=exif, comment=b"Somewhere")
    return path


def test_thumbnail_uri_shrinks_upright_without_metadata(photo: Path) -> None:
    for source in (photo, str(photo), photo.read_bytes()):
        uri = thumbnail_uri(source)
        assert size_of(uri) == (THUMBNAIL_PX // 2, THUMBNAIL_PX)
        assert b"Some" not in base64.b64decode(str(uri).split(",")[1])
    assert size_of(thumbnail_uri(photo, side_px=50)) == (25, 50)


def test_thumbnail_uri_enlarges_only_where_asked(tmp_path: Path) -> None:
    Image.new("RGBA", (30, 20)).save(tmp_path / "small.png")
    assert size_of(thumbnail_uri(tmp_path / "small.png")) == (30, 20)
    assert size_of(thumbnail_uri(tmp_path / "small.png", side_px=60, enlarge=True)) == (60, 40)


def test_thumbnail_uri_of_nothing_to_show_is_none(tmp_path: Path) -> None:
    (tmp_path / "no.jpg").write_bytes(b"no photo")
    for source in (None, tmp_path / "gone.jpg", tmp_path / "no.jpg", b""):
        assert thumbnail_uri(source) is None
