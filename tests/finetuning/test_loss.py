import numpy as np
import pytest
import torch
from shelfsure.finetuning.loss import Labels, balance, level_loss
from shelfsure.finetuning.taxonomy import find_leaves

TAXONOMY, _ = find_leaves(["A > x", "A > y", "B > z"] * 2, 2, 2)
SUMS = [torch.from_numpy(matrix) for matrix in TAXONOMY.sums]
GROUPS = torch.from_numpy(TAXONOMY.groups)


def loss(logits: torch.Tensor, labels: Labels, **given: object) -> torch.Tensor:
    settings = {"added": torch.zeros(3), "weights": torch.ones(3), "smoothing": 0.0} | given
    return level_loss(logits, labels, SUMS, GROUPS, **settings)  # type: ignore[arg-type]


def pure(leaves: list[int]) -> Labels:
    return Labels(torch.tensor(leaves), torch.tensor(leaves), torch.ones(len(leaves)))


def test_level_loss_is_the_mean_of_the_levels_cross_entropies() -> None:
    logits = torch.tensor([[1.0, 0.0, -1.0]])
    p = torch.softmax(logits[0], 0)
    expected = -(torch.log(p[0]) + torch.log(p[0] + p[1])) / 2
    assert loss(logits, pure([0])).item() == pytest.approx(expected.item(), rel=1e-5)


def test_level_loss_of_mixed_photos_is_linear_in_the_share() -> None:
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(1))
    share = torch.full((4,), 0.3)
    mixed = loss(logits, Labels(torch.tensor([0] * 4), torch.tensor([2] * 4), share))
    parts = 0.3 * loss(logits, pure([0] * 4)) + 0.7 * loss(logits, pure([2] * 4))
    assert mixed.item() == pytest.approx(parts.item(), rel=1e-5)


def test_level_loss_of_a_batch_is_the_mean_over_equal_parts() -> None:
    logits = torch.randn(6, 3, generator=torch.Generator().manual_seed(2))
    weights = torch.tensor([0.5, 1.0, 2.0])
    leaves = [0, 1, 2, 2, 2, 0]
    whole = loss(logits, pure(leaves), weights=weights, smoothing=0.1)
    halves = [
        loss(logits[part], pure(leaves[part]), weights=weights, smoothing=0.1)
        for part in (slice(0, 3), slice(3, 6))
    ]
    assert whole.item() == pytest.approx(sum(half.item() for half in halves) / 2, rel=1e-5)


def test_level_loss_stays_finite_where_an_answer_is_certain_and_wrong() -> None:
    logits = torch.tensor([[200.0, 0.0, -200.0]], requires_grad=True)
    loss(logits, pure([2])).backward()
    assert torch.isfinite(logits.grad).all()  # type: ignore[arg-type]


def test_balance_adds_log_shares() -> None:
    added, weights = balance(np.array([8, 1, 0]), "logit_adjusted")
    np.testing.assert_allclose(added, np.log([0.8, 0.1, 0.1]), rtol=1e-6)
    np.testing.assert_array_equal(weights, np.ones(3))


def test_balance_weights_are_one_on_average_and_larger_for_rare_leaves() -> None:
    counts = np.array([80, 20])
    added, weights = balance(counts, "weighted")
    assert weights @ counts / counts.sum() == pytest.approx(1.0)
    assert weights[1] == pytest.approx(2 * weights[0])
    np.testing.assert_array_equal(added, np.zeros(2))


def test_logit_adjustment_makes_equal_logits_favour_the_rare_leaf_in_training() -> None:
    """At equal logits the frequent leaf is believed already, so the rare one pulls harder."""
    logits = torch.zeros(1, 3)
    added = torch.from_numpy(balance(np.array([90, 5, 5]), "logit_adjusted")[0])
    assert loss(logits, pure([2]), added=added) > loss(logits, pure([0]), added=added)
