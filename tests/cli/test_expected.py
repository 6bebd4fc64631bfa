"""What `train` says of how much will be accepted."""

from types import SimpleNamespace
from typing import Any

import pytest
from shelfsure.cli.messages import say_expected
from shelfsure.core.config import AcceptConfig


def pipeline(accepted: float, **rule: Any) -> Any:
    rule = {"n_groups": 80, "n_groups_needed": 99, **rule}
    facts = {
        "forecast": {"new_groups": {"accepted": accepted}},
        "evidence": [{"modalities": ["photo"], "accept": rule}],
    }
    return SimpleNamespace(facts=facts, config=SimpleNamespace(accept=AcceptConfig()))


def test_where_nothing_is_accepted_it_says_what_could_be_promised(
    capsys: pytest.CaptureFixture[str],
) -> None:
    say_expected(pipeline(0.0, showable=0.95))
    said = "".join(capsys.readouterr())
    assert "nothing will be accepted. 80 groups" in said
    assert "99 of them" in said
    assert "95% could be promised" in said
    say_expected(pipeline(0.0))
    assert "could be promised" not in "".join(capsys.readouterr())
    say_expected(pipeline(0.4))
    assert "40% accepted without a look" in "".join(capsys.readouterr())
