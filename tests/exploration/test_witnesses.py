import numpy as np
import pytest
from shelfsure.exploration.witnesses import (
    fused_probabilities,
    modality_witnesses,
    neighbour_votes,
    neighbour_witness,
)
from shelfsure.fusion.held_out import HeldOut

PHOTO, BOTH = frozenset({"photo"}), frozenset({"photo", "title"})


def test_neighbour_votes_leave_out_oneself_ones_group_and_the_absent():
    angles = np.array([0.0, 0.1, 0.2, 1.5, 0.15])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    labels, groups = np.array([0, 0, 1, 2, 2]), np.array([0, 0, 1, 2, 3])
    present = np.array([True, True, True, True, False])
    votes = neighbour_votes(vectors, present, labels, groups, 3)
    assert votes[0] == pytest.approx([0, np.cos(0.2), np.cos(1.5)])
    assert votes[4] == pytest.approx([0, 0, 0])
    assert votes[2, 0] == pytest.approx(np.cos(0.2) + np.cos(0.1))


def test_neighbour_votes_are_those_of_the_nearest_few(rng):
    vectors = rng.normal(size=(1100, 4))  # more than are compared at once
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    labels = rng.integers(0, 3, 1100)
    votes = neighbour_votes(vectors, np.ones(1100, bool), labels, np.arange(1100), 3)
    for row in (0, 1050):
        near = vectors @ vectors[row]
        near[row] = -1
        nearest = np.argsort(-near)[:10]
        expected = np.bincount(labels[nearest], near[nearest], 3)
        assert votes[row] == pytest.approx(expected)


def test_neighbour_witness_is_silent_where_nobody_votes():
    heard = neighbour_witness(np.array([[3.0, 1.0], [0.0, 0.0]]))
    assert heard.answers.tolist() == [0, -1]
    assert np.exp(heard.log_probabilities[0]) == pytest.approx([3.5 / 5, 1.5 / 5])


def test_modality_witnesses_are_single_modalities_where_they_were_heard():
    said = np.log([[0.2, 0.8]])
    held_out = {PHOTO: HeldOut(np.array([1]), said), BOTH: HeldOut(np.array([0]), said)}
    witnesses = modality_witnesses(held_out, 2, 2)
    assert list(witnesses) == ["photo"]
    assert witnesses["photo"].answers.tolist() == [-1, 1]


def test_fused_probabilities_take_the_answer_by_most_evidence():
    photo = HeldOut(np.array([0, 1]), np.log([[0.9, 0.1], [0.8, 0.2]]))
    both = HeldOut(np.array([1]), np.log([[0.3, 0.7]]))
    fused = fused_probabilities({BOTH: both, PHOTO: photo}, np.array([0, 1, 1]), 2)
    assert fused == pytest.approx(np.array([[0.9, 0.1], [0.3, 0.7], [2 / 5, 3 / 5]]))
