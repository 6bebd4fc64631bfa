"""EXIF tags read one by one, against Pillow's own reading and writing."""

import io
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from shelfsure.vision.capture import capture_of
from shelfsure.vision.exif import Capture, exif_capture

TAKEN = datetime(2026, 3, 4, 15, 16, 17)


def photo(kind: str = "JPEG", camera: str | None = "Phone 7", taken: str | None = None) -> bytes:
    exif = Image.Exif()
    exif[0x0132] = "2020:01:01 00:00:00"  # when the file was changed, which tells nothing
    if camera is not None:
        exif[0x0110] = camera
    if taken is not None:
        exif.get_ifd(0x8769)[0x9003] = taken
    file = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(file, kind, exif=exif)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WebP"])
@pytest.mark.parametrize("camera", ["Phone 7", "X1", ""])
def test_capture_of_reads_time_and_camera_as_pillow_wrote_them(kind: str, camera: str) -> None:
    data = photo(kind, camera, f"{TAKEN:%Y:%m:%d %H:%M:%S}")
    assert capture_of(data) == Capture(camera, TAKEN)


def test_capture_of_reads_files_from_their_start_alone(tmp_path: Path) -> None:
    data = photo(taken=f"{TAKEN:%Y:%m:%d %H:%M:%S}")
    (tmp_path / "a.jpg").write_bytes(data + bytes(2**20))
    assert capture_of(tmp_path / "a.jpg") == Capture("Phone 7", TAKEN)
    assert capture_of(str(tmp_path / "a.jpg")) == Capture("Phone 7", TAKEN)


@pytest.mark.parametrize("taken", [None, "", "0000:00:00 00:00:00", "yesterday", "2026-03-04"])
def test_capture_of_is_none_where_no_time_is_told(taken: str | None) -> None:
    assert capture_of(photo(taken=taken)) is None


def test_capture_of_is_none_where_there_is_no_photo(tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("no photo")
    for source in (
        None,
        b"",
        b"\xff\xd8\xff",
        tmp_path / "gone.jpg",
        tmp_path,
        tmp_path / "text.jpg",
    ):
        assert capture_of(source) is None


@given(st.binary(max_size=80))
def test_exif_capture_survives_any_bytes(data: bytes) -> None:
    for start in (b"", b"II*\0", b"MM\0*", b"II*\0\x08\0\0\0"):
        found = exif_capture(b"Exif\0\0" + start + data)
        assert found is None or isinstance(found.taken, datetime)
