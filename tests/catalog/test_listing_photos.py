"""Several photos of a listing are one listing, however they are written."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shelfsure.catalog.catalog import Catalog, read_catalog
from shelfsure.catalog.export import write_listings
from shelfsure.catalog.in_memory import tidied
from shelfsure.catalog.listing import MAX_PHOTOS, Listing, UnusablePhoto, numbered_photo
from shelfsure.catalog.listing_photos import find_photos
from shelfsure.catalog.photo_paths import PhotoFolder
from shelfsure.catalog.values import RowError

NAMES = tuple(f"{letter}.jpg" for letter in "abcdefgh")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for name in (*NAMES, "x,y.jpg"):
        (folder / name).write_bytes(name.encode())
    return folder.resolve()


WAYS = {
    "comma": ",".join,
    "comma and space": ", ".join,
    "bar": "|".join,
    "semicolon": "; ".join,
    "json": json.dumps,
    "json objects": lambda names: json.dumps([{"src": name} for name in names]),
    "list": list,
    "array": np.array,
    "blanks between": ",, ".join,
}


@given(names=st.lists(st.sampled_from(NAMES), min_size=1, max_size=8, unique=True))
@pytest.mark.parametrize("way", WAYS)
def test_every_way_of_writing_photos_gives_one_listing(
    root: Path, way: str, names: list[str]
) -> None:
    main, more = find_photos(PhotoFolder(root), WAYS[way](names))
    assert (main, more) == (root / names[0], tuple(root / name for name in names[1:]))
    in_columns = find_photos(PhotoFolder(root), names[0], [WAYS[way](names[1:]), None, "", names])
    assert in_columns == (main, more)


@given(
    named=st.lists(st.sampled_from((*NAMES, "lost.jpg", "https://shop.example/a.jpg")), max_size=9)
)
def test_the_first_photo_that_is_there_is_the_main_one(root: Path, named: list[str]) -> None:
    there = list(dict.fromkeys(name for name in named if name in NAMES))
    if named and not there:
        with pytest.raises(RowError, match=r"not found|is a URL"):
            find_photos(PhotoFolder(root), "|".join(named))
        return
    main, more = find_photos(PhotoFolder(root), "|".join(named))
    assert main == (root / there[0] if there else None)
    assert [one for one in more if isinstance(one, Path)] == [root / name for name in there[1:]]
    lost = [one for one in more if isinstance(one, UnusablePhoto)]
    assert len(lost) == len({name for name in named if name not in NAMES})
    first = named.index(there[0]) if there else 0
    assert sum(one.stood_in_for for one in lost) == len(set(named[:first]) - set(NAMES))


def test_one_photo_stays_as_it_was(root: Path) -> None:
    folder = PhotoFolder(root)
    assert find_photos(folder, "x,y.jpg") == (root / "x,y.jpg", ())
    assert find_photos(folder, "/X,Y.JPG") == (root / "x,y.jpg", ())
    assert find_photos(folder, b"bytes") == (b"bytes", ())
    assert find_photos(folder, None) == find_photos(folder, float("nan")) == (None, ())
    for lost in ("lost.jpg", "../a.jpg", "https://shop.example/w_300,h_300/1.jpg"):
        with pytest.raises(RowError) as expected:
            folder.photo(lost)
        with pytest.raises(RowError) as found:
            find_photos(folder, lost)
        assert str(found.value) == str(expected.value)


def test_lost_further_photos_reject_no_listing_that_names_no_main_one(root: Path) -> None:
    main, more = find_photos(PhotoFolder(root), None, ["lost.jpg", ""])
    assert main is None
    assert [type(one) for one in more] == [UnusablePhoto]
    assert find_photos(PhotoFolder(root), "", ["lost.jpg", "a.jpg"])[0] == root / "a.jpg"


def test_a_further_photo_leads_no_more_out_of_the_folder_than_the_main_one(root: Path) -> None:
    main, more = find_photos(PhotoFolder(root), "a.jpg, ../secret.jpg, /etc/hostname")
    assert main == root / "a.jpg"
    assert all(isinstance(one, UnusablePhoto) for one in more)
    assert [one.why for one in more if isinstance(one, UnusablePhoto)] == [
        "photo outside the image folder: '../secret.jpg'",
        "photo outside the image folder: '/etc/hostname'",
    ]


def test_a_cell_of_many_photos_is_cut_and_the_rest_counted(root: Path) -> None:
    for n in range(40):
        (root / f"n{n}.jpg").write_bytes(b"x")
    main, more = find_photos(PhotoFolder(root), ",".join(f"n{n}.jpg" for n in range(40)))
    assert main == root / "n0.jpg"
    assert more[: MAX_PHOTOS - 1] == tuple(root / f"n{n}.jpg" for n in range(1, MAX_PHOTOS))
    [rest] = more[MAX_PHOTOS - 1 :]
    assert isinstance(rest, UnusablePhoto)
    assert rest.n == 40 - MAX_PHOTOS


COLUMNS = {
    "magento": {"base_image": "a.jpg", "additional_images": "a.jpg,b.jpg,c.jpg"},
    "merchant": {"image_link": "a.jpg", "additional_image_link": "b.jpg,c.jpg"},
    "woocommerce": {"Images": "a.jpg, b.jpg, c.jpg"},
    "amazon": {
        "main_image_url": "a.jpg",
        "other_image_url1": "b.jpg",
        "other_image_url2": "c.jpg",
        "other_image_url3": "",
    },
    "numbered": {"image1": "a.jpg", "image2": "b.jpg", "image3": "c.jpg"},
    "ours": {"image": "a.jpg", "more_images": '["b.jpg", "c.jpg"]'},
    "further alone": {"additional_images": "a.jpg|b.jpg|c.jpg"},
}


@pytest.mark.parametrize("shop", COLUMNS)
def test_columns_of_further_photos_are_taken_and_named(
    root: Path, tmp_path: Path, shop: str
) -> None:
    own = COLUMNS[shop] | {"additional_image_labels": "d.jpg"}
    with (tmp_path / "shop.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([["sku", "name", *own], ["1", "Mug", *own.values()]])
    catalog = read_catalog(tmp_path / "shop.csv", image_root=root)
    [listing] = catalog.listings
    assert (listing.image, listing.more_images) == (
        root / "a.jpg",
        (root / "b.jpg", root / "c.jpg"),
    )
    if shop == "amazon":
        said = "more_images from other_image_url1 + other_image_url2 + other_image_url3"
        assert said in catalog.columns
    assert ("more_images" in catalog.columns) is (shop != "woocommerce")


def test_columns_of_further_photos_can_be_named(root: Path, tmp_path: Path) -> None:
    (tmp_path / "shop.csv").write_text("id,title,image,back,side\n1,Mug,a.jpg,b.jpg,c.jpg\n")
    named = {"more_images": ["side", "back"]}
    [listing] = read_catalog(tmp_path / "shop.csv", image_root=root, columns=named).listings
    assert listing.more_images == (root / "c.jpg", root / "b.jpg")
    [plain] = read_catalog(tmp_path / "shop.csv", image_root=root).listings
    assert plain == Listing("1", "Mug", root / "a.jpg")


def test_a_split_part_keeps_all_photos(root: Path, tmp_path: Path) -> None:
    more = (root / "b.jpg", UnusablePhoto("lost"), b"own bytes")
    listings = [Listing("1", "Mug", root / "a.jpg", more_images=more), Listing("2", "Cup")]
    write_listings(tmp_path / "part.csv", listings, root)
    back = read_catalog(tmp_path / "part.csv", image_root=root).listings
    assert back[0].image == root / "a.jpg"
    assert back[0].more_images == (root / "b.jpg", b"own bytes")
    write_listings(tmp_path / "plain.csv", [Listing("2", "Cup", root / "a.jpg")], root)
    assert "more_images" not in (tmp_path / "plain.csv").read_text()


@pytest.mark.parametrize(
    ("given_listing", "image", "more"),
    [
        (Listing(image="a"), "a", ()),
        (Listing(image=["a", "b"]), "a", ("b",)),  # type: ignore[arg-type]
        (Listing(image=None, more_images=("a", "b")), "a", ("b",)),
        (Listing(image="a", more_images=["b", None, "a"]), "a", ("b",)),  # type: ignore[arg-type]
        (Listing(image="a", more_images=float("nan")), "a", ()),  # type: ignore[arg-type]
        (Listing(image="a", more_images=bytearray(b"b")), "a", (b"b",)),  # type: ignore[arg-type]
    ],
)
def test_listings_made_in_memory_may_have_several_photos(
    given_listing: Listing, image: Any, more: Any
) -> None:
    [found], defects = tidied([given_listing])
    assert (found.image, found.more_images, defects) == (image, more, {})


def test_what_is_no_photo_is_said_in_memory_too() -> None:
    [found, lost], defects = tidied([Listing(image="a", more_images=(7,)), Listing(image=[7, 8])])  # type: ignore[arg-type]
    [why] = found.more_images
    assert isinstance(why, UnusablePhoto)
    assert "got 7 of type int" in why.why
    assert lost.image is None
    assert "got 7 of type int" in defects[1]


def test_a_catalogue_in_memory_keeps_further_photos(root: Path) -> None:
    more = (root / "b.jpg", root / "lost.jpg")
    [listing] = Catalog.from_listings(
        [Listing("1", None, root / "a.jpg", more_images=more)]
    ).listings
    assert listing.more_images[0] == root / "b.jpg"
    assert isinstance(listing.more_images[1], UnusablePhoto)
    assert numbered_photo(listing, 2) == root / "b.jpg"
    assert numbered_photo(listing, 3) == root / "a.jpg"
