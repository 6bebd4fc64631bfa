"""Maps keep neighbours together, also those that were placed afterwards."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
from shelfsure.exploration.maps import projection
from shelfsure.exploration.maps.clusters import silhouette
from shelfsure.exploration.maps.projection import has_umap, project


@pytest.fixture
def blobs(rng) -> tuple[np.ndarray, np.ndarray]:
    labels = np.arange(90) % 3
    return (8 * np.eye(5)[labels] + rng.normal(size=(90, 5))).astype(np.float32), labels


def test_pca_is_the_best_plane(blobs) -> None:
    rows, _ = blobs
    centred = rows - rows.mean(axis=0)
    values = np.linalg.svd(centred, compute_uv=False)
    assert project(rows, "pca").var(axis=0) * len(rows) == pytest.approx(values[:2] ** 2, rel=1e-3)


def test_listings_placed_afterwards_lie_with_their_like(blobs, monkeypatch) -> None:
    rows, labels = blobs
    monkeypatch.setitem(projection.MAX_FITTED, "tsne", 45)
    placed = project(rows, "tsne")
    assert placed.shape == (90, 2)
    assert (silhouette(placed, labels) or 0) > 0.5


@pytest.mark.parametrize("n", [1, 2, 3, 4, 7])
def test_a_handful_of_listings_has_a_map(n, rng) -> None:
    for method in ("pca", "tsne"):
        placed = project(rng.normal(size=(n, 3)).astype(np.float32), method)
        assert placed.shape == (n, 2)
        assert np.isfinite(placed).all()


def test_equal_listings_have_a_map() -> None:
    assert np.isfinite(project(np.ones((12, 3), dtype=np.float32), "tsne")).all()


def test_umap_is_known_by_its_package(monkeypatch) -> None:
    monkeypatch.setattr(projection, "find_spec", lambda _: None)
    assert not has_umap()


def test_umap_lays_out_all_rows(monkeypatch, rng) -> None:
    rows = rng.normal(size=(40, 3)).astype(np.float32)

    class Umap:
        def __init__(self, **settings: object) -> None:
            assert settings == {"random_state": 1, "n_neighbors": 15, "init": "pca"}

        def fit_transform(self, rows: np.ndarray) -> np.ndarray:
            return rows[:, :2]

    monkeypatch.setitem(sys.modules, "umap", SimpleNamespace(UMAP=Umap))
    assert project(rows, "umap", seed=1) == pytest.approx(rows[:, :2])
