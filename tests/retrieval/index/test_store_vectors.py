from pathlib import Path

import faiss
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shelfsure.fusion.views import View
from shelfsure.retrieval.index import faiss_build
from shelfsure.retrieval.index.change import segments_to_fold
from shelfsure.retrieval.index.faiss_build import (
    build_index,
    choose_kind,
)
from shelfsure.retrieval.index.manifest import SegmentEntry
from shelfsure.retrieval.index.recall import planted_copies, recall_at
from shelfsure.retrieval.index.records import Record
from shelfsure.retrieval.index.store import ListingIndex
from shelfsure.retrieval.index.vector_index import VectorIndex


def clustered(rng: np.random.Generator, n: int, dim: int = 32) -> np.ndarray:
    centres = rng.standard_normal((40, dim))
    vectors = centres[rng.integers(0, 40, n)] + 0.7 * rng.standard_normal((n, dim))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def present(vectors: np.ndarray) -> View:
    return View(vectors, np.ones(len(vectors), dtype=bool))


def records(first: int, n: int) -> list[Record]:
    return [Record(f"id-{first + i}") for i in range(n)]


@pytest.mark.parametrize(
    ("wanted", "n_vectors", "kind"),
    [
        ("auto", 49_999, "exact"),
        ("auto", 50_000, "ivf"),
        ("exact", 10**7, "exact"),
        ("hnsw", 60_000, "hnsw"),
        ("ivf", 300, "ivf"),
        ("ivf", 255, "exact"),
        ("auto", 0, "exact"),
    ],
)
def test_choose_kind_goes_by_size_and_wish(wanted: str, n_vectors: int, kind: str) -> None:
    assert choose_kind(wanted, n_vectors) == kind


def test_choose_kind_refuses_an_unknown_one() -> None:
    with pytest.raises(ValueError, match=r"auto, exact, hnsw, ivf, got 'lsh'"):
        choose_kind("lsh", 10)


@pytest.mark.parametrize("kind", ["ivf", "hnsw"])
def test_build_index_finds_what_exact_search_does(rng: np.random.Generator, kind: str) -> None:
    vectors = clustered(rng, 4200)
    stored, queries = vectors[:4000], vectors[4000:]
    built = build_index(present(stored), kind)
    similarities, rows = VectorIndex(built.index).search(queries, 10)
    true = -np.sort(-(queries @ stored.T), axis=1)[:, :10]
    assert built.kind == kind
    assert 0.98 <= built.recall_at_10 <= 1
    assert (similarities >= true[:, -1:] - 1e-5).mean() >= 0.98
    np.testing.assert_allclose(
        similarities, np.take_along_axis(queries @ stored.T, rows, axis=1), atol=1e-5
    )


def test_build_index_widens_the_search_until_it_finds_enough(rng: np.random.Generator) -> None:
    noise = rng.standard_normal((3000, 64)).astype(np.float32)  # no clusters to lean on
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    built = build_index(present(noise), "ivf")
    assert built.recall_at_10 >= 0.98
    assert faiss.downcast_index(built.index.index).nprobe > 16


def test_build_index_searches_exactly_where_few_lists_find_too_little(
    rng: np.random.Generator,
) -> None:
    noise = rng.standard_normal((3000, 64)).astype(np.float32)
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    view = View(noise, np.arange(3000) != 7)
    built = build_index(view, "ivf", max_probed_fraction=1 / 16)
    assert (built.kind, built.recall_at_10) == ("exact", 1.0)
    assert isinstance(faiss.downcast_index(built.index.index), faiss.IndexFlat)
    assert VectorIndex(built.index).rows.tolist() == np.flatnonzero(view.present).tolist()
    easy = build_index(present(clustered(rng, 3000)), "ivf", max_probed_fraction=0.9)
    assert easy.kind == "ivf"


def test_build_index_measures_hard_queries_too(rng: np.random.Generator) -> None:
    # tight clusters: each vector's neighbours share its list, a hard copy's often don't
    centres = rng.standard_normal((150, 32))
    vectors = np.repeat(centres, 40, axis=0) + 0.5 * rng.standard_normal((6000, 32))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    built = build_index(present(vectors), "ivf")
    copies = planted_copies(vectors[:2000], 0.6, rng)
    inner, true = faiss.downcast_index(built.index.index), -np.sort(-(copies @ vectors.T))[:, :10]
    assert recall_at(built.index.search(copies, 10)[0], true) >= 0.975
    inner.nprobe = 4  # enough for the vectors themselves
    own = -np.sort(-(vectors[:2000] @ vectors.T))[:, :11]
    assert recall_at(built.index.search(vectors[:2000], 11)[0], own, n_self=1) >= 0.98
    assert recall_at(built.index.search(copies, 10)[0], true) < 0.95


def test_planted_copies_lie_as_far_away_as_wished(rng: np.random.Generator) -> None:
    vectors = clustered(rng, 50)
    copies = planted_copies(vectors, 0.7, rng)
    np.testing.assert_allclose((copies * vectors).sum(axis=1), 0.7, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(copies, axis=1), 1, atol=1e-5)
    assert not np.allclose(copies, planted_copies(vectors, 0.7, rng))


def test_build_index_makes_lists_of_a_graph_that_cannot_find_enough(
    rng: np.random.Generator,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    noise = rng.standard_normal((3000, 64)).astype(np.float32)
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    monkeypatch.setattr(faiss_build, "_HNSW_WIDEST_SEARCH", 4)
    monkeypatch.setattr(faiss_build, "_HNSW_LINKS", 2)
    with caplog.at_level("WARNING"):
        built = build_index(present(noise), "hnsw")
    assert "lists are built instead" in caplog.text
    assert built.kind == "ivf"
    assert built.recall_at_10 >= 0.98


def test_recall_at_counts_by_similarity_and_leaves_the_query_out() -> None:
    true = np.array([[1.0, 0.9, 0.8], [1.0, 0.7, 0.7]])
    found = np.array([[1.0, 0.8, 0.5], [1.0, 0.7, 0.7]])
    assert recall_at(found, true, n_self=1) == pytest.approx((1 / 2 + 2 / 2) / 2)
    assert recall_at(found, true) == pytest.approx((2 / 3 + 3 / 3) / 2)
    assert recall_at(np.full((2, 3), -np.inf), true, n_self=1) == 0
    assert recall_at(np.ones((2, 1)), np.ones((2, 1)), n_self=1) == 1


@pytest.mark.parametrize("kind", ["exact", "ivf", "hnsw"])
def test_vectors_come_back_as_they_went_in(rng: np.random.Generator, kind: str) -> None:
    vectors = clustered(rng, 600)
    view = View(vectors, rng.random(600) < 0.8)
    index = VectorIndex(build_index(view, kind).index)
    rows = rng.permutation(600)
    back = index.vectors(rows)
    np.testing.assert_array_equal(back.present, view.present[rows])
    np.testing.assert_array_equal(back.features[back.present], vectors[rows][back.present])
    assert not back.features[~back.present].any()


@pytest.mark.parametrize("n_queries", [1, 2, 3, 50, 400])
def test_exact_search_does_not_depend_on_the_batch(
    rng: np.random.Generator, n_queries: int
) -> None:
    vectors = clustered(rng, 2000)
    index = VectorIndex(build_index(present(vectors), "exact").index)
    similarities, rows = index.search(vectors[:n_queries], 5)
    np.testing.assert_array_equal(rows[:, 0], np.arange(n_queries))
    true = -np.sort(-(vectors[:n_queries] @ vectors.T), axis=1)[:, :5]
    np.testing.assert_allclose(similarities, true, atol=1e-5)


def test_index_that_outgrows_exact_search_becomes_approximate(
    rng: np.random.Generator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faiss_build, "EXACT_BELOW", 1000)
    vectors = clustered(rng, 1300)
    index = ListingIndex.build(tmp_path, records(0, 900), {"photo": present(vectors[:900])}, {})
    assert index.info().spaces["photo"].kinds == ("exact",)
    index.add(records(900, 300), {"photo": present(vectors[900:1200])})
    assert index.info().spaces["photo"].kinds == ("ivf",)
    assert index.info().spaces["photo"].recall_at_10 >= 0.98
    index.add(records(1200, 100), {"photo": present(vectors[1200:])})
    assert index.info().spaces["photo"].kinds == ("exact", "ivf")  # a small part is searched whole
    found = index.search({"photo": present(vectors)}, 1)
    assert [ids[0].listing_id for ids in found] == [f"id-{i}" for i in range(1300)]


def test_rebuild_writes_one_segment_of_the_wished_kind(
    rng: np.random.Generator, tmp_path: Path
) -> None:
    vectors = clustered(rng, 1000)
    index = ListingIndex.build(tmp_path, records(0, 700), {"photo": present(vectors[:700])}, {})
    index.add(records(700, 300), {"photo": present(vectors[700:])})
    assert index.info().n_segments == 2
    index.rebuild("hnsw")
    opened = ListingIndex.open(tmp_path).info()
    assert (opened.n_segments, opened.kind, opened.n_listings) == (1, "hnsw", 1000)
    assert opened.spaces["photo"].kinds == ("hnsw",)


def entry(number: int, n_rows: int, n_removed: int = 0) -> SegmentEntry:
    removed = tuple(range(n_removed))
    return SegmentEntry(number=number, n_rows=n_rows, removed=removed, spaces={}, files={})


def test_segments_to_fold_leaves_a_large_one_alone() -> None:
    large, small = entry(1, 100_000, 40_000), entry(2, 90)
    assert segments_to_fold([large, small], 1) == {2}
    assert segments_to_fold([large, small], 0) == set()
    assert segments_to_fold([large, small], 70_000) == {1, 2}


def test_segments_to_fold_rewrites_what_is_mostly_removed() -> None:
    assert segments_to_fold([entry(1, 1000, 501), entry(2, 5000)], 0) == {1}
    assert segments_to_fold([entry(1, 1000, 500), entry(2, 5000)], 0) == set()


@given(sizes=st.lists(st.integers(1, 3000), min_size=1, max_size=150))
def test_segments_to_fold_keeps_segments_few_and_writes_little(sizes: list[int]) -> None:
    segments: list[SegmentEntry] = []
    written = 0
    for number, n_new in enumerate(sizes):
        folded = segments_to_fold(segments, n_new)
        n = n_new + sum(segment.n_live for segment in segments if segment.number in folded)
        segments = [s for s in segments if s.number not in folded] + [entry(number, n)]
        written += n
    total = sum(sizes)
    assert sum(segment.n_live for segment in segments) == total
    assert len(segments) <= 2 + np.log2(total)
    assert written <= total * (2 + np.log2(total)) + 500 * len(sizes)
