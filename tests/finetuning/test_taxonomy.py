import numpy as np
import pytest
from shelfsure.core.errors import TrainingError
from shelfsure.finetuning.taxonomy import OUTSIDE, find_leaves

PATHS = ["A > x > 1"] * 3 + ["A > x > 2"] * 1 + ["A > y"] * 3 + ["B"] * 4 + ["C > z"] * 1


def test_find_leaves_goes_as_deep_as_there_are_examples() -> None:
    taxonomy, labels = find_leaves(PATHS, 3, 3)
    assert taxonomy.leaves == ("A > x", "A > x > 1", "A > y", "B")
    assert [taxonomy.leaves[label] for label in labels[:4]] == ["A > x > 1"] * 3 + ["A > x"]
    assert labels[-1] == -1


def test_find_leaves_stops_at_the_level_asked_for() -> None:
    taxonomy, _ = find_leaves(PATHS, 1, 3)
    assert (taxonomy.leaves, taxonomy.levels) == (("A", "B"), 1)


def test_find_leaves_drops_levels_that_tell_nothing_more_apart() -> None:
    assert find_leaves(["A > x", "B > y"] * 3, 3, 2)[0].levels == 1


def test_sums_add_leaves_up_to_their_ancestors() -> None:
    taxonomy, _ = find_leaves(PATHS, 3, 3, outside=True)
    assert taxonomy.leaves[-1] == OUTSIDE
    first, second, third = taxonomy.sums
    probabilities = np.array([0.1, 0.2, 0.3, 0.25, 0.15])  # the order of the leaves
    np.testing.assert_allclose(sorted(probabilities @ first), [0.15, 0.25, 0.6], rtol=1e-6)
    np.testing.assert_allclose(sorted(probabilities @ second), [0.15, 0.25, 0.3, 0.3], rtol=1e-6)
    assert third.shape == (5, 5)


def test_find_leaves_needs_two_categories() -> None:
    with pytest.raises(TrainingError, match="1 of 2 have them"):
        find_leaves(["A"] * 5 + ["B"], 1, 3)
