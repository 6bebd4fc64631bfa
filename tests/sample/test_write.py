import csv
import hashlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import shelfsure.sample.write as write
from PIL import Image
from shelfsure.core.errors import CatalogError, ConfigError
from shelfsure.sample import SampleSummary, contact_sheet, write_sample

Records = list[dict[str, str]]


def read(path: Path) -> Records:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def hashes(directory: Path) -> dict[str, str]:
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    assert files
    return {
        path.relative_to(directory).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> SampleSummary:
    return write_sample(tmp_path_factory.mktemp("sample"), seed=3, n_per_category=4)


@pytest.fixture(scope="module")
def truth(sample: SampleSummary) -> Records:
    return read(sample.directory / "truth.csv")


@pytest.fixture(scope="module")
def listings(sample: SampleSummary) -> dict[str, dict[str, str]]:
    rows = read(sample.directory / "catalogue.csv") + read(sample.directory / "uploads.csv")
    return {row["listing_id"]: row for row in rows}


def test_write_sample_fills_every_category_equally(sample: SampleSummary) -> None:
    rows = read(sample.directory / "catalogue.csv")
    counts = Counter(row["category"] for row in rows)
    assert len(counts) == 12
    assert set(counts.values()) == {4}
    assert len({category.split(" > ")[0] for category in counts}) == 4
    assert tuple(rows[0]) == write.COLUMNS


def test_write_sample_hides_the_uploads_categories(sample: SampleSummary) -> None:
    rows = read(sample.directory / "uploads.csv")
    assert len(rows) == sample.n_uploads > 0
    assert {row["category"] for row in rows} == {""}


def test_write_sample_tells_the_truth_about_every_listing(
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


def test_write_sample_plants_copies_of_catalogue_listings(
    truth: Records, listings: dict[str, dict[str, str]]
) -> None:
    kinds = {row["listing_id"]: row for row in truth}
    planted = [row for row in truth if row["kind"] in {"near_duplicate", "variant"}]
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


def test_write_sample_reuses_the_photo_of_same_photo_variants(
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


def test_write_sample_counts_what_it_wrote(
    sample: SampleSummary, truth: Records, listings: dict[str, dict[str, str]]
) -> None:
    kinds = Counter(row["kind"] for row in truth)
    assert sample.n_listings + sample.n_uploads == len(truth)
    assert sample.n_near_duplicates == kinds["near_duplicate"]
    assert sample.n_variants == kinds["variant"]
    assert sample.n_outsiders == kinds["outsider"]
    photos = {path.name for path in (sample.directory / "photos").iterdir()}
    assert sample.n_photos == len(photos)
    assert photos == {Path(row["image"]).name for row in listings.values() if row["image"]}
    assert sample.n_outside == len(list((sample.directory / "outside").iterdir()))
    assert sample.n_missing_photos == len(truth) - len(photos)
    assert sample.n_missing_titles == sum(not row["title"] for row in listings.values()) > 0
    assert str(sample.n_listings) in (sample.directory / "README.md").read_text(encoding="utf-8")


def test_write_sample_draws_real_photos(sample: SampleSummary) -> None:
    sizes = set()
    paths = sorted((sample.directory / "photos").iterdir())
    assert paths
    for path in paths[::6]:
        with Image.open(path) as photo:
            assert photo.format == "JPEG"
            assert np.asarray(photo).std() > 4
            sizes.add(photo.size)
    assert len(sizes) > 2


def test_write_sample_repeats_itself_by_seed(sample: SampleSummary, tmp_path: Path) -> None:
    again = write_sample(tmp_path / "again", seed=3, n_per_category=4)
    assert hashes(again.directory) == hashes(sample.directory)


def test_write_sample_refuses_a_folder_with_something_in_it(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ConfigError, match=r"holds 1 entries \(thesis.txt\)"):
        write_sample(tmp_path)
    with pytest.raises(ConfigError, match="is a file"):
        write_sample(tmp_path / "thesis.txt")
    assert (tmp_path / "thesis.txt").read_text() == "mine"


@pytest.mark.parametrize(("n", "seed", "message"), [(3, 7, "got 3"), (40, -1, "got -1")])
def test_write_sample_refuses_numbers_out_of_range(
    tmp_path: Path, n: int, seed: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        write_sample(tmp_path, seed=seed, n_per_category=n)


def test_write_sample_leaves_nothing_when_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0

    def interrupt(photo: object) -> bytes:
        nonlocal calls
        calls += 1
        if calls > 5:
            raise KeyboardInterrupt
        return b"photo"

    monkeypatch.setattr(write, "develop", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_sample(tmp_path / "sample")
    assert list(tmp_path.iterdir()) == []


def test_contact_sheet_has_a_row_for_each_category(sample: SampleSummary, tmp_path: Path) -> None:
    path = contact_sheet(sample.directory, tmp_path / "sheet.png", columns=12)
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
