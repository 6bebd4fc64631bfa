"""Photo paths as shops write them lead to the one photo that is meant, and never outside."""

import base64
from pathlib import Path

import pytest
from shelfsure.catalog.catalog import read_catalog
from shelfsure.catalog.photo_paths import PhotoFolder
from shelfsure.catalog.values import RowError
from shelfsure.serving.demo.uploads.uploads import PhotoNames

NAMES = ["media/M/mug 1.JPG", "media/M/Café.png", "a,b.jpg", "x/A.jpg", "x/a.jpg"]
SPELLINGS = {
    "media/M/mug 1.JPG": [
        "media/M/mug 1.JPG",
        "/media/m/mug 1.jpg",
        "media\\M\\MUG 1.JPG",
        "\\media\\m\\mug 1.jpg",
        "media%2FM%2Fmug%201.JPG",
        "./media//M/mug 1.JPG",
        " media/M/mug 1.JPG ",
    ],
    "media/M/Café.png": ["MEDIA/M/CAFE\u0301.PNG", "media/M/Caf%C3%A9.png"],
    "a,b.jpg": ["a,b.jpg", "/A,B.jpg"],
    "x/a.jpg": ["x/a.jpg", "/x/a.jpg"],
}
CASES = [(written, name) for name, spellings in SPELLINGS.items() for written in spellings]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    for name in NAMES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    return folder.resolve()


@pytest.mark.parametrize(("written", "name"), CASES)
def test_a_folder_and_a_zip_find_the_photo_that_is_meant(
    root: Path, written: str, name: str
) -> None:
    assert PhotoFolder(root).find(written) == root / name
    located = PhotoNames(NAMES).locate(written)
    assert PhotoFolder(root).find(located) == root / name


@pytest.mark.parametrize(
    "written",
    [
        "../secret.jpg",
        "/../secret.jpg",
        "..\\secret.jpg",
        "media/..%2f..%2Fsecret.jpg",
        "%2e%2e/secret.jpg",
        "/etc/hostname",
        "C:\\secret.jpg",
        "nowhere.jpg",
        "x\x00.jpg",
    ],
)
def test_nothing_leads_outside(root: Path, written: str) -> None:
    with pytest.raises(RowError, match=r"outside the image folder|photo not found"):
        PhotoFolder(root).find(written)


def test_a_link_in_another_spelling_leads_nowhere_either(root: Path) -> None:
    (root / "link.jpg").symlink_to(root.parent / "secret.jpg")
    with pytest.raises(RowError, match="links to outside"):
        PhotoFolder(root).find("/LINK.jpg")


def test_a_spelling_that_fits_two_photos_is_no_photo(root: Path) -> None:
    with pytest.raises(RowError, match=r"not unique: '/X/A\.JPG' may be 'A\.jpg' or 'a\.jpg'"):
        PhotoFolder(root).find("/X/A.JPG")


@pytest.mark.parametrize("mark", [",", ", ", "|", ";", " ; "])
def test_of_several_photos_the_first_counts(root: Path, mark: str) -> None:
    folder = PhotoFolder(root)
    assert folder.find(f"/x/a.jpg{mark}media/M/Café.png") == root / "x/a.jpg"
    assert folder.find('["x/a.jpg", "a,b.jpg"]') == root / "x/a.jpg"
    assert folder.photo(["x/a.jpg", "a,b.jpg"]) == root / "x/a.jpg"
    with pytest.raises(RowError, match="photo is a URL"):
        folder.find('["https://x.org/a.jpg", "a,b.jpg"]')


def test_photo_takes_bytes_and_base64_and_an_image_of_hugging_face(root: Path) -> None:
    folder = PhotoFolder(root)
    data = b"\xff\xd8\xff\xe0" + bytes(range(200))
    text = base64.b64encode(data).decode()
    wrapped = "\n".join(text[n : n + 76] for n in range(0, len(text), 76))
    for value in (
        data,
        bytearray(data),
        memoryview(data),
        text,
        wrapped,
        f"data:image/jpeg;base64,{text}",
        {"bytes": data, "path": "x.jpg"},
        {"bytes": data},
    ):
        assert folder.photo(value) == data
    assert folder.photo({"bytes": None, "path": "x/a.jpg"}) == root / "x/a.jpg"
    assert folder.photo({"bytes": None, "path": None}) is None
    assert folder.photo([{"src": "x/a.jpg", "position": 1}, {"src": "b"}]) == root / "x/a.jpg"
    for missing in (None, float("nan"), "", " ", b"", []):
        assert folder.photo(missing) is None
    with pytest.raises(RowError, match="broken base64"):
        folder.photo("data:image/jpeg;base64,AAA")


def test_read_catalog_goes_by_title_where_a_photo_cant_be_had(root: Path) -> None:
    path = root / "t.csv"
    path.write_text(
        "id,title,image\n1,mug,https://x.org/a.jpg\n2,,gone.jpg\n3,cup,x/a.jpg\n4,jug,no.jpg\n"
    )
    catalog = read_catalog(path)
    assert [x.listing_id for x in catalog.listings] == ["3"]
    catalog = read_catalog(path, on_photo_error="title")
    assert [(x.listing_id, x.image) for x in catalog.listings] == [
        ("1", None),
        ("3", root / "x/a.jpg"),
        ("4", None),
    ]
    assert [(row, why.split(":")[0]) for row, why in catalog.photo_problems.items()] == [
        (1, "photo is a URL"),
        (4, "photo not found"),
    ]
    assert [(bad.row, bad.kind) for bad in catalog.rejected] == [(2, "photo not found")]
    assert catalog.reject({3: "x"}).photo_problems == catalog.photo_problems
    catalog = read_catalog(path, photos=False)
    assert [(x.listing_id, x.image) for x in catalog.listings] == [
        ("1", None),
        ("3", None),
        ("4", None),
    ]
    assert [(bad.row, bad.kind) for bad in catalog.rejected] == [(2, "missing photo and title")]
