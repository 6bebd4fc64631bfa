import pytest
from shelfsure.evaluation.intervals import PairedDifference
from shelfsure.evaluation.paired_comparison import Comparison
from shelfsure.monitoring.retraining.gate import Gate


def compared(low: float, high: float) -> Comparison:
    return Comparison(PairedDifference((low + high) / 2, low, high), 100, 100)


@pytest.mark.parametrize(
    ("overall", "newest", "no_loss", "worth_a_trial"),
    [
        (None, None, True, True),
        ((0.0, 0.1), None, True, True),
        ((-0.01, 0.1), None, False, False),
        ((0.0, 0.1), (-0.1, 0.1), True, True),
        ((0.0, 0.1), (-0.2, -0.1), False, False),  # it is worse on what comes in now
        ((-0.02, 0.01), (0.1, 0.3), False, True),  # a drift: old test listings can't tell
        ((-0.02, 0.01), (0.0, 0.3), False, False),
        ((-0.2, -0.1), (0.1, 0.3), False, False),  # what was known is lost
    ],
)
def test_gate_lets_nothing_lead_that_may_lose(
    overall: tuple[float, float] | None,
    newest: tuple[float, float] | None,
    no_loss: bool,
    worth_a_trial: bool,
) -> None:
    gate = Gate(overall and compared(*overall), newest and compared(*newest))
    assert gate.no_loss is no_loss
    assert gate.worth_a_trial is worth_a_trial
    assert gate.first is (overall is None)
