import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax, softmax
from shelfsure.core.errors import CalibrationError
from shelfsure.fusion.calibration import (
    fit_temperature,
    held_out_fraction,
    log_loss,
    some_rows,
)
from sklearn.metrics import log_loss as reference_log_loss

Array = npt.NDArray[np.float64]
Labels = npt.NDArray[np.intp]


def drawn(seed: int, n: int = 4000, k: int = 5) -> tuple[Array, Labels]:
    """Logits, and labels drawn from their softmax: perfectly calibrated at temperature 1."""
    rng = np.random.default_rng(seed)
    z = rng.normal(0, 2, (n, k))
    return z, (softmax(z, axis=1).cumsum(axis=1) < rng.random((n, 1))).sum(axis=1)


@pytest.mark.parametrize("temperature", [0.2, 1.0, 2.0, 10.0])
def test_fit_temperature_finds_the_one_that_labels_were_drawn_at(temperature: float) -> None:
    z, labels = drawn(0)
    assert fit_temperature(temperature * z, labels) == pytest.approx(temperature, rel=0.05)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), n=st.integers(1, 60), k=st.integers(2, 6))
def test_fit_temperature_is_no_worse_than_any_on_a_grid(seed: int, n: int, k: int) -> None:
    z, labels = drawn(seed, n, k)

    def loss(temperature: float) -> float:
        return log_loss(log_softmax(z / temperature, axis=1), labels)

    found = fit_temperature(z, labels)
    assert 0.02 <= found <= 50
    assert loss(found) <= min(map(loss, np.geomspace(0.02, 50, 60))) + 1e-4


def test_fit_temperature_ignores_row_order_shifts_and_follows_scale() -> None:
    z, labels = drawn(1, 500)
    rng = np.random.default_rng(0)
    plain = fit_temperature(z, labels)
    order = rng.permutation(len(z))
    assert fit_temperature(z[order], labels[order]) == pytest.approx(plain, rel=1e-4)
    assert fit_temperature(z + rng.normal(size=(len(z), 1)), labels) == pytest.approx(
        plain, rel=1e-4
    )
    assert fit_temperature(3 * z, labels) == pytest.approx(3 * plain, rel=1e-3)


def test_fit_temperature_is_bounded_where_every_answer_is_right_or_wrong() -> None:
    right, labels = np.eye(4) * 5, np.arange(4)
    assert 0.02 <= fit_temperature(right, labels) < 0.2  # below, the loss is 0 to the last digit
    assert fit_temperature(-right, labels) == pytest.approx(50, rel=0.01)


@pytest.mark.parametrize(
    ("logits", "labels", "message"),
    [
        (np.zeros((0, 3)), [], "got 0 rows and 0 labels"),
        (np.zeros((2, 3)), [1], "got 2 rows and 1 labels"),
        (np.array([[0.0, np.nan]]), [0], "NaN"),
        (np.array([[0.0, np.inf]]), [0], "infinity"),
        (np.zeros((2, 3)), [0, 3], "0 to 2, got 0 to 3"),
        (np.zeros((2, 3)), [-1, 2], "got -1 to 2"),
    ],
)
def test_fit_temperature_refuses_what_it_cannot_calibrate(
    logits: Array, labels: list[int], message: str
) -> None:
    with pytest.raises(CalibrationError, match=message):
        fit_temperature(logits, np.array(labels, dtype=int))


def test_log_loss_equals_scikit_learn() -> None:
    z, labels = drawn(2, 100)
    expected = reference_log_loss(labels, softmax(z, axis=1), labels=range(5))
    assert log_loss(log_softmax(z, axis=1), labels) == pytest.approx(expected)


def test_held_out_fraction_asks_all_until_answers_grow_large() -> None:
    assert held_out_fraction(0, 3) == held_out_fraction(150_000, 150) == 1.0
    assert held_out_fraction(142_000, 9_691) * 142_000 == pytest.approx(10_000)
    assert held_out_fraction(1_000_000, 1_024) == 65_536 / 1_000_000


@pytest.mark.parametrize(("n", "fraction"), [(0, 1.0), (1, 0.01), (7, 1.0), (997, 0.31)])
def test_some_rows_picks_the_share_from_all_along(n: int, fraction: float) -> None:
    chosen = some_rows(n, fraction)
    assert chosen.shape == (n,)
    assert chosen.sum() == int(np.ceil(n * fraction))
    assert np.diff(np.flatnonzero(chosen), prepend=0).max(initial=0) <= np.ceil(1 / fraction)
