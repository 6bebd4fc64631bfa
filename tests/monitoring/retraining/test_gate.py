import pytest
from shelfsure.evaluation.intervals import PairedDifference
from shelfsure.evaluation.registry import Comparison
from shelfsure.monitoring.retraining.gate import Gate


def compared(low: float, high: float) -> Comparison:
    return Comparison(PairedDifference((low + high) / 2, low, high), 100, 100)


@pytest.mark.parametrize(
    ("overall", "newest", "passed"),
    [
        (None, None, True),
        ((0.0, 0.1), None, True),
        ((-0.01, 0.1), None, False),
        ((0.0, 0.1), (-0.1, 0.1), True),
        ((0.0, 0.1), (-0.2, -0.1), False),  # it is worse on what comes in now
        ((-0.02, 0.01), (0.1, 0.3), True),  # a drift: the old test listings can't tell
        ((-0.02, 0.01), (0.0, 0.3), False),
        ((-0.2, -0.1), (0.1, 0.3), False),  # what was known is lost
    ],
)
def test_gate_lets_through_what_loses_nothing(
    overall: tuple[float, float] | None, newest: tuple[float, float] | None, passed: bool
) -> None:
    gate = Gate(overall and compared(*overall), newest and compared(*newest))
    assert gate.passed is passed
    assert gate.first is (overall is None)
