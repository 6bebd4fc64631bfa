import numpy as np
import pytest
import torch
from shelfsure.finetuning.features import judge_features
from shelfsure.finetuning.weight_interpolation import blend, choose_share


def test_blend_lies_between_before_and_after() -> None:
    before = {"w": torch.zeros(3), "n": torch.tensor(4)}
    after = {"w": torch.ones(3), "n": torch.tensor(7)}
    assert blend(before, after, 0.25)["w"].tolist() == [0.25] * 3
    assert blend(before, after, 0.25)["n"].item() == 7
    assert torch.equal(blend(before, after, 1.0)["w"], after["w"])


def test_choose_share_takes_the_lowest_mean_log_loss() -> None:
    losses = {0.0: [0.1, 0.1], 0.5: [0.3, 0.5], 1.0: [0.2, 0.7]}
    chosen = choose_share((0.5, 1.0), lambda share: [{"log_loss": x} for x in losses[share]])
    assert chosen.share == 0.5  # 0 is measured, but is no fine-tuning
    assert list(chosen.measured) == [0.0, 0.5, 1.0]


def test_judge_features_measures_rows_that_the_head_has_not_seen(rng: np.random.Generator) -> None:
    labels = np.arange(200) % 4
    features = 3 * np.eye(4)[labels] + rng.normal(0, 0.3, (200, 4))
    features[150:] = rng.normal(0, 1, (50, 4))  # held out: nothing to see there
    rows = np.arange(200)
    good, halved = judge_features(features, rows[:100], rows[100:150], [labels, labels // 2])
    assert good["top1"] == halved["top1"] == 1.0
    (bad,) = judge_features(features, rows[:100], rows[150:], [labels])
    assert bad["top1"] < 0.5
    assert bad["log_loss"] > good["log_loss"]
    assert bad["macro_f1"] == pytest.approx(bad["top1"], abs=0.2)
