import shutil
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shelfsure.catalog.listing import Listing
from shelfsure.core.errors import (
    IndexChangedError,
    IndexFingerprintError,
    IndexFormatError,
    IndexIncompleteError,
)
from shelfsure.fusion.views import View
from shelfsure.retrieval.index.manifest import Manifest, write_manifest
from shelfsure.retrieval.index.records import Record, records_of
from shelfsure.retrieval.index.store import ListingIndex, Neighbour

DIMS = {"photo": 6, "title": 4}
FINGERPRINTS = {"photo": "5793aa", "title": "81c0bb"}


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def present(vectors: np.ndarray) -> View:
    return View(vectors, np.ones(len(vectors), dtype=bool))


def vector(key: str, dim: int) -> np.ndarray:
    """Its own direction for each key, the same whenever asked."""
    return unit(np.random.default_rng(zlib.crc32(key.encode())).standard_normal((1, dim)))[0]


def views_of(keys: Iterable[str], without: dict[str, set[str]] | None = None) -> dict[str, View]:
    """Vectors by key; `without` names for each space the keys that have none."""
    keys, without = list(keys), without or {}
    return {
        space: View(
            np.array([vector(key, dim) for key in keys], dtype=np.float32).reshape(-1, dim),
            np.array([key not in without.get(space, ()) for key in keys], dtype=bool),
        )
        for space, dim in DIMS.items()
    }


def records_for(keys: Iterable[str], title: str = "title of") -> list[Record]:
    return [Record(key, f"{title} {key}", f"{key}.jpg", "Home > Lamps", "aa") for key in keys]


def build(folder: Path, keys: Iterable[str], kind: str = "auto") -> ListingIndex:
    keys = list(keys)
    return ListingIndex.build(folder, records_for(keys), views_of(keys), FINGERPRINTS, kind)


def found_ids(index: ListingIndex, queries: dict[str, View], k: int = 10) -> list[list[str]]:
    return [[n.listing_id for n in neighbours] for neighbours in index.search(queries, k)]


@pytest.fixture
def index(tmp_path: Path) -> ListingIndex:
    return build(tmp_path / "shop", [f"id-{i}" for i in range(40)])


def test_search_finds_each_listing_itself_with_what_is_known_of_it(index: ListingIndex) -> None:
    views = views_of(index.ids())
    for queries in ({"photo": views["photo"]}, {"title": views["title"]}, views):
        for key, (first, second) in zip(index.ids(), index.search(queries, 2), strict=True):
            assert first == Neighbour(
                key, pytest.approx(1, abs=1e-6), f"title of {key}", f"{key}.jpg", "Home > Lamps"
            )
            assert second.similarity <= first.similarity <= 1


def test_search_by_both_means_the_cosines_that_are_there(tmp_path: Path) -> None:
    keys = [f"id-{i}" for i in range(30)]
    without = {"photo": set(keys[:10]), "title": set(keys[20:])}
    stored, asked = views_of(keys, without), views_of(["q1", "q2", "q3"], {"title": {"q2"}})
    asked["photo"].present[2] = False
    index = ListingIndex.build(tmp_path, records_for(keys), stored, FINGERPRINTS)
    cosines = np.full((2, 3, 30), np.nan)
    for layer, space in enumerate(DIMS):
        own = np.ix_(asked[space].present, stored[space].present)
        cosines[layer][own] = (asked[space].features @ stored[space].features.T)[own]
    there = ~np.isnan(cosines)
    expected = np.where(
        there.any(axis=0), np.nansum(cosines, axis=0) / np.maximum(there.sum(axis=0), 1), -np.inf
    )
    for row, neighbours in enumerate(index.search(asked, 30)):
        order = np.argsort(-expected[row])[: int(np.isfinite(expected[row]).sum())]
        assert [n.listing_id for n in neighbours] == [keys[i] for i in order]
        np.testing.assert_allclose(
            [n.similarity for n in neighbours], expected[row][order], atol=1e-6
        )
    assert [len(neighbours) for neighbours in index.search(asked, 30)] == [30, 20, 20]


def test_search_spaces_gives_what_each_search_would(tmp_path: Path) -> None:
    keys = [f"id-{i}" for i in range(300)]
    index = build(tmp_path, keys[:200])
    index.add(records_for(keys[200:]), views_of(keys[200:], {"photo": {"id-210"}}))
    views = views_of(["q1", "q2", "q3", "id-7"], {"title": {"q2"}, "photo": {"q3"}})
    everywhere, each = index.search_spaces(views, 5)
    assert everywhere == index.search(views, 5)
    assert set(each) == {"photo", "title"}
    for space, neighbours in each.items():
        assert neighbours == index.search({space: views[space]}, 5)
    alone, photo = index.search_spaces({"photo": views["photo"]}, 5)
    assert alone == photo["photo"] == each["photo"]


def test_search_answers_a_query_without_vectors_with_nothing(index: ListingIndex) -> None:
    queries = views_of(["id-1", "id-2"], {"photo": {"id-1"}, "title": {"id-1"}})
    for asked in (queries, {"photo": queries["photo"]}):
        assert [len(found) for found in found_ids(index, asked, 3)] == [0, 3]


def test_search_gives_no_more_than_there_are(tmp_path: Path) -> None:
    assert found_ids(build(tmp_path / "two", "ab"), views_of("a"), 10) == [["a", "b"]]
    assert found_ids(build(tmp_path / "none", ""), views_of("a"), 10) == [[]]
    assert build(tmp_path / "none", "").ids() == []


def test_add_replaces_a_listing_s_record_and_vectors(index: ListingIndex) -> None:
    index.add(records_for(["id-3"], "new"), views_of(["elsewhere"]))
    assert len(index.ids()) == 40
    (first, *_), (other, *_) = index.search(views_of(["elsewhere", "id-3"]), 1)
    assert (first.listing_id, first.title) == ("id-3", "new id-3")
    assert other.listing_id != "id-3"


def test_add_takes_listings_with_one_view_only(index: ListingIndex) -> None:
    index.add(records_for(["bare"]), {"title": views_of(["bare"])["title"]})
    assert found_ids(index, {"title": views_of(["bare"])["title"]}, 1) == [["bare"]]
    assert all("bare" not in ids for ids in found_ids(index, {"photo": views_of("x")["photo"]}, 99))
    assert index.info().spaces["photo"].n_vectors == 40
    assert index.info().spaces["title"].n_vectors == 41


@pytest.mark.parametrize("kind", ["exact", "ivf", "hnsw"])
def test_remove_really_removes(tmp_path: Path, kind: str) -> None:
    keys = [f"id-{i}" for i in range(400)]
    index = build(tmp_path, keys, kind)
    assert index.remove([*keys[:100], "never there"]) == 100
    for opened in (index, ListingIndex.open(tmp_path)):
        assert opened.info().spaces["photo"].kinds == (kind,)
        assert opened.ids() == keys[100:]
        assert opened.records(keys[:101]).keys() == {keys[100]}
        found = found_ids(opened, {"photo": views_of(keys[:100])["photo"]}, 20)
        assert not {key for ids in found for key in ids} & set(keys[:100])
        assert [ids[0] for ids in found_ids(opened, views_of(keys[100:]), 1)] == keys[100:]
    assert index.remove(["id-1"]) == 0


def test_remove_of_most_listings_gives_their_space_back(index: ListingIndex) -> None:
    before = index.info().n_bytes
    index.remove([f"id-{i}" for i in range(35)])
    assert index.info().n_bytes < before
    index.remove(index.ids())
    assert (index.info().n_listings, index.info().n_bytes) == (0, 0)


def test_merge_equals_a_build_of_both(tmp_path: Path) -> None:
    ours, theirs = [f"id-{i}" for i in range(30)], [f"id-{i}" for i in range(20, 50)]
    index, other = build(tmp_path / "ours", ours), build(tmp_path / "theirs", theirs)
    other.add(records_for(["id-25"], "theirs"), views_of(["moved"]))
    other.remove(["id-49"])
    index.merge(other)
    assert set(index.ids()) == {f"id-{i}" for i in range(49)}
    assert index.records(["id-25"])["id-25"].title == "theirs id-25"
    together = build(tmp_path / "both", index.ids())
    together.add(records_for(["id-25"], "theirs"), views_of(["moved"]))
    queries = views_of(["q1", "q2", "moved"])
    for mine, expected in zip(index.search(queries, 9), together.search(queries, 9), strict=True):
        assert [n.listing_id for n in mine] == [n.listing_id for n in expected]
        assert [n.title for n in mine] == [n.title for n in expected]


def test_merge_refuses_other_encoders(tmp_path: Path, index: ListingIndex) -> None:
    other = ListingIndex.build(
        tmp_path / "other", records_for("a"), views_of("a"), {"photo": "5793aa", "title": "ffff"}
    )
    with pytest.raises(IndexFingerprintError, match=r"title encoder 81c0bb.*this one is ffff"):
        index.merge(other)


_OPERATIONS = st.one_of(
    st.tuples(st.just("add"), st.lists(st.sampled_from("abcdefgh"), max_size=4, unique=True)),
    st.tuples(st.just("remove"), st.lists(st.sampled_from("abcdefgh"), max_size=4)),
    st.tuples(st.just("rebuild"), st.sampled_from([["auto"], ["exact"], ["ivf"], ["hnsw"]])),
    st.tuples(st.just("open"), st.just([])),
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(operations=st.lists(_OPERATIONS, max_size=8))
def test_any_changes_leave_what_a_dictionary_would_hold(
    tmp_path_factory: pytest.TempPathFactory,
    operations: list[tuple[str, list[str]]],
) -> None:
    folder = tmp_path_factory.mktemp("index")
    index, expected = build(folder, "ab"), {"a": "a", "b": "b"}
    for number, (operation, arguments) in enumerate(operations):
        if operation == "add":
            directions = {key: f"{key}{number}" for key in arguments}
            index.add(records_for(arguments), views_of(directions.values()))
            expected |= directions
        elif operation == "remove":
            gone = {key for key in arguments if expected.pop(key, None)}
            assert index.remove(arguments) == len(gone)
        elif operation == "rebuild":
            index.rebuild(arguments[0])
        else:
            index = ListingIndex.open(folder, FINGERPRINTS)
        assert sorted(index.ids()) == sorted(expected)
        assert index.info().n_listings == len(expected)
        nearest = found_ids(index, views_of(expected.values()), 1)
        assert nearest == [[key] for key in expected]


def test_order_of_additions_does_not_matter(tmp_path: Path) -> None:
    keys = [f"id-{i}" for i in range(24)]
    queries = views_of(["q1", "q2", "q3"])
    answers = []
    for name, order in (("ahead", keys), ("back", keys[::-1])):
        index = build(tmp_path / name, [])
        for start in range(0, 24, 5):
            part = order[start : start + 5]
            index.add(records_for(part), views_of(part))
        answers.append(found_ids(index, queries, 24))
    assert answers[0] == answers[1]


def test_build_replaces_the_index_that_is_there_and_no_other_file(index: ListingIndex) -> None:
    (index.folder / "notes.txt").write_text("mine")
    build(index.folder, ["only"])
    assert ListingIndex.open(index.folder).ids() == ["only"]
    names = {path.name for path in index.folder.iterdir()}
    assert {"notes.txt", "manifest.json"} <= names
    assert len([name for name in names if name.endswith((".faiss", ".sqlite"))]) == 3


def test_info_counts_what_is_there(index: ListingIndex) -> None:
    info = index.info()
    sizes = [p.stat().st_size for p in index.folder.iterdir() if p.suffix in {".faiss", ".sqlite"}]
    assert (info.n_listings, info.generation, info.n_segments) == (40, 1, 1)
    assert info.n_bytes == sum(sizes)
    assert {space: s.dim for space, s in info.spaces.items()} == DIMS
    assert info.spaces["photo"].recall_at_10 == 1


def test_open_refuses_other_encoders_and_names_both(index: ListingIndex) -> None:
    ListingIndex.open(index.folder, FINGERPRINTS)
    ListingIndex.open(index.folder, {"photo": "5793aa"})
    with pytest.raises(
        IndexFingerprintError, match=r"shop was built with photo encoder 5793aa.*one is 19fa"
    ):
        ListingIndex.open(index.folder, {"photo": "19fa", "title": "81c0bb"})


def test_changes_stop_when_somebody_builds_the_index_with_other_encoders(
    index: ListingIndex,
) -> None:
    other = {"photo": "5793aa", "title": "eeee"}
    ListingIndex.build(index.folder, records_for("a"), views_of("a"), other)
    for change in (
        lambda: index.add(records_for("b"), views_of("b")),
        lambda: index.remove(["id-1"]),
        index.refresh,
    ):
        with pytest.raises(IndexFingerprintError, match=r"title encoder eeee.*one is 81c0bb"):
            change()
    assert len(index.ids()) == 40
    assert ListingIndex.open(index.folder, other).ids() == ["a"]


def test_open_refuses_every_damaged_file(index: ListingIndex) -> None:
    paths = [path for path in sorted(index.folder.iterdir()) if path.stat().st_size]
    assert len(paths) == 4
    for path in paths:
        whole = path.read_bytes()
        for place in (0, len(whole) // 2, len(whole) - 1):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
            with pytest.raises(IndexChangedError, match=path.name):
                ListingIndex.open(index.folder)
        path.write_bytes(whole[: len(whole) // 2])
        with pytest.raises(IndexChangedError, match=path.name):
            ListingIndex.open(index.folder)
        path.unlink()
        with pytest.raises(IndexIncompleteError, match=path.name):
            ListingIndex.open(index.folder)
        path.write_bytes(whole)
    assert len(ListingIndex.open(index.folder).ids()) == 40


def test_open_refuses_a_manifest_that_somebody_edited(index: ListingIndex) -> None:
    index.add(records_for(["later"]), views_of(["later"]))
    index.remove(["id-1", "id-2"])
    path = index.folder / "manifest.json"
    edited = path.read_text().replace('"removed": [1, 2]', '"removed": [1]')
    assert edited != path.read_text()
    path.write_text(edited)
    with pytest.raises(IndexChangedError, match=r"manifest\.json must have checksum"):
        ListingIndex.open(index.folder)


def test_refresh_sees_what_a_restored_copy_holds(index: ListingIndex, tmp_path: Path) -> None:
    index.add(records_for(["later"]), views_of(["later"]))
    shutil.copytree(index.folder, tmp_path / "copy")
    index.remove(["id-1"])
    shutil.copytree(tmp_path / "copy", index.folder, dirs_exist_ok=True)
    index.refresh()
    assert "id-1" in index.ids()
    assert found_ids(index, views_of(["id-1"]), 1) == [["id-1"]]


def test_build_repairs_a_damaged_index(index: ListingIndex) -> None:
    (index.folder / "manifest.json").write_text("{")
    build(index.folder, ["only"])
    assert ListingIndex.open(index.folder).ids() == ["only"]
    assert ListingIndex.open(index.folder).info().generation == 2


def test_open_refuses_a_newer_format(tmp_path: Path) -> None:
    newer = Manifest(format=9, generation=1, kind="auto", dims={}, fingerprints={}, segments=())
    write_manifest(tmp_path, newer)
    with pytest.raises(IndexFormatError, match=r"format 1 or older, but has 9.*pip install"):
        ListingIndex.open(tmp_path)


def test_open_needs_no_right_to_write(index: ListingIndex) -> None:
    before = sorted((path.name, path.stat().st_mtime_ns) for path in index.folder.iterdir())
    index.folder.chmod(0o555)
    try:
        ListingIndex.open(index.folder).search(views_of(["id-1"]), 3)
    finally:
        index.folder.chmod(0o755)
    assert before == sorted((p.name, p.stat().st_mtime_ns) for p in index.folder.iterdir())


@pytest.mark.parametrize(
    ("keys", "views", "message"),
    [
        (["a", "a"], views_of("ab"), "'a' is blank or comes twice"),
        (["", "b"], views_of("ab"), "'' is blank or comes twice"),
        (["a"], views_of("ab"), "photo has 2 rows for 1 listings"),
        (["a"], {"photo": present(np.full((1, 6), 0.5, "f4"))}, "one has 1.225"),
        (["a"], {"photo": present(np.full((1, 6), np.nan, "f4"))}, "one has nan"),
        (["a"], {"photo": present(unit(np.ones((1, 5))))}, r"photo \(6 wide\).*photo \(5 wide\)"),
        (["a"], {"video": present(unit(np.ones((1, 6))))}, r"got video \(6 wide\)"),
        (["a"], {"../x": present(unit(np.ones((1, 6))))}, r"got '\.\./x'"),
    ],
)
def test_add_refuses_what_does_not_fit_and_changes_nothing(
    index: ListingIndex, keys: list[str], views: dict[str, View], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        index.add(records_for(keys), views)
    assert ListingIndex.open(index.folder).info().generation == 1


def test_build_refuses_a_space_that_is_no_file_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"'\.\./photo'"):
        ListingIndex.build(tmp_path, [], {"../photo": present(np.zeros((0, 3), "f4"))}, {})


@pytest.mark.parametrize("k", [0, -2])
def test_search_refuses_to_find_none(index: ListingIndex, k: int) -> None:
    with pytest.raises(ValueError, match=f"1 or more, got {k}"):
        index.search(views_of("a"), k)


def test_records_of_keeps_paths_but_not_bytes() -> None:
    listings = [
        Listing("a", "Lamp", Path("photos/a.jpg"), category="Home"),
        Listing("b", "Vase", b"\xff\xd8"),
        Listing("c"),
    ]
    assert records_of(listings, ["aa", "bb", None]) == [
        Record("a", "Lamp", str(Path("photos/a.jpg")), "Home", "aa"),
        Record("b", "Vase", None, None, "bb"),
        Record("c", None, None, None, None),
    ]
