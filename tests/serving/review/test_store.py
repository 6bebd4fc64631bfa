import csv
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shelfsure.serving.review.export as export_module
from hypothesis import given, settings
from hypothesis import strategies as st
from shelfsure.catalog.catalog import read_catalog
from shelfsure.catalog.listing import Listing
from shelfsure.catalog.photo_listings import photos_in
from shelfsure.core.errors import UnreadablePhotoError
from shelfsure.core.mojibake import mend
from shelfsure.pipeline.verdict import Guess, Verdict
from shelfsure.serving.review.records import (
    ReviewError,
    ReviewsFormatError,
    ReviewsFullError,
)
from shelfsure.serving.review.store import ReviewStore, default_reviews_path

KILLED = """
import sys
from pathlib import Path
from shelfsure.catalog.listing import Listing
from shelfsure.serving.review.store import ReviewStore
from shelfsure.pipeline.verdict import Verdict

store, photo = ReviewStore(Path(sys.argv[1])), Path(sys.argv[2]).read_bytes()
for i in range(100_000):
    own = Listing(f"l{i}", f"title {i}", photo + i.to_bytes(4, "big"))
    item = store.add(own, Verdict(listing_id=own.listing_id, decision="review"))
    store.label(item, f"Category {i}", "ann")
    print(item, flush=True)
"""


def verdict(margin: float = 0.1, room: str = "Home", **fields: Any) -> Verdict:
    top = (
        Guess(category=f"{room} > Lamps", probability=0.5 + margin / 2),
        Guess(category=f"{room} > Rugs", probability=0.5 - margin / 2),
    )
    known = {"listing_id": "x", "decision": "review", "top_k": top, "model_version": "v1"}
    return Verdict(**{**known, **fields})


@pytest.fixture
def store(tmp_path: Path) -> ReviewStore:
    return ReviewStore(tmp_path / "queue" / "reviews.sqlite")


@pytest.fixture
def photo(tiny_folder: Path) -> bytes:
    return (tiny_folder / "photos/0.png").read_bytes()


def test_add_keeps_listing_photo_and_verdict(store: ReviewStore, photo: bytes) -> None:
    listing = Listing("a", "A lamp", photo, "about it", "Brand", "Home > Rugs")
    said = verdict()
    [item] = [ReviewStore(store.path).item(store.add(listing, said))]
    assert isinstance(item.listing.image, Path)
    assert item.listing.image.read_bytes() == photo
    assert item.listing.image.suffix == ".png"
    assert item.listing == Listing(
        "a", "A lamp", item.listing.image, "about it", "Brand", "Home > Rugs"
    )
    assert (item.verdict, item.answer) == (said, None)
    assert store.counts().n_pending == 1


def test_add_takes_a_path_as_it_takes_bytes(store: ReviewStore, tiny_folder: Path) -> None:
    path = tiny_folder / "photos/0.png"
    one = store.add(Listing("a", "A lamp", path), verdict())
    assert store.add(Listing("a", "A lamp", path.read_bytes()), verdict()) == one


def test_add_of_known_content_updates_the_verdict_only(store: ReviewStore, photo: bytes) -> None:
    first = store.add(Listing("a", "A lamp", photo), verdict())
    newer = verdict(0.9, model_version="v2")
    assert store.add(Listing("b", "A lamp", photo), newer) == first
    assert store.item(first).verdict == newer
    assert store.item(first).listing.listing_id == "a"
    assert store.add(Listing("a", "Another lamp", photo), verdict()) != first
    assert len(list(store.photos.rglob("*.png"))) == 1
    store.label(first, "Home > Lamps", "ann")
    assert store.add(Listing("c", "A lamp", photo), verdict()) == first
    assert store.counts().n_pending == 1, "an answered listing doesn't come back"


@pytest.mark.parametrize(
    ("listing", "error"),
    [
        (Listing("a"), ReviewError),
        (Listing("a", " \n"), ReviewError),
        (Listing("a", "title", b"<html>no photo</html>"), UnreadablePhotoError),
        (Listing("a", "title", b""), UnreadablePhotoError),
        (Listing("a", "title", Path("gone.png")), UnreadablePhotoError),
    ],
)
def test_add_refuses_what_teaches_nothing(
    store: ReviewStore, listing: Listing, error: type[Exception]
) -> None:
    with pytest.raises(error, match="must"):
        store.add(listing, verdict())
    assert store.counts().n_pending == 0
    assert not list(store.photos.rglob("*"))


def test_add_to_a_full_queue_is_refused(tmp_path: Path, photo: bytes) -> None:
    store = ReviewStore(tmp_path / "r.sqlite", max_pending=2)
    first = store.add(Listing("a", "1"), verdict())
    store.add(Listing("b", "2"), verdict())
    with pytest.raises(ReviewsFullError, match=r"At most 2 .* and 2 do"):
        store.add(Listing("c", "3"), verdict())
    assert store.add(Listing("a", "1"), verdict()) == first, "what is there is no new item"
    store.label(first, "Home", "ann")
    store.add(Listing("c", "3"), verdict())
    small = ReviewStore(tmp_path / "s.sqlite", max_bytes=len(photo) + 10)
    small.add(Listing("a", "1", photo), verdict())
    with pytest.raises(ReviewsFullError, match="SHELFSURE_REVIEWS"):
        small.add(Listing("b", "2", photo), verdict())


@settings(max_examples=25)
@given(st.text(st.characters(codec=None), min_size=1), st.text(), st.text())
def test_any_text_comes_back_from_an_export(
    tmp_path_factory: pytest.TempPathFactory, title: str, listing_id: str, brand: str
) -> None:
    folder = tmp_path_factory.mktemp("any")
    store = ReviewStore(folder / "r.sqlite")
    try:
        item = store.add(Listing(listing_id, title, None, None, brand), verdict())
    except ReviewError:
        assert not title.strip() or not title.isprintable()
        return
    store.label(item, "Home > Lamps", "ann")
    store.export(folder / "out")
    catalog = read_catalog(folder / "out/catalogue.csv", need_category=True)
    assert not catalog.rejected
    assert catalog.listings[0].title == mend(store.item(item).listing.title or "")


def test_pending_has_the_unsure_first_and_copies_last(store: ReviewStore) -> None:
    sure = store.add(Listing("a", "1"), verdict(0.9, "Attic"))
    unsure = store.add(Listing("b", "2"), verdict(0.1, "Hall"))
    copy = store.add(Listing("c", "3"), verdict(0.1, "Hall"))
    odd = store.add(Listing("d", "4"), verdict(0.9, "Cellar", mismatch=True))
    assert [item.item_id for item in store.pending()] == [odd, unsure, sure, copy]
    assert [item.item_id for item in store.pending(2)] == [odd, unsure]


def test_pending_differs_from_what_was_answered(store: ReviewStore) -> None:
    done = store.add(Listing("a", "1"), verdict(0.1, "Hall"))
    copy = store.add(Listing("b", "2"), verdict(0.1, "Hall"))
    other = store.add(Listing("c", "3"), verdict(0.6, "Attic"))
    store.label(done, "Home", "ann")
    assert [item.item_id for item in store.pending()] == [other, copy]


def test_pending_takes_vectors_of_other_encoders(store: ReviewStore) -> None:
    ids = [store.add(Listing("", f"{number}"), verdict()) for number in range(4)]
    with closing(sqlite3.connect(store.path)) as db, db:
        for item, width in zip(ids, (3, 5, 512), strict=False):
            vector = np.ones(width, np.float32).tobytes()
            db.execute("UPDATE items SET vector = ? WHERE item_id = ?", (vector, item))
    assert {item.item_id for item in store.pending()} == set(ids)


def test_label_tidies_the_path_and_keeps_who_when_and_on_what(store: ReviewStore) -> None:
    item = store.add(Listing("a", "1"), verdict())
    given_ = store.label(item, " Home>  Lamps ", " ann ")
    assert (given_.category, given_.who, given_.kind) == ("Home > Lamps", "ann", "category")
    assert given_.verdict == verdict()
    assert given_.at.endswith("+00:00")
    assert store.item(item).answer == given_
    assert store.counts() == type(store.counts())(0, 1, 1)


@pytest.mark.parametrize(
    ("category", "who", "said"),
    [
        ("", "ann", "must have a name"),
        (" > ", "ann", "must have a name"),
        ("Home\x00", "ann", "control character"),
        ("Home", " ", "must give a name"),
    ],
)
def test_label_refuses_blank_and_broken(
    store: ReviewStore, category: str, who: str, said: str
) -> None:
    item = store.add(Listing("a", "1"), verdict())
    with pytest.raises(ReviewError, match=said):
        store.label(item, category, who)
    assert store.history() == []


def test_answer_to_nothing_is_an_error(store: ReviewStore) -> None:
    with pytest.raises(ReviewError, match="7"):
        store.answer(7, "skip", "ann")
    with pytest.raises(ReviewError, match="7"):
        store.item(7)


def test_relabel_counts_and_the_earlier_one_stays_in_history(store: ReviewStore) -> None:
    item = store.add(Listing("a", "1"), verdict())
    store.label(item, "Home", "ann")
    store.label(item, "Toys", "ann")
    answer = store.item(item).answer
    assert answer is not None
    assert answer.category == "Toys"
    assert [(a.category, a.withdrawn) for a in store.history()] == [
        ("Home", False),
        ("Toys", False),
    ]


def test_undo_withdraws_ones_own_last_answer(store: ReviewStore) -> None:
    item, other = (store.add(Listing(name, name), verdict()) for name in "ab")
    store.label(item, "Home", "ann")
    store.label(item, "Toys", "ann")
    store.answer(other, "not_sold", "ben")
    undone = store.undo("ann")
    assert undone is not None
    assert undone.item_id == item
    assert undone.answer is not None
    assert undone.answer.category == "Home"
    undone = store.undo("ann")
    assert undone is not None
    assert undone.answer is None
    assert store.undo("ann") is None
    assert store.counts().n_answered == 1, "ben's answer stands"
    assert [a.withdrawn for a in store.history()] == [True, True, False]


def test_skip_puts_an_item_last_and_can_be_undone(store: ReviewStore) -> None:
    first, second, third = (
        store.add(Listing(name, name), verdict(margin, f"Room {place}"))
        for place, (name, margin) in enumerate({"a": 0.1, "b": 0.2, "c": 0.3}.items())
    )
    store.answer(first, "skip", "ann")
    store.answer(second, "skip", "ann")
    assert [item.item_id for item in store.pending()] == [third, first, second]
    assert store.counts().n_pending == 3
    store.undo("ann")
    assert [item.item_id for item in store.pending()] == [second, third, first]


def test_cant_tell_takes_an_item_off_the_queue(store: ReviewStore) -> None:
    item = store.add(Listing("a", "1"), verdict())
    store.answer(item, "cant_tell", "ann")
    assert store.pending() == []
    assert [done.item_id for done in store.answered()] == [item]
    with pytest.raises(ValueError, match="label"):
        store.answer(item, "category", "ann")


def answered_store(store: ReviewStore, tiny_folder: Path) -> ReviewStore:
    photos = [tiny_folder / f"photos/{n}.png" for n in range(4)]
    ids = [
        store.add(Listing("a", 'A lamp, "red"', photos[0], "about"), verdict()),
        store.add(Listing("a", "Same id", photos[1]), verdict()),
        store.add(Listing("", None, photos[2]), verdict()),
        store.add(Listing("b", "No photo"), verdict()),
        store.add(Listing("c", "A dog", photos[3]), verdict(decision="out_of_catalogue")),
        store.add(Listing("d", "Unclear"), verdict()),
        store.add(Listing("e", "Waits"), verdict()),
    ]
    store.label(ids[0], "Home > Rugs", "ann")
    for place, category in enumerate(["Home > Lamps", "Home > Rugs", "Toys > Kites", "Toys"]):
        store.label(ids[place], category, "ann")
    store.answer(ids[4], "not_sold", "ann")
    store.answer(ids[5], "cant_tell", "ann")
    return store


def test_second_answer_stands_beside_the_first(store: ReviewStore, tmp_path: Path) -> None:
    item, other = (store.add(Listing(name, name), verdict()) for name in "ab")
    store.label(item, "Home", "ann")
    store.label(item, "Toys", "ben")
    both = store.item(item)
    assert [(own.who, own.category) for own in both.answers] == [("ann", "Home"), ("ben", "Toys")]
    assert both.disputed
    assert [each.item_id for each in store.disputed()] == [item]
    assert store.counts().n_disputed == 1
    store.label(other, "Garden", "ben")
    export = store.export(tmp_path / "out")
    assert (export.n_labelled, export.n_disputed) == (1, 1)
    with (export.folder / "labels.csv").open(encoding="utf-8", newline="") as file:
        states = [row["state"] for row in csv.DictReader(file)]
    assert states == ["disputed", "disputed", "counts"]
    store.label(item, "Home", "cid")  # two against one
    settled = store.item(item)
    assert not settled.disputed
    assert settled.answer is not None
    assert (settled.answer.category, settled.answer.who) == ("Home", "cid")
    assert store.disputed() == []


def test_take_gives_nobody_elses_item(store: ReviewStore) -> None:
    first, second = (store.add(Listing(name, name), verdict()) for name in "ab")
    own, other = store.take("page 1"), store.take("page 2")
    assert own is not None
    assert other is not None
    assert (own.item_id, other.item_id) == (first, second)
    again = store.take("page 1")
    assert again is not None
    assert again.item_id == first, "it stays until it is answered"
    assert store.take("page 3") is None
    assert store.held_by_others("page 1") == {second}
    assert [item.item_id for item in store.pending(holder="page 2")] == [second]
    assert len(store.pending()) == 2
    store.answer(first, "skip", "ann")
    skipped = store.take("page 3")
    assert skipped is not None
    assert skipped.item_id == first, "an answer lets go of it"
    store.release("page 2")
    free = store.take("page 1")
    assert free is not None
    assert free.item_id == second


def test_lease_runs_out(store: ReviewStore) -> None:
    item = store.add(Listing("a", "1"), verdict())
    assert store.take("page 1", lease_s=-1) is not None
    taken = store.take("page 2")
    assert taken is not None
    assert taken.item_id == item
    assert store.take("page 1") is None
    assert store.open(item, "page 1").item_id == item, "a look at it is no answer"
    assert store.take("page 1") is None


def test_store_of_before_has_leases_too(store: ReviewStore) -> None:
    item = store.add(Listing("a", "1"), verdict())
    with closing(sqlite3.connect(store.path)) as db, db:
        db.execute("DROP TABLE leases")
    taken = store.take("page 1")
    assert taken is not None
    assert taken.item_id == item


def test_export_is_read_back_as_a_catalogue(
    store: ReviewStore, tiny_folder: Path, tmp_path: Path
) -> None:
    export = answered_store(store, tiny_folder).export(tmp_path / "out")
    assert (export.n_labelled, export.n_outside, export.n_photos_missing) == (4, 1, 0)
    catalog = read_catalog(export.folder / "catalogue.csv", need_category=True)
    assert not catalog.rejected
    assert [(item.title, item.category) for item in catalog.listings] == [
        ('A lamp, "red"', "Home > Lamps"),
        ("Same id", "Home > Rugs"),
        (None, "Toys > Kites"),
        ("No photo", "Toys"),
    ]
    assert catalog.listings[0].listing_id == "a"
    for item, n in zip(catalog.listings[:3], range(3), strict=True):
        assert isinstance(item.image, Path)
        assert item.image.read_bytes() == (tiny_folder / f"photos/{n}.png").read_bytes()
    [dog] = photos_in(export.folder / "outside")
    assert isinstance(dog.image, Path)
    assert dog.image.read_bytes() == (tiny_folder / "photos/3.png").read_bytes()
    with (export.folder / "labels.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["listing_id"], row["answer"], row["who"], row["state"]) for row in rows][:3] == [
        ("a", "category", "ann", "replaced"),
        ("a", "category", "ann", "counts"),
        (catalog.listings[1].listing_id, "category", "ann", "counts"),
    ]
    assert {row["answer"] for row in rows} == {"category", "not_sold", "cant_tell"}
    assert Verdict.model_validate_json(rows[0]["verdict"]) == verdict()
    assert {row["model_version"] for row in rows} == {"v1"}


def test_export_does_without_a_photo_that_is_gone(
    store: ReviewStore, tiny_folder: Path, tmp_path: Path
) -> None:
    for photo in answered_store(store, tiny_folder).photos.rglob("*.png"):
        photo.unlink()
    export = store.export(tmp_path / "out")
    assert (export.n_labelled, export.n_outside, export.n_photos_missing) == (3, 0, 4)
    assert not read_catalog(export.folder / "catalogue.csv", need_category=True).rejected


def test_export_refuses_nothing_and_a_folder_in_use(
    store: ReviewStore, tiny_folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(ReviewError, match="Nothing was answered"):
        store.export(tmp_path / "out")
    answered_store(store, tiny_folder)
    (tmp_path / "used").mkdir()
    (tmp_path / "used/file").touch()
    with pytest.raises(ReviewError, match="used"):
        store.export(tmp_path / "used")
    (tmp_path / "empty").mkdir()
    store.export(tmp_path / "empty")


def test_export_that_fails_leaves_nothing(
    store: ReviewStore, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(export_module, "write_csv", fail)
    with pytest.raises(OSError, match="disk full"):
        answered_store(store, tiny_folder).export(tmp_path / "place/out")
    assert not (tmp_path / "place").exists()


def test_export_that_cannot_take_its_name_leaves_nothing(
    store: ReviewStore,
    tiny_folder: Path,
    tmp_path: Path,
    failing_rename: Callable[[Path], AbstractContextManager[None]],
) -> None:
    out = tmp_path / "place/out"
    answered_store(store, tiny_folder)
    with failing_rename(out):
        store.export(out)
    assert not out.parent.exists()
    assert store.export(out).n_labelled


def test_export_trains(
    store: ReviewStore,
    tiny_folder: Path,
    tmp_path: Path,
    fake_embedder: Any,
    tiny_config: Any,
) -> None:
    from shelfsure.pipeline.pipeline import ListingPipeline

    for listing in read_catalog(tiny_folder / "catalogue.csv").listings:
        if listing.category and not listing.listing_id.startswith("r"):
            try:
                store.label(store.add(listing, verdict()), listing.category, "ann")
            except UnreadablePhotoError:
                continue
    export = store.export(tmp_path / "out")
    catalog = read_catalog(export.folder / "catalogue.csv", need_category=True)
    assert export.n_labelled == 60
    result = ListingPipeline.fit(catalog, tiny_config, embedder=fake_embedder())
    assert len(result.class_names) == 3


def test_newer_format_is_refused(store: ReviewStore) -> None:
    store.add(Listing("a", "1"), verdict())
    with closing(sqlite3.connect(store.path)) as db:
        db.execute("PRAGMA user_version = 2")
    with pytest.raises(ReviewsFormatError, match=r"version 2.*up to 1.*Upgrade"):
        store.counts()


def test_file_that_is_no_store_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "r.sqlite").write_bytes(b"this is no database" * 100)
    with pytest.raises(ReviewError, match=r"r\.sqlite.*not a database"):
        ReviewStore(tmp_path / "r.sqlite").pending()


def test_threads_share_a_store_and_lose_nothing(store: ReviewStore) -> None:
    together = threading.Barrier(4)

    def work(name: int) -> None:
        together.wait()
        for i in range(10):
            ReviewStore(store.path).add(Listing("s", f"shared {i}"), verdict())
            own = store.add(Listing("o", f"own {name} {i}"), verdict())
            store.label(own, f"Category {name}", f"person {name}")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    counts = store.counts()
    assert (counts.n_pending, counts.n_answered) == (10, 40)


def test_killed_writer_leaves_whole_items(
    store: ReviewStore, tiny_folder: Path, start_process: Callable[..., Any]
) -> None:
    writer = start_process(KILLED, store.path, tiny_folder / "photos/0.png")
    told = [int(writer.output.readline()) for _ in range(5)]
    writer.kill()
    told += [int(line) for line in writer.output if line.endswith("\n")]
    answered = store.answered()
    assert {item.item_id for item in answered} >= set(told), "what was said to be saved, is"
    for item in [*answered, *store.pending()]:
        assert isinstance(item.listing.image, Path)
        assert (
            item.listing.image.stat().st_size == (tiny_folder / "photos/0.png").stat().st_size + 4
        )
    store.label(told[0], "Other", "ben")
    assert ReviewStore(store.path).item(told[0]).answer is not None


def test_default_path_heeds_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHELFSURE_REVIEWS", str(tmp_path))
    assert ReviewStore().path == tmp_path / "reviews.sqlite"
    monkeypatch.setenv("SHELFSURE_REVIEWS", str(tmp_path / "own.db"))
    assert ReviewStore().path == tmp_path / "own.db"
    monkeypatch.delenv("SHELFSURE_REVIEWS")
    assert default_reviews_path().name == "reviews.sqlite"


def test_a_verdict_that_cannot_be_read_is_a_review_error(tmp_path: Path) -> None:
    store = ReviewStore(tmp_path / "r.sqlite")
    store.add(Listing("a", "lamp"), verdict())
    with closing(sqlite3.connect(store.path)) as db, db:
        db.execute("UPDATE items SET verdict = '{}'")
    with pytest.raises(ReviewError, match="one can't be read: listing_id: must be given"):
        store.pending()


def test_who_looks_for_audits_makes_no_store(tmp_path: Path) -> None:
    assert ReviewStore(tmp_path / "nobody" / "reviews.sqlite").audits("1") == []
    assert list(tmp_path.iterdir()) == []
