import numpy as np
import pytest
from shelfsure.exploration.overlap import category_pairs, mistaken_for, share_draws


def test_category_pairs_call_one_category_under_two_names_an_overlap(rng):
    labels = np.repeat([0, 1, 2], 60)
    likeness = np.full((180, 3), 0.01)
    likeness[:120, :2] = rng.uniform(0.2, 0.8, (120, 2))  # names 0 and 1 mean the same
    likeness[120:, 2] = 1.0
    likeness[120, 0] = 2.0  # one mistake of another pair
    pairs = category_pairs(likeness, labels, np.arange(180))
    assert [(pair.a, pair.b, pair.overlaps) for pair in pairs] == [(0, 1, True), (0, 2, False)]
    assert pairs[0].low < 0.5 < pairs[0].high + 0.03
    assert pairs[1].confusion == pytest.approx(1 / 120)


def test_category_pairs_count_either_category_alike():
    labels = np.array([0] * 90 + [1] * 10)
    answers = np.zeros((100, 2))
    answers[:, 0] = 1.0  # the small one is always taken for the large one
    (pair,) = category_pairs(answers, labels, np.arange(100))
    assert (pair.confusion, pair.n_confused, pair.n) == (0.5, 10, 100)
    assert pair.overlaps


def test_category_pairs_of_few_groups_are_sure_of_nothing():
    labels = np.repeat([0, 1], 20)
    answers = np.tile([1.0, 0.0], (40, 1))
    (pair,) = category_pairs(answers, labels, np.repeat([0, 1], 20))
    assert pair.confusion == 0.5
    assert not pair.overlaps


def test_category_pairs_leave_listings_out_that_do_not_count():
    labels, answers = np.array([0, 0, 1, 1]), np.array([[1.0, 0], [0, 1], [0, 1], [0, 1]])
    keep = np.array([True, False, True, True])
    assert category_pairs(answers, labels, np.arange(4), keep) == []


def test_share_draws_cover_the_truth_as_often_as_they_say(rng):
    covered = []
    for _ in range(200):
        hits = rng.random(30) < 0.2
        low, high = np.quantile(share_draws(hits, np.arange(30), rng), [0.025, 0.975])
        covered.append(low <= 0.2 <= high)
    assert np.mean(covered) > 0.9


def test_mistaken_for_names_the_commonest_other_category():
    labels, answers = np.array([0, 0, 0, 0, 1, 2]), np.array([0, 1, 2, 2, 1, 2])
    assert mistaken_for(answers, labels, 3) == [(2, 2), None, None]
