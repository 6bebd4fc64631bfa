"""Photos that are cheap to send and dear to decode."""

import io
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from PIL import Image
from shelfsure.core.errors import OversizedPhotoError
from shelfsure.vision import load
from shelfsure.vision.load import decode_photo


def jpeg_of_scans(n_more: int, side_px: int = 64) -> bytes:
    """A progressive JPEG whose last scan comes `n_more` times again."""
    buffer = io.BytesIO()
    Image.new("RGB", (side_px, side_px), "red").save(buffer, "JPEG", progressive=True)
    data = buffer.getvalue()
    last = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + last * n_more + b"\xff\xd9"


def test_decode_photo_takes_a_progressive_jpeg_of_the_largest_size() -> None:
    assert decode_photo(jpeg_of_scans(0), max_pixels=64 * 64).width_px == 64


def test_decode_photo_refuses_scans_without_end() -> None:
    with pytest.raises(OversizedPhotoError, match="at most 16 scans of 4,096 pixels, got 40"):
        decode_photo(jpeg_of_scans(30), max_pixels=64 * 64)
    assert decode_photo(jpeg_of_scans(30)).width_px == 64


def test_decode_photo_decodes_one_large_photo_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30)).save(buffer, "PNG")
    most = {True: 0, False: 0}
    inside, lock, together = 0, threading.Lock(), threading.Event()
    original = load._load_pixels

    def counted(*given: Any, **options: Any) -> None:
        nonlocal inside
        with lock:
            inside += 1
            most[large] = max(most[large], inside)
        together.wait(0.05)
        original(*given, **options)
        with lock:
            inside -= 1

    monkeypatch.setattr(load, "_load_pixels", counted)
    for large in (True, False):
        monkeypatch.setattr(load, "LARGE_PIXELS", 1_199 if large else 1_200)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: decode_photo(buffer.getvalue()), range(8)))
    assert most[True] == 1
    assert most[False] > 1
