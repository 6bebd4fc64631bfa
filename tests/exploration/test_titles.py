import numpy as np
import pytest
from shelfsure.exploration.titles import says_nothing, shared_titles, uncertainty_left


def test_uncertainty_left_is_all_for_the_shares_and_none_for_a_sure_answer():
    labels = np.array([0, 0, 0, 1])
    answers = np.array([[0.75, 0.25], [1.0, 0.0], [0.5, 0.5]])
    shares = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    left = uncertainty_left(answers, labels)
    assert left == pytest.approx([1.0, 0.0, np.log(2) / shares])
    assert says_nothing(left, np.array([True, True, False])).tolist() == [True, False, False]


def test_shared_titles_are_those_of_three_categories_however_spelt():
    titles = ["New  item", "new item", "NEW ITEM", "Lamp", "Lamp", None, None, None]
    categories = ["a", "b", "c", "a", "b", "a", "b", "c"]
    assert shared_titles(titles, categories) == {"new item": {"a", "b", "c"}}
