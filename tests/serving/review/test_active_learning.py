from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from shelfsure.pipeline.verdict import Guess, NearListing, Verdict
from shelfsure.serving.review.active_learning import (
    is_strange,
    query_order,
    uncertainty,
    verdict_vector,
)

probabilities = arrays(np.float64, (4, 3), elements=st.floats(0, 1))
unsure_values = arrays(np.float64, 12, elements=st.floats(0, 1))
NOT_STRANGE = np.zeros(4, dtype=bool)


def verdict(**fields: Any) -> Verdict:
    return Verdict(**{"listing_id": "a", "decision": "review", **fields})


def farthest_first(unsure: np.ndarray, vectors: np.ndarray) -> list[int]:
    """The same by its definition, with plain loops."""
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    order: list[int] = []
    while len(order) < len(units):
        gains = {}
        for row in set(range(len(units))) - set(order):
            near = min((np.linalg.norm(units[row] - units[o]) / 2 for o in order), default=1.0)
            gains[row] = unsure[row] * (0.0 if near < 1e-3 else near)
        order.append(min(gains, key=lambda row: (-gains[row], -unsure[row], row)))
    return order


def test_uncertainty_is_one_minus_the_margin() -> None:
    given_ = np.array([[0.1, 0.7, 0.2], [0.5, 0.5, 0.0], [1.0, 0.0, 0.0]])
    np.testing.assert_allclose(uncertainty(given_, np.zeros(3, bool)), [0.5, 1.0, 0.0])


@given(probabilities)
def test_uncertainty_heeds_no_order_and_stays_in_range(rows: np.ndarray) -> None:
    found = uncertainty(rows, NOT_STRANGE)
    assert ((found >= 0) & (found <= 1)).all()
    np.testing.assert_array_equal(found, uncertainty(rows[:, ::-1], NOT_STRANGE))


def test_uncertainty_of_one_column_or_none_known() -> None:
    np.testing.assert_allclose(uncertainty(np.array([[0.9], [0.0]]), np.zeros(2, bool)), [0.1, 1])


def test_uncertainty_of_the_strange_is_full() -> None:
    assert uncertainty(np.array([[1.0, 0.0]]), np.array([True])) == [1.0]


@given(unsure_values, st.integers(0, 2**32 - 1))
def test_query_order_is_the_definition(unsure: np.ndarray, seed: int) -> None:
    vectors = np.random.default_rng(seed).standard_normal((12, 4))
    unsure = np.round(unsure, 3)
    order = query_order(unsure, vectors).tolist()
    assert sorted(order) == list(range(12))
    assert order == farthest_first(unsure, vectors)


@given(unsure_values, st.integers(0, 2**32 - 1), st.floats(0.1, 10), st.integers(0, 15))
def test_query_order_heeds_no_scale_and_begins_alike(
    unsure: np.ndarray, seed: int, scale: float, n: int
) -> None:
    vectors = np.random.default_rng(seed).standard_normal((12, 4))
    order = query_order(unsure, vectors)
    np.testing.assert_array_equal(order, query_order(unsure, scale * vectors))
    np.testing.assert_array_equal(order[:n], query_order(unsure, vectors, n=n))


def test_query_order_puts_copies_last() -> None:
    vectors = np.array([[1.0, 0], [1, 0], [1, 0], [0, 1], [-1, 0]])
    unsure = np.array([0.9, 0.8, 1.0, 0.1, 0.1])
    assert query_order(unsure, vectors).tolist() == [2, 4, 3, 0, 1]


def test_query_order_avoids_what_was_answered() -> None:
    vectors = np.array([[1.0, 0.01], [0, 1.0]])
    unsure = np.array([0.9, 0.8])
    assert query_order(unsure, vectors).tolist() == [0, 1]
    assert query_order(unsure, vectors, np.array([[5.0, 0]])).tolist() == [1, 0]


def test_query_order_without_vectors_goes_by_uncertainty() -> None:
    order = query_order(np.array([0.2, 0.9, 0.5, 0.9]), np.zeros((4, 3)))
    assert order.tolist() == [1, 3, 2, 0]


@pytest.mark.parametrize("answered", [None, np.zeros((0, 3)), np.ones((2, 3))])
def test_query_order_of_nothing_is_nothing(answered: np.ndarray | None) -> None:
    assert query_order(np.zeros(0), np.zeros((0, 3)), answered).tolist() == []


def test_query_order_shows_every_kind_before_the_second_of_one(
    rng: np.random.Generator,
) -> None:
    kinds = np.repeat(np.eye(6), 20, axis=0)
    vectors = kinds + rng.normal(0, 0.02, kinds.shape)
    unsure = rng.uniform(0.8, 1.0, len(kinds))
    first = query_order(unsure, vectors, n=6)
    assert sorted(first // 20) == list(range(6))


@pytest.mark.parametrize(
    ("fields", "strange"),
    [
        ({}, False),
        ({"mismatch": True}, True),
        ({"decision": "out_of_catalogue"}, True),
        ({"decision": "accept"}, True),
        ({"route": "zero_shot"}, True),
        ({"route": "fusion"}, False),
    ],
)
def test_is_strange_counts_alarms_and_flags(fields: dict[str, Any], strange: bool) -> None:
    assert is_strange(verdict(**fields)) is strange


def test_verdict_vector_places_like_near_like() -> None:
    def about(category: str, neighbour: str) -> np.ndarray:
        near = NearListing(listing_id=neighbour, similarity=0.9)
        guess = Guess(category=category, probability=0.8)
        return verdict_vector(verdict(top_k=(guess,), neighbours=(near,)))

    mug, same, other = about("Mugs", "m1"), about("Mugs", "m1"), about("Rugs", "r1")
    np.testing.assert_array_equal(mug, same)
    assert mug @ other < 0.1 * (mug @ mug)
    assert not verdict_vector(verdict()).any()
