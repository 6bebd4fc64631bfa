import stat
import struct
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shelfsure.core.errors import CatalogError
from shelfsure.serving.demo.uploads import archives
from shelfsure.serving.demo.uploads.archives import unpack_photos

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


def files_of(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def test_unpack_photos_keeps_nested_folders_and_drops_litter(tmp_path: Path, inside: Path) -> None:
    members = {
        "shop/a.jpg": b"a",
        "shop/more/b.jpg": b"b",
        "shop/.DS_Store": b"x",
        "__MACOSX/shop/._a.jpg": b"x",
        "shop/._b.jpg": b"x",
        "кружка.jpg": b"c",
    }
    names = unpack_photos(zipped(tmp_path / "p.zip", members), inside)
    assert set(names) == files_of(inside) == {"shop/a.jpg", "shop/more/b.jpg", "кружка.jpg"}
    assert (inside / "shop/more/b.jpg").read_bytes() == b"b"


@pytest.mark.parametrize(
    "name",
    [
        "../evil.jpg",
        "a/../../evil.jpg",
        "/evil.jpg",
        "..\\evil.jpg",
        "\\\\host\\share\\evil.jpg",
        "C:\\evil.jpg",
        "c:evil.jpg",
        "a/..",
    ],
)
def test_unpack_photos_refuses_names_that_lead_out(tmp_path: Path, inside: Path, name: str) -> None:
    archive = zipped(tmp_path / "p.zip", {"good.jpg": b"a", name: b"evil"})
    with pytest.raises(CatalogError, match=r"p\.zip: every file must lie inside.*leads out"):
        unpack_photos(archive, inside)
    assert files_of(tmp_path) == {"p.zip", "server/secret.jpg"}


@given(names=st.lists(st.text("ab./\\:~\x01é", min_size=1, max_size=8), min_size=1, max_size=4))
def test_unpack_photos_never_writes_outside(
    tmp_path_factory: pytest.TempPathFactory, names: list[str]
) -> None:
    root = tmp_path_factory.mktemp("fuzz")
    inside = root / "in/side"
    inside.mkdir(parents=True)
    archive = zipped(root / "p.zip", dict.fromkeys(names, b"x"))
    try:
        unpacked = set(unpack_photos(archive, inside))
    except CatalogError:
        unpacked = files_of(inside)  # some may be there before the one that can't be written
    assert files_of(root) == {"p.zip", *(f"in/side/{name}" for name in unpacked)}


def test_unpack_photos_refuses_links(tmp_path: Path, inside: Path) -> None:
    link = zipfile.ZipInfo("link.jpg")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as archive:
        archive.writestr(link, "../secret.jpg")
    with pytest.raises(CatalogError, match=r"'link\.jpg' is a link"):
        unpack_photos(tmp_path / "p.zip", inside)
    assert not any(inside.iterdir())


def test_unpack_photos_refuses_passwords(tmp_path: Path, inside: Path) -> None:
    path = zipped(tmp_path / "p.zip", {"a.jpg": b"abc"})
    data = bytearray(path.read_bytes())
    data[data.find(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(CatalogError, match=r"must have no password, but 'a\.jpg'"):
        unpack_photos(path, inside)


def test_unpack_photos_refuses_other_methods(tmp_path: Path, inside: Path) -> None:
    path = zipped(tmp_path / "p.zip", {"a.jpg": b"abc"}, zipfile.ZIP_LZMA)
    with pytest.raises(CatalogError, match=r"stored or deflated.*method 14"):
        unpack_photos(path, inside)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("names", [["a.jpg", "a.jpg"], ["x/a.jpg", "x\\a.jpg"]])
def test_unpack_photos_refuses_the_same_place_twice(
    tmp_path: Path, inside: Path, names: list[str]
) -> None:
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name), "1")
    with pytest.raises(CatalogError, match="is there twice"):
        unpack_photos(tmp_path / "p.zip", inside)


def test_unpack_photos_takes_a_file_and_a_folder_of_one_name_for_damaged(
    tmp_path: Path, inside: Path
) -> None:
    path = zipped(tmp_path / "p.zip", {"a": b"1", "a/b.jpg": b"2"})
    with pytest.raises(CatalogError, match=r"p\.zip: its files must be storable"):
        unpack_photos(path, inside)


def test_unpack_photos_keeps_to_its_limits(
    tmp_path: Path, inside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = zipped(tmp_path / "p.zip", {"a.jpg": b"x" * 600, "b.jpg": b"y" * 600})
    for name, exactly, said in (
        ("MAX_FILES", 2, "at most 1 files"),
        ("MAX_FILE_BYTES", 600, r"at most 599 bytes, but 'a\.jpg' declares 600"),
        ("MAX_TOTAL_BYTES", 1200, r"1,199 bytes unpacked, but declares 1,200"),
    ):
        monkeypatch.setattr(archives, name, exactly - 1)
        with pytest.raises(CatalogError, match=said):
            unpack_photos(path, inside)
        assert not any(inside.iterdir())
        monkeypatch.setattr(archives, name, exactly)
    assert unpack_photos(path, inside) == ["a.jpg", "b.jpg"]


def test_unpack_photos_refuses_a_bomb_by_its_ratio(tmp_path: Path, inside: Path) -> None:
    path = zipped(tmp_path / "p.zip", {"a.bmp": bytes(11_000_000)})
    with pytest.raises(CatalogError, match=r"shrink at most 200 times, but 'a\.bmp' goes from"):
        unpack_photos(path, inside)
    assert not any(inside.iterdir())


def test_unpack_photos_counts_bytes_whatever_is_declared(tmp_path: Path, inside: Path) -> None:
    path = zipped(tmp_path / "p.zip", {"a.jpg": b"x" * 100_000})
    data = bytearray(path.read_bytes())
    for mark, place in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        struct.pack_into("<I", data, data.find(mark) + place, 10)  # the size unpacked
    path.write_bytes(data)
    with pytest.raises(CatalogError, match="must be a whole zip file"):
        unpack_photos(path, inside)
    assert sum(p.stat().st_size for p in inside.rglob("*")) <= 10


def test_unpack_photos_refuses_a_huge_directory_unread(
    tmp_path: Path, inside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "MAX_FILES", 5)
    path = zipped(tmp_path / "p.zip", {f"{i:0200}.jpg": b"" for i in range(30)})
    with pytest.raises(CatalogError, match="at most 5 files"):
        unpack_photos(path, inside)


@pytest.mark.parametrize("data", [b"", b"no zip", b"PK\x03\x04" + bytes(50), b"PK\x05\x06"])
def test_unpack_photos_refuses_what_is_no_zip(tmp_path: Path, inside: Path, data: bytes) -> None:
    (tmp_path / "p.zip").write_bytes(data)
    with pytest.raises(CatalogError, match=r"p\.zip: must be a whole zip file"):
        unpack_photos(tmp_path / "p.zip", inside)


def test_unpack_photos_refuses_damage(tmp_path: Path, inside: Path) -> None:
    path = zipped(tmp_path / "p.zip", {"a.jpg": bytes(range(256)) * 40})
    data = bytearray(path.read_bytes())
    data[60:80] = b"\xff" * 20
    path.write_bytes(data)
    with pytest.raises(CatalogError, match="must be a whole zip file"):
        unpack_photos(path, inside)


def test_unpack_photos_leaves_room_on_the_disk(
    tmp_path: Path, inside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = zipped(tmp_path / "photos.zip", {"a.jpg": b"a" * 1_000})
    free = SimpleNamespace(free=200_000_999)
    monkeypatch.setattr("shelfsure.serving.demo.uploads.archives.shutil.disk_usage", lambda _: free)
    with pytest.raises(CatalogError, match="its 1,000 bytes, unpacked"):
        unpack_photos(archive, inside)
    assert not list(inside.iterdir())
    free.free += 1
    assert unpack_photos(archive, inside) == ["a.jpg"]
