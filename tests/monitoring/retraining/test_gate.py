import pytest
from shelfsure.evaluation.intervals import PairedDifference
from shelfsure.evaluation.paired_comparison import Comparison
from shelfsure.monitoring.retraining.gate import Gate


def compared(low: float, high: float) -> Comparison:
    return Comparison(PairedDifference((low + high) / 2, low, high), 100, 100)


@pytest.mark.parametrize(
    ("overall", "newest", "gain", "no_loss", "worth_a_trial"),
    [
        (None, None, True, True, True),
        ((0.0, 0.1), None, False, True, True),  # it may be as good, and a little worse
        ((0.01, 0.1), None, True, True, True),
        ((-0.01, 0.1), None, False, False, False),
        ((0.01, 0.1), (-0.1, 0.1), True, True, True),
        ((0.01, 0.1), (-0.2, -0.1), False, False, False),  # it is worse on what comes in now
        ((-0.02, 0.01), (0.1, 0.3), False, False, True),  # a drift: old test listings can't tell
        ((-0.02, 0.01), (0.0, 0.3), False, False, False),
        ((-0.2, -0.1), (0.1, 0.3), False, False, True),  # even where what was known is lost
    ],
)
def test_gate_lets_nothing_lead_that_may_lose(
    overall: tuple[float, float] | None,
    newest: tuple[float, float] | None,
    gain: bool,
    no_loss: bool,
    worth_a_trial: bool,
) -> None:
    gate = Gate(overall and compared(*overall), newest and compared(*newest))
    assert gate.gain is gain
    assert gate.no_loss is no_loss
    assert gate.worth_a_trial is worth_a_trial
    assert gate.first is (overall is None)
