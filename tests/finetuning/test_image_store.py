from pathlib import Path

import numpy as np
import pytest
from shelfsure.catalog.catalog import Catalog
from shelfsure.finetuning.image_store import (
    Framing,
    LazySquares,
    open_squares,
    prepare_squares,
)
from shelfsure.vision.load import PhotoLimits
from shelfsure.vision.preprocess import load_square

FRAMING = Framing(32, "border", PhotoLimits())
GIGABYTE = 1e9


@pytest.fixture
def sources(patterns: Catalog) -> list[object]:
    return [listing.image for listing in patterns.listings if listing.image is not None]


def test_prepare_squares_decodes_as_the_encoder_does(sources: list[object], tmp_path: Path) -> None:
    problems = prepare_squares(sources, FRAMING, tmp_path, max_bytes=GIGABYTE, progress=False)
    squares = open_squares(sources, FRAMING, tmp_path)
    assert list(problems) == [72]
    assert "photo" in problems[72]
    for row in (0, 41, 71):
        expected = load_square(sources[row], 32, 1.0, "border")  # type: ignore[arg-type]
        np.testing.assert_array_equal(squares[row], expected)


def test_prepare_squares_goes_on_where_it_was_stopped(
    sources: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = prepare_squares(sources, FRAMING, tmp_path, max_bytes=GIGABYTE, progress=False)
    done = np.memmap(tmp_path / "squares-done.u8", dtype=np.uint8, mode="r+")
    done[10:20] = 0
    done.flush()
    decoded = []
    load = Framing.load
    monkeypatch.setattr(Framing, "load", lambda self, s: decoded.append(s) or load(self, s))
    again = prepare_squares(sources, FRAMING, tmp_path, max_bytes=GIGABYTE, progress=False)
    assert again == first
    assert sorted(map(str, decoded)) == sorted(map(str, [*sources[10:20], sources[72]]))


def test_squares_beyond_the_size_are_decoded_when_asked_for(
    sources: list[object], tmp_path: Path
) -> None:
    assert list(prepare_squares(sources, FRAMING, tmp_path, max_bytes=0, progress=False)) == [72]
    squares = open_squares(sources, FRAMING, tmp_path)
    assert isinstance(squares, LazySquares)
    assert squares[3].shape == (32, 32, 3)
