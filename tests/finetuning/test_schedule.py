from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shelfsure.finetuning.config import Stage
from shelfsure.finetuning.schedule import (
    Schedule,
    Steps,
    draw_weights,
    learning_rate_factor,
    one_turn,
)

STAGES = (Stage(share=1, side_px=64, strength=0.2), Stage(share=3, side_px=96, strength=1.0))


def schedule(n_photos: int = 10, batch_size: int = 4, n_steps: int = 20, seed: int = 0) -> Schedule:
    return Schedule(np.ones(n_photos), batch_size, n_steps, 5, STAGES, seed)


@given(st.integers(1, 60), st.integers(0, 2**32))
def test_one_turn_with_equal_weights_is_a_permutation(n: int, seed: int) -> None:
    turn = one_turn(np.ones(n), np.random.default_rng(seed))
    assert sorted(turn) == list(range(n))


@given(st.lists(st.floats(0.05, 20), min_size=1, max_size=40), st.integers(0, 2**32))
def test_one_turn_shows_each_photo_as_often_as_wanted(weights: list[float], seed: int) -> None:
    turn = one_turn(np.array(weights), np.random.default_rng(seed))
    wanted = np.array(weights) / sum(weights) * len(weights)
    counts = np.bincount(turn, minlength=len(weights))
    assert len(turn) == len(weights)
    assert (np.abs(counts - wanted) < 1 + 1e-6).all()


def test_batches_show_every_photo_once_a_turn_across_steps() -> None:
    rows = [draw.row for step in range(5) for draw in schedule().batch(step)]
    assert sorted(rows[:10]) == sorted(rows[10:20]) == list(range(10))
    assert rows[:10] != rows[10:20]


def test_batch_depends_on_the_seed_alone() -> None:
    assert schedule().batch(7) == schedule().batch(7) != schedule(seed=1).batch(7)


def test_stage_changes_at_its_share_of_the_steps() -> None:
    sides = [schedule().stage(step).side_px for step in range(20)]
    assert sides == [64] * 5 + [96] * 15


@pytest.mark.parametrize(("n_parts", "accumulate"), [(1, 1), (2, 1), (1, 2), (2, 2)])
def test_parts_of_steps_add_up_to_the_whole(n_parts: int, accumulate: int) -> None:
    given = {"n_parts": n_parts, "accumulate": accumulate}
    samplers = [Steps(schedule(), lambda: 3, part=part, **given) for part in range(n_parts)]
    rounds = [list(sampler) for sampler in samplers]
    assert {len(sampler) for sampler in samplers} == {len(own) for own in rounds}
    assert len(rounds[0]) == schedule().round_steps * accumulate
    for step in range(3, 3 + schedule().round_steps):
        first = (step - 3) * accumulate
        pieces = [piece for own in rounds for piece in own[first : first + accumulate]]
        assert {len(piece) for piece in pieces} == {4 // n_parts // accumulate}
        assert sorted(chain.from_iterable(pieces)) == sorted(schedule().batch(step))


def test_draw_weights_let_every_leaf_be_seen_alike() -> None:
    labels = np.array([0] * 8 + [1] * 2)
    weights = draw_weights(labels, 1.0)
    assert weights[labels == 0].sum() == pytest.approx(weights[labels == 1].sum())
    np.testing.assert_array_equal(draw_weights(labels, 0.0), np.ones(10))


@given(st.integers(1, 500), st.floats(0, 1))
def test_learning_rate_rises_then_falls(n_steps: int, warmup: float) -> None:
    factors = [learning_rate_factor(step, n_steps, warmup) for step in range(n_steps)]
    assert all(0 <= factor <= 1 for factor in factors)
    peak = int(np.argmax(factors))
    assert factors[: peak + 1] == sorted(factors[: peak + 1])
    assert factors[peak:] == sorted(factors[peak:], reverse=True)
