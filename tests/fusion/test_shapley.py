from collections.abc import Callable
from itertools import permutations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shelfsure.fusion.shapley import (
    coalitions,
    dividends,
    inner_weights,
    sampled_values,
    shapley_values,
)

Array = npt.NDArray[np.float64]


def brute_force(worth: Array, n: int) -> Array:
    """Shapley's own words: what each adds, over all orders of joining."""
    found, orders = np.zeros(n), list(permutations(range(n)))
    for order in orders:
        code = 0
        for player in order:
            found[player] += worth[code | 1 << player] - worth[code]
            code |= 1 << player
    return found / len(orders)


def asking(
    worth: Array, asked: list[int] | None = None
) -> Callable[[npt.NDArray[np.bool_]], Array]:
    """A game as masks; nobody is worth 0 in it."""

    def ask(masks: npt.NDArray[np.bool_]) -> Array:
        codes = masks @ (1 << np.arange(masks.shape[1]))
        if asked is not None:
            asked.extend(codes.tolist())
        return worth[codes] - worth[0]

    return ask


@pytest.mark.parametrize("n", [0, 1, 2, 3, 5])
def test_shapley_values_are_the_mean_over_all_orders(n: int, rng: np.random.Generator) -> None:
    worth = rng.normal(size=2**n)
    values = shapley_values(worth)
    np.testing.assert_allclose(values, brute_force(worth, n), atol=1e-12)
    assert values.sum() == pytest.approx(worth[-1] - worth[0], abs=1e-12)


def test_shapley_values_of_the_glove_game() -> None:
    # two left gloves (0, 1) and one right (2): a pair is worth 1; known: 1/6, 1/6, 2/3
    worth = np.array([0, 0, 0, 0, 0, 1, 1, 1], dtype=float)
    np.testing.assert_allclose(shapley_values(worth), [1 / 6, 1 / 6, 2 / 3])


def test_shapley_values_of_an_additive_game_are_its_terms() -> None:
    terms = np.array([2.0, -1.0, 0.0])
    there = np.arange(8)[:, None] >> np.arange(3) & 1
    worth = 5 + there @ terms
    np.testing.assert_allclose(shapley_values(worth), terms)
    assert dividends(worth)[[3, 5, 6, 7]] == pytest.approx([0, 0, 0, 0])


def test_dividends_sum_to_each_coalitions_worth(rng: np.random.Generator) -> None:
    worth = rng.normal(size=8)
    found = dividends(worth)
    for code in range(8):
        inside = [part for part in range(8) if part & code == part]
        assert found[inside].sum() == pytest.approx(worth[code])


def test_a_game_has_a_worth_for_every_coalition() -> None:
    with pytest.raises(ValueError, match="got 6 numbers"):
        shapley_values(np.zeros(6))


def test_inner_weights_are_how_often_others_are_there() -> None:
    orders = list(permutations("abx"))
    for there, weight in inner_weights(["a", "b"]).items():
        found = sum(set(order[: order.index("x")]) == there for order in orders)
        assert weight == pytest.approx(found / len(orders))
    assert set(inner_weights(["a", "b"])) == set(coalitions(["a", "b"]))


def test_sampled_values_are_exact_where_all_coalitions_can_be_asked(
    rng: np.random.Generator,
) -> None:
    worth, asked = rng.normal(size=32), []
    values = sampled_values(asking(worth, asked), 5, worth[-1] - worth[0], n_asked=30)
    np.testing.assert_allclose(values, brute_force(worth, 5), atol=1e-12)
    assert sorted(asked) == list(range(1, 31)), "neither nobody nor everybody is asked about"


@settings(max_examples=30)
@given(seed=st.integers(0, 1000), n=st.integers(2, 12), n_asked=st.integers(0, 40))
def test_sampled_values_sum_to_the_whole_and_keep_the_bound(
    seed: int, n: int, n_asked: int
) -> None:
    worth, asked = np.random.default_rng(seed).normal(size=2**n), []
    values = sampled_values(asking(worth, asked), n, 7.0, n_asked=n_asked, seed=seed)
    assert values.sum() == pytest.approx(7.0, abs=1e-9)
    assert len(asked) == len(set(asked)) <= max(n_asked, 2 * (n - 1))


def test_sampled_values_of_games_of_pairs_need_but_one_pair_of_orders(
    rng: np.random.Generator,
) -> None:
    """An order and its reverse put each player before and after any other."""
    single, double = rng.normal(size=10), rng.normal(size=(10, 10))

    def ask(masks: npt.NDArray[np.bool_]) -> Array:
        there = masks.astype(float)
        return there @ single + np.einsum("mi,ij,mj->m", there, double, there)

    values = sampled_values(ask, 10, float(ask(np.ones((1, 10), bool))[0]), n_asked=18)
    own = single + np.diag(double)
    both = double + double.T - 2 * np.diag(np.diag(double))
    np.testing.assert_allclose(values, own + both.sum(axis=1) / 2)


def test_sampled_values_come_near_and_give_nothing_to_whom_adds_nothing(
    rng: np.random.Generator,
) -> None:
    codes = np.arange(2**12)
    members = (codes[:, None] >> np.arange(12)) & 1
    worth = np.tanh(members[:, :11] @ rng.normal(size=11)) + members[:, 0] * members[:, 1]
    exact = shapley_values(worth)
    values = sampled_values(asking(worth), 12, worth[-1] - worth[0], n_asked=1000)
    np.testing.assert_allclose(values, exact, atol=0.05)
    assert values[11] == 0
    assert exact[11] == pytest.approx(0, abs=1e-12)
