import pytest
from shelfsure.core.errors import ConfigError
from shelfsure.embedding.run_options import ResolvedOptions, RunOptions
from shelfsure.vision.load import PhotoLimits


def test_resolved_takes_what_was_given_before_what_was_configured() -> None:
    limits = PhotoLimits(5, allow_truncated=True)
    options = RunOptions(device="cpu", runtime="torch", limits=limits, progress=True)
    assert options.resolved("bfloat16") == ResolvedOptions(
        device="cpu", precision="bfloat16", runtime="torch", limits=limits, progress=True
    )
    given = RunOptions(device="cpu", precision="float32")
    assert given.resolved("bfloat16").precision == "float32"
    assert given.resolved("auto").resolved("bfloat16").precision == "float32"


def test_resolved_names_a_device_and_a_precision_that_are_there() -> None:
    found = RunOptions().resolved("auto")
    assert found.device in {"cpu", "cuda", "mps"}
    assert found.precision in {"float32", "bfloat16"}
    with pytest.raises(ConfigError, match="'toaster'"):
        RunOptions(device="toaster").resolved("auto")
