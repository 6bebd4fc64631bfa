"""Listings as tables give their fields."""

import base64
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from shelfsure.catalog.in_memory import tidied
from shelfsure.catalog.listing import Listing

NOTHING = [None, float("nan"), np.float64("nan"), pd.NA, pd.NaT]


@pytest.mark.parametrize("nothing", NOTHING)
def test_tidied_takes_what_a_table_calls_missing_as_missing(nothing: Any) -> None:
    fields = ("listing_id", "title", "image", "description", "brand", "category", "group")
    (kept,), defects = tidied([Listing(**dict.fromkeys(fields, nothing))])
    assert kept == Listing()
    assert defects == {}


@pytest.mark.parametrize(
    ("listing_id", "text"),
    [(1001, "1001"), (1001.0, "1001"), (0, "0"), (np.int64(7), "7"), ("007", "007"), (1.5, "1.5")],
)
def test_tidied_writes_ids_as_catalogues_do(listing_id: Any, text: str) -> None:
    assert tidied([Listing(listing_id)])[0][0].listing_id == text


def test_tidied_leaves_what_is_right_as_it_is() -> None:
    listings = [
        Listing("a", " A  title\n", "photo.jpg", "<b>text</b>", "", "A > B", "shop 1"),
        Listing("b", image=Path("photo.jpg")),
        Listing("c", image=b"bytes"),
        Listing("d", image=b""),  # no photo, as reading it will say
        Listing(),
    ]
    kept, defects = tidied(listings)
    assert all(one is other for one, other in zip(kept, listings, strict=True))
    assert defects == {}


def test_tidied_names_what_is_nothing_of_its_kind() -> None:
    kept, defects = tidied(
        [
            Listing("a", title=1984, image=bytearray(b"photo")),  # type: ignore[arg-type]
            Listing("b", title=["two", "titles"], image=3.5),  # type: ignore[arg-type]
            Listing("c", "fine", image={"x": 1}),  # type: ignore[arg-type]
            Listing("d", "fine", image=memoryview(b"")),  # type: ignore[arg-type]
        ]
    )
    assert kept[0] == Listing("a", "1984", b"photo")
    assert kept[1] == Listing("b")
    assert kept[2:] == [Listing("c", "fine"), Listing("d", "fine")]
    assert defects.keys() == {1, 2}
    assert defects[1].startswith("not text: title is [")
    assert defects[2] == (
        "not a photo: image must be a path or a file's bytes, got {'x': 1} of type dict"
    )


PHOTO = b"\xff\xd8\xff\xe0" + bytes(range(200))
WRITTEN = base64.b64encode(PHOTO).decode()


@pytest.mark.parametrize(
    "image",
    [
        WRITTEN,
        f"data:image/jpeg;base64,{WRITTEN}",
        "\n".join(WRITTEN[n : n + 76] for n in range(0, len(WRITTEN), 76)),
        {"bytes": PHOTO, "path": None},
        {"bytes": None, "path": WRITTEN},
        np.frombuffer(PHOTO, np.uint8),
    ],
)
def test_tidied_takes_a_photo_however_a_table_holds_its_bytes(image: Any) -> None:
    kept, defects = tidied(
        [Listing("a", "Mug", image), Listing("b", "Mug", b"x", more_images=(image,))]
    )
    assert defects == {}
    assert kept[0].image == PHOTO
    assert kept[1].more_images == (PHOTO,)


def test_tidied_says_what_is_wrong_with_broken_base64() -> None:
    _, defects = tidied([Listing("a", "Mug", "data:image/jpeg;base64,/9j/4A=A")])
    assert defects[0].startswith("broken base64: image is ")
