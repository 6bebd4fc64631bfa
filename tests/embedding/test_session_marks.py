"""Sessions told by clocks and running numbers: read as they stand, believed on evidence alone."""

import io
from datetime import datetime, timedelta

import numpy as np
import pytest
from PIL import Image
from shelfsure.catalog.groups import components
from shelfsure.catalog.listing import Listing
from shelfsure.embedding.grouping import group_listings
from shelfsure.embedding.session_marks import Trail, read_trails
from shelfsure.embedding.sessions import find_sessions
from shelfsure.fusion.views import View

N_CATEGORIES, N_SESSIONS, SIZE, DIM = 8, 8, 6, 32
SESSION = np.repeat(np.arange(N_CATEGORIES * N_SESSIONS), SIZE)
CATEGORIES = [f"category {number // N_SESSIONS}" for number in SESSION]
NOBODY = np.arange(len(SESSION))


def view_of(rng: np.random.Generator, apart: float, within: float = 0.9) -> View:
    """Photos whose sessions differ, but not so that looks alone would tell them."""
    centres = rng.normal(size=(N_CATEGORIES, DIM))[SESSION // N_SESSIONS]
    looks = apart * rng.normal(size=(SESSION.max() + 1, DIM))[SESSION]
    rows = centres + looks + within * rng.normal(size=(len(SESSION), DIM))
    features = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return View(features.astype(np.float32), np.ones(len(SESSION), dtype=bool))


def photo_taken(camera: str, at: datetime) -> bytes:
    exif = Image.Exif()
    exif[0x0110] = camera
    exif.get_ifd(0x8769)[0x9003] = f"{at:%Y:%m:%d %H:%M:%S}"
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "JPEG", exif=exif)
    return file.getvalue()


def test_links_join_neighbours_on_one_line_only() -> None:
    lines, places = np.array([0, 1, 0, 0, -1, -1, 1]), np.array([5.0, 6, 1, 3, 0, 0, 7])
    trail = Trail("numbers between ids", lines, places, (2.0, 1.0))
    np.testing.assert_array_equal(components(7, trail.links(2.0)), [0, 1, 0, 0, 2, 3, 1])
    np.testing.assert_array_equal(components(7, trail.links(1.0)), [0, 1, 2, 3, 4, 5, 1])


def test_read_trails_reads_cameras_files_and_ids() -> None:
    start = datetime(2026, 5, 1, 9)
    listings = [
        Listing(
            f"shop-{100 + row}",
            image=photo_taken("phone" if row % 2 else "camera", start + timedelta(minutes=row)),
        )
        for row in range(20)
    ]
    times, ids = read_trails(listings)
    assert (times.mark, ids.mark) == ("seconds between photos", "numbers between ids")
    np.testing.assert_array_equal(times.lines, np.arange(20) % 2)
    np.testing.assert_array_equal(np.diff(times.places), np.full(19, 60.0))
    np.testing.assert_array_equal(ids.places, np.arange(100, 120))
    named = [Listing(f"{chr(97 + row)}", image=f"a/IMG_{row:04}.jp2") for row in range(20)]
    [files] = read_trails(named)
    assert files.mark == "numbers between files"
    np.testing.assert_array_equal(files.places, np.arange(20))


@pytest.mark.parametrize(
    "names", [[], ["red mug", "blue mug"], [f"{chr(97 + n)}-{n}" for n in range(20)]]
)
def test_read_trails_takes_no_mark_that_few_share(names: list[str]) -> None:
    assert read_trails([Listing(name) for name in names]) == []


def numbered(apart_numbers: int) -> Trail:
    places = SESSION * 1000.0 * apart_numbers + np.tile(np.arange(SIZE), SESSION.max() + 1)
    zeros = np.zeros(len(SESSION), dtype=np.intp)
    return Trail("numbers between files", zeros, places, (300.0, 3.0))


def test_sessions_are_told_by_running_numbers_where_looks_do_not(rng: np.random.Generator) -> None:
    view, titles = view_of(rng, apart=1.6), [f"{'abcdef'[n % 6]} mug" for n in NOBODY]
    assert find_sessions(view, titles, CATEGORIES, NOBODY, 5, 0)[0] is None
    groups, found = find_sessions(view, titles, CATEGORIES, NOBODY, 5, 0, trails=[numbered(1)])
    np.testing.assert_array_equal(groups, SESSION)
    assert found["numbers between files"] == 300
    assert found["loss_sessions"] > 1.5 * found["loss_listings"]


def test_running_numbers_alone_are_no_evidence(rng: np.random.Generator) -> None:
    view, titles = view_of(rng, apart=0.0, within=2.5), [f"{'abcdef'[n % 6]} mug" for n in NOBODY]
    groups, found = find_sessions(view, titles, CATEGORIES, NOBODY, 5, 0, trails=[numbered(1)])
    assert groups is None
    assert 0.1 < found["loss_sessions"] < 1.5 * found["loss_listings"]


def test_numbers_that_run_through_the_whole_catalogue_tell_no_sessions(
    rng: np.random.Generator,
) -> None:
    view, titles = view_of(rng, apart=1.6), [f"{'abcdef'[n % 6]} mug" for n in NOBODY]
    through = Trail("numbers between ids", np.zeros_like(NOBODY), NOBODY * 1.0, (30.0, 1.0))
    groups, found = find_sessions(view, titles, CATEGORIES, NOBODY, 5, 0, trails=[through])
    assert groups is None
    assert through.mark not in found


def test_group_listings_takes_cameras_clocks_and_says_so(
    rng: np.random.Generator, caplog: pytest.LogCaptureFixture
) -> None:
    start = datetime(2026, 5, 1)
    listings = [
        Listing(
            f"{chr(97 + row % 26)}{row // 26}",
            title=f"{'abcdef'[row % 6]} mug",
            category=CATEGORIES[row],
            image=photo_taken(
                "phone", start + timedelta(days=int(SESSION[row]), minutes=row % SIZE)
            ),
        )
        for row in NOBODY.tolist()
    ]
    hashes, titles = [f"hash {row}" for row in NOBODY], [item.title or "" for item in listings]
    grouping = group_listings(listings, view_of(rng, apart=1.6), hashes, titles, CATEGORIES)
    assert grouping.source == "sessions"
    np.testing.assert_array_equal(grouping.groups, SESSION)
    grouping.announced()
    assert "a gap of 43200 seconds between photos or less" in caplog.text
