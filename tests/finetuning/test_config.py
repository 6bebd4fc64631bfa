from pathlib import Path

import pytest
from shelfsure.core.errors import ConfigError
from shelfsure.finetuning.config import PROFILES, load_finetune_config

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.mark.parametrize(("name", "file"), [("full", "finetune"), ("starter", "finetune-starter")])
def test_shipped_files_equal_the_profiles(name: str, file: str) -> None:
    path = CONFIGS / f"{file}.yaml"
    assert load_finetune_config(path) == load_finetune_config(name)
    assert PROFILES[name] == path.name
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith("# shelfsure finetune ")
    assert f"configs/{path.name}" in first


def test_given_values_replace_the_files_and_none_does_not() -> None:
    config = load_finetune_config("starter", epochs=2, seed=None)
    assert (config.epochs, config.seed) == (2, 0)


def test_load_finetune_config_reports_every_problem_at_once(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("epoch: 3\nbatch_size: 10\naccumulate: zero\nstages: [{side_px: 7}]\n")
    with pytest.raises(ConfigError) as caught:
        load_finetune_config(path)
    message = str(caught.value)
    assert message.startswith(f"{path} has 4 problem(s)")  # no stage is left either
    for place in ("epoch", "accumulate", "stages.0.side_px"):
        assert f"\n  {place}: " in message


def test_load_finetune_config_needs_batches_that_can_be_divided(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("batch_size: 10\naccumulate: 3\n")
    with pytest.raises(ConfigError, match=r"multiple of accumulate \(3\)"):
        load_finetune_config(path)


@pytest.mark.parametrize("text", ["- 1\n", "a: [\n"])
def test_load_finetune_config_refuses_what_is_no_configuration(tmp_path: Path, text: str) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"own\.yaml|YAML"):
        load_finetune_config(path)
