import signal
import sys

import pytest
from shelfsure.finetuning.trainer import stoppable


def leave_as_lightning_does() -> None:
    with stoppable():
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            sys.exit(1)


def test_stoppable_makes_lightnings_leaving_a_keyboard_interrupt() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        leave_as_lightning_does()
    assert signal.getsignal(signal.SIGINT) is before
    with pytest.raises(SystemExit, match="2"), stoppable():
        sys.exit(2)
