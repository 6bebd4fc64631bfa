import csv
import shutil
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import shelfsure.catalog.sample as module
from PIL import Image
from shelfsure.catalog.catalog import read_catalog
from shelfsure.catalog.sample import (
    SAMPLE_ZIP,
    SampleSummary,
    read_records,
    read_sample,
    sample_fingerprint,
    unpack_sample,
)
from shelfsure.core.errors import CatalogError, ConfigError, OutputError

Records = list[dict[str, str]]
MAX_BYTES = 4_500_000
COLUMNS = ["listing_id", "title", "description", "brand", "category", "image"]


@pytest.fixture(scope="module", params=[None, 4, 10], ids=["whole", "4", "10"])
def n_per_category(request: pytest.FixtureRequest) -> int | None:
    return request.param


@pytest.fixture(scope="module")
def sample(n_per_category: int | None, tmp_path_factory: pytest.TempPathFactory) -> SampleSummary:
    return unpack_sample(tmp_path_factory.mktemp("sample"), n_per_category=n_per_category)


@pytest.fixture(scope="module")
def truth(sample: SampleSummary) -> Records:
    return read_records(sample.directory / "truth.csv")


@pytest.fixture(scope="module")
def listings(sample: SampleSummary) -> dict[str, dict[str, str]]:
    both = [read_records(sample.directory / name) for name in ("catalogue.csv", "uploads.csv")]
    return {row["listing_id"]: row for rows in both for row in rows}


def names_below(directory: Path) -> set[str]:
    return {p.relative_to(directory).as_posix() for p in directory.rglob("*") if p.is_file()}


def test_sample_zip_is_small() -> None:
    assert 1_000_000 < SAMPLE_ZIP.stat().st_size < MAX_BYTES


def test_unpack_sample_writes_what_the_zip_holds(tmp_path: Path) -> None:
    unpack_sample(tmp_path / "shop")
    with zipfile.ZipFile(SAMPLE_ZIP) as archive:
        assert names_below(tmp_path / "shop") == set(archive.namelist())
        for name in archive.namelist():
            assert (
                (tmp_path / "shop" / name).read_bytes() == archive.read(name) == read_sample(name)
            )


def test_unpack_sample_fills_every_category_equally(
    sample: SampleSummary, n_per_category: int | None
) -> None:
    rows = read_records(sample.directory / "catalogue.csv")
    counts = Counter(row["category"] for row in rows)
    assert len(counts) == 12
    assert set(counts.values()) == {n_per_category or 40}
    assert len({category.split(" > ")[0] for category in counts}) == 4
    assert list(rows[0]) == COLUMNS


def test_unpack_sample_hides_the_uploads_categories(sample: SampleSummary) -> None:
    rows = read_records(sample.directory / "uploads.csv")
    assert len(rows) == sample.n_uploads > 50
    assert {row["category"] for row in rows} == {""}


def test_unpack_sample_tells_the_truth_about_every_listing(
    truth: Records, listings: dict[str, dict[str, str]]
) -> None:
    assert [row["listing_id"] for row in truth] == list(listings)
    for row in truth:
        assert row["kind"] in {"listing", "near_duplicate", "variant", "outsider"}
        assert (row["category"] == "") == (row["kind"] == "outsider")
        given = listings[row["listing_id"]]
        if row["file"] == "catalogue.csv":
            assert given["category"] == row["category"]
        assert (given["title"] == "") == ("missing_title" in row["note"])
        assert (given["image"] == "") == ("missing_photo" in row["note"])
        assert given["title"] or given["image"]


def test_unpack_sample_keeps_copies_with_their_originals(
    truth: Records, listings: dict[str, dict[str, str]]
) -> None:
    kinds = {row["listing_id"]: row for row in truth}
    planted = [row for row in truth if row["kind"] in {"near_duplicate", "variant"}]
    in_catalogue = Counter(
        (row["category"], row["kind"]) for row in planted if row["file"] == "catalogue.csv"
    )
    assert len(in_catalogue) == 24
    assert {row["file"] for row in planted} == {"catalogue.csv", "uploads.csv"}
    for row in planted:
        source = kinds[row["of_listing_id"]]
        assert source["file"] == "catalogue.csv"
        assert source["kind"] == "listing"
        assert source["category"] == row["category"]
        assert listings[source["listing_id"]]["image"]
        assert listings[source["listing_id"]]["title"]
        if row["kind"] == "variant":
            titles = {listings[row[key]]["title"] for key in ("listing_id", "of_listing_id")}
            assert len(titles) == 2
    assert all(row["of_listing_id"] == "" for row in truth if row not in planted)


def test_unpack_sample_has_one_upload_of_each_kind_from_ten_a_category(
    truth: Records, n_per_category: int | None
) -> None:
    copied = {
        (row["category"], row["kind"])
        for row in truth
        if row["file"] == "uploads.csv" and row["of_listing_id"]
    }
    assert len(copied) == 24 or n_per_category == 4


def test_unpack_sample_repeats_the_photo_of_same_photo_variants(
    sample: SampleSummary, truth: Records, listings: dict[str, dict[str, str]]
) -> None:
    seen = Counter[str]()
    for row in truth:
        if row["of_listing_id"]:
            one, other = (
                (sample.directory / listings[row[key]]["image"]).read_bytes()
                for key in ("listing_id", "of_listing_id")
            )
            same = "same photo" in row["note"]
            assert (one == other) == same, row
            seen[row["kind"] + str(same)] += 1
    assert set(seen) == {"near_duplicateFalse", "variantTrue", "variantFalse"}


def test_unpack_sample_counts_what_it_wrote(
    sample: SampleSummary, truth: Records, listings: dict[str, dict[str, str]]
) -> None:
    kinds = Counter(row["kind"] for row in truth)
    assert sample.n_listings + sample.n_uploads == len(truth)
    assert sample.n_near_duplicates == kinds["near_duplicate"]
    assert sample.n_variants == kinds["variant"]
    assert sample.n_outsiders == kinds["outsider"] == 24
    images = {row["image"] for row in listings.values() if row["image"]}
    assert sample.n_photos == len(images)
    outside = {name for name in names_below(sample.directory) if name.startswith("outside/")}
    assert sample.n_outside == len(outside) == 24
    tables = {"catalogue.csv", "uploads.csv", "truth.csv", "README.md"}
    assert names_below(sample.directory) == images | outside | tables
    assert sample.n_missing_photos == len(truth) - len(images)
    assert sample.n_missing_titles == sum(not row["title"] for row in listings.values()) > 0


def test_sample_is_a_catalogue_without_a_bad_row_or_photo(
    sample: SampleSummary, n_per_category: int | None
) -> None:
    catalog = read_catalog(sample.directory / "catalogue.csv", need_category=True)
    assert len(catalog.listings) == sample.n_listings
    assert not catalog.rejected
    sizes = set()
    paths = sorted(sample.directory.rglob("*.jpg"))
    assert len(paths) == sample.n_photos + sample.n_outside
    for path in paths if n_per_category is None else paths[::20]:
        with Image.open(path) as photo:
            assert photo.format == "JPEG"
            assert max(photo.size) >= 300  # or it counts as too small
            assert np.asarray(photo).std() > 4
            sizes.add(photo.size)
    assert len(sizes) > 2


def test_unpack_sample_takes_an_empty_folder(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    assert unpack_sample(folder, n_per_category=4).directory == folder
    assert [path.name for path in folder.parent.iterdir()] == ["b"]
    assert (folder.stat().st_mode & 0o077) == (tmp_path / "a").stat().st_mode & 0o077


def test_unpack_sample_refuses_a_folder_with_something_in_it(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ConfigError, match=r"holds something else \(thesis.txt\)"):
        unpack_sample(tmp_path)
    with pytest.raises(ConfigError, match=r"\(a file\)"):
        unpack_sample(tmp_path / "thesis.txt")
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_unpack_sample_refuses_too_few_listings(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="got 3"):
        unpack_sample(tmp_path, n_per_category=3)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device")])
@pytest.mark.parametrize("step", ["extract", "rename"])
def test_unpack_sample_leaves_nothing_when_it_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, error: BaseException
) -> None:
    calls = 0
    copy = shutil.copyfileobj

    def failing(*arguments: object, **options: object) -> None:
        nonlocal calls
        calls += 1
        if calls > (20 if step == "extract" else 0):
            raise error
        copy(*arguments, **options)  # type: ignore[arg-type]

    if step == "extract":
        monkeypatch.setattr(shutil, "copyfileobj", failing)
    else:
        monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises((KeyboardInterrupt, OutputError)):
        unpack_sample(tmp_path / "sample")
    assert calls
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", ["changed", "cut"])
def test_unpack_sample_notices_a_damaged_zip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    data = bytearray(SAMPLE_ZIP.read_bytes())
    if damage == "changed":
        data[len(data) // 2] ^= 0xFF
    else:
        del data[len(data) // 2 :]
    damaged = tmp_path / "damaged.zip"
    damaged.write_bytes(data)
    before = sample_fingerprint()
    monkeypatch.setattr(module, "SAMPLE_ZIP", damaged)
    assert sample_fingerprint() != before
    with pytest.raises(CatalogError, match=r"damaged\.zip must be .* Install Shelfsure anew"):
        unpack_sample(tmp_path / "shop")
    assert list(tmp_path.iterdir()) == [damaged]


def test_unpack_sample_writes_nothing_beside_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hostile = tmp_path / "in" / "hostile.zip"
    hostile.parent.mkdir()
    shutil.copyfile(SAMPLE_ZIP, hostile)
    with zipfile.ZipFile(hostile, "a") as archive:
        archive.writestr("../../../evil.txt", "evil")
        archive.writestr(f"{tmp_path}/evil.txt", "evil")
    monkeypatch.setattr(module, "SAMPLE_ZIP", hostile)
    unpack_sample(tmp_path / "out" / "shop")
    assert {path.name for path in tmp_path.iterdir()} == {"in", "out"}
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["shop"]


def test_read_records_reads_quotes_and_line_breaks(tmp_path: Path) -> None:
    row = {"a": 'said "yes",\nthen left', "b": "é"}
    with (tmp_path / "t.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(row), lineterminator="\n")
        writer.writeheader()
        writer.writerow(row)
    assert read_records(tmp_path / "t.csv") == [row]
