import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from shelfsure.fusion.hierarchy import ancestors, depth, sum_by_parent

CLASSES = ["Home > Lamps > Desk", "Home > Rugs", "Toys", "Home > Lamps > Wall"]
PATHS = st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map(" > ".join)


def test_ancestors_by_hand() -> None:
    cut = [ancestors(CLASSES, level) for level in (1, 2, 3)]
    # a path that is too short stands for itself
    parents = [("Home", "Toys"), ("Home > Lamps", "Home > Rugs", "Toys"), tuple(CLASSES)]
    assert [parents for parents, _ in cut] == parents
    places = [[0, 0, 1, 0], [0, 1, 2, 0], [0, 1, 2, 3]]
    assert [own.tolist() for _, own in cut] == places


def test_sum_by_parent_by_hand() -> None:
    leaves = np.array([[0.1, 0.2, 0.3, 0.4], [0.7, 0.0, 0.3, 0.0]], dtype=np.float32)
    summed = sum_by_parent(leaves, np.array([0, 1, 2, 0]), 3)
    np.testing.assert_allclose(summed, [[0.5, 0.2, 0.3], [0.7, 0.0, 0.3]])
    assert summed.dtype == np.float32


def test_sum_by_parent_of_no_listing_is_empty() -> None:
    assert sum_by_parent(np.zeros((0, 3)), np.array([0, 0, 1]), 2).shape == (0, 2)


@given(
    classes=st.lists(PATHS, min_size=1, max_size=12, unique=True),
    level=st.integers(1, 5),
    seed=st.integers(0, 100),
)
def test_sum_by_parent_adds_exactly_the_classes_below(
    classes: list[str], level: int, seed: int
) -> None:
    leaves = np.random.default_rng(seed).dirichlet(np.ones(len(classes)), size=3)
    parents, places = ancestors(classes, level)
    summed = sum_by_parent(leaves, places, len(parents))
    np.testing.assert_allclose(summed.sum(axis=1), 1)
    for i, parent in enumerate(parents):
        below = [
            name == parent or (name.startswith(f"{parent} > ") and parent.count(" > ") == level - 1)
            for name in classes
        ]
        np.testing.assert_allclose(summed[:, i], leaves[:, below].sum(axis=1))


def test_depth_counts_the_deepest_path() -> None:
    assert depth(CLASSES) == 3
    assert depth(["Toys"]) == 1
    assert depth([]) == 0
