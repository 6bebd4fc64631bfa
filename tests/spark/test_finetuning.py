"""Two tasks of Spark itself train one encoder."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from shelfsure.catalog.catalog import Catalog, read_catalog
from shelfsure.core.errors import ConfigError, TrainingError
from shelfsure.finetuning.config import FinetuneConfig, Stage
from shelfsure.finetuning.run import Machine
from shelfsure.finetuning.run import finetune as run_here
from shelfsure.spark.finetuning import finetune

from .conftest import MASTER

pytestmark = [
    pytest.mark.skipif(
        not MASTER.startswith("local-cluster"), reason="needs Spark itself: make test-spark"
    ),
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.usefixtures("spark"),
]


@pytest.fixture
def catalog(drawn_shop: Path) -> Catalog:
    return read_catalog(drawn_shop / "catalogue.csv", need_category=True)


@pytest.fixture
def config() -> FinetuneConfig:
    """Nothing that depends on which process sees a photo."""
    return FinetuneConfig(
        backbone="random:test_resnet",
        levels=1,
        epochs=2,
        batch_size=8,
        stages=(Stage(side_px=32, strength=0.2),),
        batch_norm="frozen",
        dropout=0.0,
        precision="float32",
        titles=0.0,
        workers=0,
        patience=0,
    )


def test_two_tasks_learn_what_one_process_does(
    catalog: Catalog, config: FinetuneConfig, tmp_path: Path
) -> None:
    run_here(catalog, tmp_path / "one", config)
    found = finetune(catalog, tmp_path / "two", config, machine=Machine(nodes=2))
    assert found.folder == tmp_path / "two"
    facts = json.loads((tmp_path / "two/finetuned.json").read_text())
    assert facts["n_steps"] == found.facts["n_steps"] > 5
    one, two = (load_file(tmp_path / name / "model.safetensors") for name in ("one", "two"))
    assert max(np.abs(one[name] - two[name]).max(initial=0.0) for name in one) < 2e-3
    with pytest.raises(ConfigError, match="two"):
        finetune(catalog, tmp_path / "two", config, machine=Machine(nodes=2))


def test_a_task_that_fails_is_an_error(
    catalog: Catalog, config: FinetuneConfig, tmp_path: Path
) -> None:
    wrong = config.model_copy(update={"backbone": f"local-dir:{tmp_path}/nothing"})
    with pytest.raises(TrainingError, match="one failed"):
        finetune(catalog, tmp_path / "out", wrong, machine=Machine(nodes=2))
    assert not (tmp_path / "out").exists()
