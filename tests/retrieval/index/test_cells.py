import numpy as np
import pytest
from shelfsure.retrieval.index import cells as cells_module
from shelfsure.retrieval.index.cells import (
    add_to_heaps,
    cells_for,
    join_cell,
    train_cells,
)
from shelfsure.retrieval.index.recall import planted_copies
from shelfsure.retrieval.index.self_join import Recall, meet, self_join


def clustered(rng: np.random.Generator, n: int, n_clusters: int, d: int = 48) -> np.ndarray:
    centres = rng.standard_normal((n_clusters, d), dtype=np.float32)
    rows = centres[rng.integers(0, n_clusters, n)]
    rows += 0.7 * rng.standard_normal((n, d), dtype=np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def directed(pairs, rows) -> dict[tuple[int, int], float]:
    found = {
        (int(rows[a]), int(rows[b])): float(s)
        for a, b, s in zip(pairs.a, pairs.b, pairs.similarity, strict=True)
    }
    assert len(found) == len(pairs.a)  # nobody is told twice
    return found


def test_cells_nearest_is_by_cosine_and_home_comes_first(rng) -> None:
    vectors = clustered(rng, 3000, 40)
    cells = train_cells(vectors, 50)
    nearest = cells.nearest(vectors.astype(np.float16), 3)
    single = vectors.astype(np.float16).astype(np.float32)
    exact = np.argsort(-(single @ cells.projection) @ cells.centres.T, axis=1)
    assert np.abs(np.linalg.norm(cells.centres, axis=1) - 1).max() < 1e-5
    assert (nearest == exact[:, :3]).mean() > 0.999  # rounding may turn equals around
    assert cells.nearest(vectors, 10_000).shape == (3000, len(cells))


def test_train_cells_splits_a_crowded_cell_and_counts_copies_once(rng) -> None:
    crowd = clustered(rng, 9000, 1)
    spread = clustered(rng, 1000, 1000)
    copies = np.repeat(spread[:1], 50_000, axis=0)
    vectors = np.concatenate([crowd, spread, copies])
    home = train_cells(vectors, 200).nearest(vectors[:10_000], 1)
    assert np.bincount(home[:, 0]).max() < 10 * 10_000 / 200


def test_join_cell_gives_each_near_pair_once(rng) -> None:
    home, visitors = clustered(rng, 60, 4), clustered(rng, 50, 4)
    found = directed(join_cell(home, visitors, min_similarity=0.3), np.arange(110))
    dense = np.concatenate([home, visitors]) @ home.T
    expected = {(b, a) for a, b in np.argwhere(dense >= 0.3).tolist() if b < a}
    assert set(found) == expected
    assert all(s == pytest.approx(float(dense[b, a]), abs=1e-5) for (a, b), s in found.items())


def test_join_cell_gives_the_nearest_of_each(rng) -> None:
    home, visitors = clustered(rng, 60, 4), clustered(rng, 50, 4)
    members = np.concatenate([home, visitors])
    found = directed(join_cell(home, visitors, k=5), np.arange(110))
    dense = members @ members.T
    np.fill_diagonal(dense, -np.inf)
    dense[60:, 60:] = -np.inf  # visitors don't meet here
    for a in range(110):
        own = {b for x, b in found if x == a}
        assert set(np.argsort(-dense[a])[:5].tolist()) <= own
        assert all(found[a, b] == pytest.approx(float(dense[a, b]), abs=1e-5) for b in own)


def test_join_cell_leaves_out_what_is_below_its_floor(rng) -> None:
    home, visitors = clustered(rng, 60, 4), clustered(rng, 50, 4)
    floors = np.full(110, 0.5, dtype=np.float32)
    free = directed(join_cell(home, visitors, k=5), np.arange(110))
    found = directed(join_cell(home, visitors, k=5, floors=floors), np.arange(110))
    assert set(found) == {pair for pair, s in free.items() if s > 0.5}


def test_join_cell_of_a_crowd_finds_k_copies_of_each(rng, monkeypatch) -> None:
    monkeypatch.setattr(cells_module, "MAX_HOME", 100)
    home = np.repeat(clustered(rng, 1, 1), 1050, axis=0)
    visitors = clustered(rng, 30, 1)
    found = join_cell(home, visitors, k=10)
    counts = np.bincount(found.a, weights=found.similarity > 0.999, minlength=1080)
    assert counts[:1050].min() >= 10
    assert set(found.a.tolist()) == set(range(1080))


@pytest.mark.parametrize(("n_home", "n_visitors"), [(0, 0), (0, 5), (1, 0), (1, 1)])
def test_join_cell_of_few(rng, n_home, n_visitors) -> None:
    home, visitors = clustered(rng, n_home, 1), clustered(rng, n_visitors, 1)
    for k in (None, 3):
        found = join_cell(home, visitors, k=k)
        assert len(found.a) == n_home * n_visitors * (2 if k else 1)


def test_add_to_heaps_keeps_the_largest() -> None:
    best = np.full((2, 2), -1, dtype=np.float32)
    ids = np.full((2, 2), -1, dtype=np.int64)
    similarity = np.array([[0.1, 0.9, 0.5], [0.3, -2, -2]], dtype=np.float32)
    add_to_heaps(best, ids, similarity, np.array([7, 8, 9]))
    assert sorted(ids[0].tolist()) == [8, 9]
    assert sorted(ids[1].tolist()) == [-1, 7]


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_self_join_visiting_all_cells_is_exact(rng, dtype) -> None:
    vectors = clustered(rng, 2000, 30).astype(dtype)
    found = self_join(vectors, 10, n_visited=10_000)
    dense = vectors.astype(np.float32) @ vectors.astype(np.float32).T
    np.fill_diagonal(dense, -np.inf)
    assert found.similarity == pytest.approx(-np.sort(-dense, axis=1)[:, :10], abs=1e-5)
    at = np.take_along_axis(dense, found.rows, axis=1)
    assert at == pytest.approx(found.similarity, abs=1e-5)
    assert all(len(set(row)) == 10 for row in found.rows.tolist())
    assert found.recall_at_10.value == found.recall_of_copies.value == 1


def test_self_join_finds_the_nearest_of_queries_which_are_nobodys_neighbours(rng) -> None:
    vectors, queries = clustered(rng, 1500, 30), clustered(rng, 200, 30)
    queries[7] = 0
    found = self_join(vectors, 5, queries=queries, min_similarity=0.01, n_visited=10_000)
    alone = self_join(vectors, 5, min_similarity=0.01, n_visited=10_000)
    assert found.rows.shape == (1700, 5)
    assert found.rows.max() < 1500
    assert (found.rows[:1500] == alone.rows).mean() > 0.999  # rounding may turn equals around
    dense = -np.sort(-(queries @ vectors.T), axis=1)[:, :5]
    asked = np.arange(200) != 7
    assert found.similarity[1500:][asked] == pytest.approx(dense[asked], abs=1e-5)
    assert (found.rows[1507] == -1).all()


def test_self_join_leaves_out_what_is_far(rng) -> None:
    vectors = clustered(rng, 600, 30)
    found = self_join(vectors, 10, min_similarity=0.6, n_visited=10_000)
    dense = vectors @ vectors.T
    np.fill_diagonal(dense, -np.inf)
    near = np.minimum((dense >= 0.6).sum(axis=1), 10)
    assert ((found.rows >= 0).sum(axis=1) == near).all()
    assert (found.similarity[found.rows < 0] == -np.inf).all()


def test_self_join_finds_planted_copies_and_says_its_true_recall(rng) -> None:
    catalogue = clustered(rng, 20_000, 300)
    originals = rng.permutation(20_000)[:1500]
    cosines = np.repeat([0.6, 0.7, 0.8], 500)
    copies = [
        planted_copies(catalogue[[o]], c, rng) for o, c in zip(originals, cosines, strict=True)
    ]
    vectors = np.concatenate([catalogue, *copies])
    found = self_join(vectors)
    hits = (found.rows[20_000:] == originals[:, None]).any(axis=1)
    # strangers may be nearer than an original at .6, so ask only for those that are among the ten
    dense = vectors[20_000:] @ vectors.T
    dense[np.arange(1500), 20_000 + np.arange(1500)] = -np.inf
    tenth = -np.partition(-dense, 9, axis=1)[:, 9]
    due = dense[np.arange(1500), originals] >= tenth
    assert due.sum() > 1000
    assert hits[due].mean() >= 0.98
    drawn = rng.permutation(len(vectors))[:1500]
    dense = vectors[drawn] @ vectors.T
    dense[np.arange(1500), drawn] = -np.inf
    tenth = -np.partition(-dense, 9, axis=1)[:, 9:10]
    every = (found.similarity[drawn] >= tenth - 1e-5).mean()
    assert found.recall_at_10.low <= every <= found.recall_at_10.high
    assert every >= 0.98


def test_self_join_of_many_copies_of_one_placeholder(rng) -> None:
    vectors = np.concatenate(
        [np.repeat(clustered(rng, 1, 1), 6000, axis=0), clustered(rng, 4000, 60)]
    )
    found = self_join(vectors)
    assert (found.similarity[:6000] > 0.999).all()
    assert found.recall_at_10.value >= 0.97
    assert found.recall_of_copies.value >= 0.97


def test_meet_is_where_one_visits_the_others_home() -> None:
    a = np.array([[0, 1], [0, 1], [0, 1]])
    b = np.array([[1, 5], [5, 0], [6, 1]])
    assert meet(a, b).tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("share", "n", "low", "high"),
    [(1.0, 100, 0.9638, 1.0), (0.5, 10, 0.1871, 0.8129), (0.0, 1, 0.0, 0.975)],
)
def test_recall_has_the_interval_of_clopper_and_pearson(share, n, low, high) -> None:
    recall = Recall.of(share, n)
    assert (recall.low, recall.high) == (
        pytest.approx(low, abs=1e-4),
        pytest.approx(high, abs=1e-4),
    )


def test_cells_for_grows_with_the_root() -> None:
    assert cells_for(1_000_000) == 12_000
    assert cells_for(10) == 1
