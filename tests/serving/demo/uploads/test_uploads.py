import csv
import gzip
import zipfile
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image
from shelfsure.catalog.rows import RowError
from shelfsure.core.errors import CatalogError
from shelfsure.serving.demo.uploads import archives, uploads
from shelfsure.serving.demo.uploads.archives import keep_only, unpacked_bytes
from shelfsure.serving.demo.uploads.uploads import (
    PhotoNames,
    Workspace,
    read_outside,
    read_upload,
)

Members = dict[str, bytes]


@pytest.fixture
def inside(tmp_path: Path) -> Path:
    """Where photos are unpacked; a file beside it must never be touched or read."""
    (tmp_path / "server").mkdir()
    (tmp_path / "server/secret.jpg").write_bytes(b"secret")
    folder = tmp_path / "server/photos"
    folder.mkdir()
    return folder


def zipped(path: Path, members: Members, method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return path


def table(path: Path, images: list[str]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["listing_id", "title", "image"])
        writer.writerows([f"l{i}", f"lamp {i}", image] for i, image in enumerate(images))
    return path


def test_read_upload_refuses_rows_that_reach_outside(tmp_path: Path, inside: Path) -> None:
    archive = zipped(tmp_path / "p.zip", {"shop/a.jpg": b"a"})
    secret = (inside.parent / "secret.jpg").resolve()
    images = ["a.jpg", str(secret), "../secret.jpg", "shop/../../secret.jpg", "file:///etc/passwd"]
    upload = read_upload(table(tmp_path / "t.csv", images), archive, inside)
    assert [listing.image for listing in upload.catalog.listings] == [
        inside.resolve() / "shop/a.jpg"
    ]
    assert [bad.row for bad in upload.catalog.rejected] == [2, 3, 4, 5]
    assert [bad.kind for bad in upload.catalog.rejected] == [
        *["photo outside the image folder"] * 3,
        "photo is a URL",
    ]


def test_read_upload_keeps_a_folder_of_this_machine_to_itself(tmp_path: Path, inside: Path) -> None:
    (inside / "a.jpg").write_bytes(b"a")
    (inside / "link.jpg").symlink_to(inside.parent / "secret.jpg")
    images = ["a.jpg", "../secret.jpg", "link.jpg"]
    empty = tmp_path / "empty"
    empty.mkdir()
    upload = read_upload(table(tmp_path / "t.csv", images), inside, empty)
    assert len(upload.catalog.listings) == 1
    reasons = [bad.reason for bad in upload.catalog.rejected]
    assert "outside the image folder" in reasons[0]
    assert "links to outside the image folder" in reasons[1]


def test_read_upload_names_ambiguous_photos(tmp_path: Path, inside: Path) -> None:
    archive = zipped(tmp_path / "p.zip", {"x/a.jpg": b"1", "y/a.jpg": b"2"})
    upload = read_upload(table(tmp_path / "t.csv", ["a.jpg", "x/a.jpg"]), archive, inside)
    assert [bad.kind for bad in upload.catalog.rejected] == ["photo is not unique"]
    assert upload.catalog.rows == (2,)


def test_read_upload_without_photos_takes_titles(tmp_path: Path, inside: Path) -> None:
    upload = read_upload(table(tmp_path / "t.csv", ["", "a.jpg"]), None, inside)
    assert upload.catalog.rows == (1, 2)
    assert [listing.image for listing in upload.catalog.listings] == [None, None]
    assert upload.catalog.photo_problems.keys() == {2}
    untitled = tmp_path / "untitled.csv"
    untitled.write_text("listing_id,title,image\na,lamp,a.jpg\nb,,b.jpg\n", encoding="utf-8")
    [bad] = read_upload(untitled, None, inside).catalog.rejected
    assert "photo not found: 'b.jpg'" in bad.reason


def test_read_upload_says_no_path_and_no_option(tmp_path: Path, inside: Path) -> None:
    for text, problem in (
        ("idd,the names,the photos\n1,lamp,\n", "column `listing_id` is missing"),
        ("id,name,Name\n1,lamp,\n", "columns `name` and `Name` fit title equally"),
        ("id,Product Name,product_name\n1,lamp,\n", "columns `Product Name` and `product_name`"),
    ):
        (tmp_path / "t.csv").write_text(text)
        with pytest.raises(CatalogError, match=rf"^t\.csv: {problem}") as caught:
            read_upload(tmp_path / "t.csv", None, inside)
        assert str(tmp_path) not in str(caught.value)
        assert "--" not in str(caught.value)
    (tmp_path / "t.xlsx").write_text("x")
    with pytest.raises(CatalogError, match=r"^t\.xlsx: a catalogue must end in \.csv"):
        read_upload(tmp_path / "t.xlsx", None, inside)
    with pytest.raises(CatalogError, match="must lie in a folder of this machine"):
        read_upload(tmp_path / "t.csv", tmp_path / "nowhere", inside)


def test_read_upload_limits_rows_and_bytes(
    tmp_path: Path, inside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = table(tmp_path / "t.csv", [""] * 5)
    monkeypatch.setattr(uploads, "MAX_ROWS", 4)
    with pytest.raises(CatalogError, match="at most 4 rows, but has 5"):
        read_upload(path, None, inside)
    monkeypatch.setattr(uploads, "MAX_TABLE_BYTES", 50)
    with pytest.raises(CatalogError, match="at most 50 bytes"):
        read_upload(path, None, inside)


def test_read_upload_refuses_parquet_that_swells(
    tmp_path: Path, inside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = {"listing_id": [str(i) for i in range(500)], "title": ["x" * 20_000] * 500}
    pd.DataFrame(rows).to_parquet(tmp_path / "t.parquet")
    assert (tmp_path / "t.parquet").stat().st_size < 100_000
    monkeypatch.setattr(uploads, "MAX_TABLE_BYTES", 1_000_000)
    with pytest.raises(CatalogError, match="at most 1,000,000 bytes"):
        read_upload(tmp_path / "t.parquet", None, inside)
    monkeypatch.setattr(uploads, "MAX_ROWS", 100)
    with pytest.raises(CatalogError, match="at most 100 rows, but has 500"):
        read_upload(tmp_path / "t.parquet", None, inside)


def test_read_upload_refuses_a_packed_table_that_swells(
    tmp_path: Path, inside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "id,name\n" + "\n".join(f"{n},lamp" for n in range(9))
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(text.encode()))
    assert len(read_upload(tmp_path / "t.csv.gz", None, inside).catalog.listings) == 9
    monkeypatch.setattr(uploads, "MAX_TABLE_BYTES", len(text) - 1)
    with pytest.raises(CatalogError, match=f"at most {len(text) - 1} bytes"):
        read_upload(tmp_path / "t.csv.gz", None, inside)


def test_without_root_hides_the_folder(tmp_path: Path, inside: Path) -> None:
    upload = read_upload(table(tmp_path / "t.csv", [""]), None, inside)
    assert upload.without_root(f"{inside.resolve()}/a/b.jpg: bad") == "a/b.jpg: bad"


def test_read_outside_lists_photos_of_a_zip_or_says_its_name(tmp_path: Path, inside: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "cat.png")
    archive = zipped(tmp_path / "p.zip", {"x/cat.png": (tmp_path / "cat.png").read_bytes()})
    assert [item.listing_id for item in read_outside(archive, inside)] == ["x/cat.png"]
    assert [item.listing_id for item in read_outside(inside, tmp_path)] == ["x/cat.png"]
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(CatalogError, match=r"^none\.zip must hold photos"):
        read_outside(zipped(tmp_path / "none.zip", {"a.txt": b"x"}), other)


def test_locate_prefers_the_exact_path_then_the_path_below_then_the_name() -> None:
    names = PhotoNames(["a.jpg", "x/a.jpg", "x/only.jpg", "shop/p/b.jpg", "shop/q/b.jpg"])
    assert names.locate("a.jpg") == "a.jpg"
    assert names.locate("x/a.jpg") == "x/a.jpg"
    assert names.locate("./X\\A.JPG") == "x/a.jpg"
    assert names.locate("q/b.jpg") == "shop/q/b.jpg"
    assert names.locate("photos/only.jpg") == "x/only.jpg"
    assert names.locate("/x%2FONLY.jpg") == "x/only.jpg"
    assert names.locate("gone.jpg") == "gone.jpg"
    with pytest.raises(RowError, match=r"not unique: 'b\.jpg' may be 'shop/p/b\.jpg' or 'shop/q"):
        names.locate("b.jpg")


def test_locate_knows_an_accent_written_in_two_ways() -> None:
    assert PhotoNames(["caf\u00e9.jpg"]).locate("cafe\u0301.jpg") == "caf\u00e9.jpg"


@pytest.mark.parametrize(
    "written", ["../a.jpg", "%2e%2e/a.jpg", "x/../../a.jpg", "C:\\a.jpg", "https://x.org/a.jpg"]
)
def test_locate_leaves_what_leads_out_as_it_is(written: str) -> None:
    assert PhotoNames(["a.jpg"]).locate(written) == written


def test_unpacked_bytes_count_until_the_job_ends(
    tmp_path: Path, inside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = unpacked_bytes()
    photos = {f"{n}.jpg": bytes(1000) for n in range(10)}
    archive = zipped(tmp_path / "p.zip", photos)
    listed = table(tmp_path / "t.csv", ["0.jpg", "1.jpg"])
    upload = read_upload(listed, archive, inside)
    assert unpacked_bytes() - before == 10_000
    monkeypatch.setattr(archives, "MAX_UNPACKED_BYTES", before + 15_000)
    other = Workspace()
    with pytest.raises(CatalogError, match="no room for them now"):
        read_upload(listed, archive, other.folder("photos"))
    assert list(other.folder("photos").iterdir()) == []
    keep_only(inside, [Path(str(item.image)) for item in upload.catalog.listings])
    assert sorted(path.name for path in inside.iterdir()) == ["0.jpg", "1.jpg"]
    assert unpacked_bytes() - before == 2_000
    read_upload(listed, archive, other.folder("photos"))
    assert unpacked_bytes() - before == 12_000
    other.close()
    assert unpacked_bytes() - before == 2_000
    keep_only(inside, [])
    assert unpacked_bytes() == before
    assert (inside.parent / "secret.jpg").exists()
