from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from shelfsure.catalog.sample import unpack_sample
from shelfsure.catalog.sample_sheet import contact_sheet
from shelfsure.core.errors import CatalogError


def test_contact_sheet_has_a_row_for_each_category(tmp_path: Path) -> None:
    unpack_sample(tmp_path / "shop", n_per_category=4)
    path = contact_sheet(tmp_path / "shop", tmp_path / "sheet.png", columns=12)
    with Image.open(path) as sheet:
        pixels = np.asarray(sheet.convert("RGB"))
    side = pixels.shape[0] // 12
    assert 1380 < pixels.shape[1] <= 1440
    for row in range(12):  # every row holds at least two photos
        for column in range(2):
            left = pixels.shape[1] - side * (12 - column)
            tile = pixels[row * side + 8 : (row + 1) * side - 8, left + 8 : left + side - 8]
            assert tile.mean() < 254


def test_contact_sheet_refuses_other_folders(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match=r"has no truth\.csv"):
        contact_sheet(tmp_path, tmp_path / "sheet.png")
    with pytest.raises(ValueError, match="got 0"):
        contact_sheet(tmp_path, tmp_path / "sheet.png", columns=0)
