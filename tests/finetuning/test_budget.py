from collections.abc import Iterator

import pytest
from shelfsure.finetuning import budget
from shelfsure.finetuning.budget import epochs_within
from shelfsure.finetuning.config import FinetuneConfig, Stage

CONFIG = FinetuneConfig(stages=(Stage(share=3), Stage(share=1)), blend=(0.5, 1.0))


def test_epochs_within_leaves_room_for_the_comparison() -> None:
    # 100 x (3 x 0.1 + 0.3) / 4 + 20 x 0.05 = 16 s an epoch; 2 x 120 x 0.05 = 12 s at the end
    epochs = epochs_within(
        (12 + 16 * 5) / 0.9, CONFIG, [0.1, 0.3], 0.05, n_training=100, n_held_out=20
    )
    assert epochs == pytest.approx(5.0)


def test_epochs_within_is_at_least_one() -> None:
    assert epochs_within(1, CONFIG, [9, 9], 9, n_training=9, n_held_out=9) == 1.0


def test_a_busy_moment_doesnt_plan_fewer_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    def clock() -> Iterator[float]:
        now = 0.0
        for took in (7.0, 0.5, 9.0, 4.0):
            yield now
            now += took
            yield now

    times = clock()
    monkeypatch.setattr(budget.time, "perf_counter", lambda: next(times))
    assert budget._seconds(lambda: None) == 0.5
