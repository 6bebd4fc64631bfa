"""Framings: another one than the whole photo is taken on clear evidence only."""

import numpy as np
import pytest
from shelfsure.embedding.framing import CANDIDATES, best_crop_mode
from shelfsure.embedding.sessions import sample_categories

N = 240


def seen(rng: np.random.Generator, noise: float) -> np.ndarray:
    centres = rng.normal(size=(6, 16))
    return np.asarray(centres[np.arange(N) % 6] + noise * rng.normal(size=(N, 16)), np.float32)


@pytest.mark.parametrize(
    ("border", "center", "chosen"), [(2.0, 1.0, "center"), (1.0, 2.0, "border")]
)
def test_best_crop_mode_is_the_one_that_tells_new_groups_apart(
    rng: np.random.Generator, border: float, center: float, chosen: str
) -> None:
    features = {"border": seen(rng, border), "center": seen(rng, center)}
    names = [f"category {row % 6}" for row in range(N)]
    found, losses = best_crop_mode(features, names, np.arange(N) // 2, seed=0)
    assert found == chosen
    assert min(losses, key=losses.__getitem__) == chosen


def test_best_crop_mode_stays_with_the_first_where_none_is_clearly_better(
    rng: np.random.Generator,
) -> None:
    photos = seen(rng, 1.5)
    nearly = photos + 0.01 * rng.normal(size=photos.shape).astype(np.float32)
    names = [f"category {row % 6}" for row in range(N)]
    for features in ({"border": photos, "center": nearly}, {"border": nearly, "center": photos}):
        assert best_crop_mode(features, names, np.arange(N), seed=0)[0] == "border"


def test_best_crop_mode_of_one_category_or_group_has_nothing_to_choose_by(
    rng: np.random.Generator,
) -> None:
    features = {mode: seen(rng, 1.0) for mode in CANDIDATES}
    assert best_crop_mode(features, ["lamp"] * N, np.arange(N), seed=0)[0] == "border"
    alone = [f"category {row // 4}" for row in range(N)]  # too few photos of each
    assert best_crop_mode(features, alone, np.arange(N), seed=0)[0] == "border"
    names = [f"category {row % 6}" for row in range(N)]
    assert best_crop_mode(features, names, np.zeros(N, int), seed=0) == ("border", {})


def test_sample_categories_takes_whole_categories_or_runs_of_a_large_one() -> None:
    names = ["large"] * 500 + [f"small {n // 10}" for n in range(300)]
    rows = np.arange(800)
    for seed in range(20):
        kept = sample_categories(rows, names, 100, seed)
        assert 100 <= len(kept) < 120
        large = kept[kept < 500]
        assert len(large) in {0, 20}
        assert len(large) == 0 or np.all(np.diff(large) == 1)
        counts = {name: sum(names[row] == name for row in kept) for name in set(names[500:])}
        assert set(counts.values()) <= {0, 10}
    np.testing.assert_array_equal(sample_categories(rows, names, 10_000, 0), rows)
