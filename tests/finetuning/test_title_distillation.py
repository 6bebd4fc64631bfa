from pathlib import Path

import numpy as np
import pytest
import torch
from shelfsure.finetuning.state import RunState
from shelfsure.finetuning.title_distillation import TitleDistillation, load_titles, save_titles

N, FEATURES, DIM = 40, 12, 6


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def related(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Features, and titles that follow from them."""
    features = rng.normal(size=(N, FEATURES)).astype(np.float32)
    return features, unit(features @ rng.normal(size=(FEATURES, DIM)))


def loss(teacher: TitleDistillation, features: np.ndarray, titles: np.ndarray) -> float:
    with torch.no_grad():
        return float(teacher(torch.from_numpy(features), torch.from_numpy(titles)))


def test_teacher_wants_of_a_photo_what_its_title_says(
    rng: np.random.Generator, related: tuple[np.ndarray, np.ndarray]
) -> None:
    """No photo does better than its own title would."""
    _, titles = related
    teacher = TitleDistillation(DIM, titles, seed=0)
    with torch.no_grad():
        teacher.project.weight.copy_(torch.eye(DIM))
    best = loss(teacher, titles, titles)
    for _ in range(20):
        assert loss(teacher, unit(rng.normal(size=(N, DIM))), titles) > best
    assert loss(teacher, 7 * titles, titles) == pytest.approx(best, rel=1e-5)


def test_teacher_starts_from_a_regression(related: tuple[np.ndarray, np.ndarray]) -> None:
    features, titles = related
    teacher = TitleDistillation(FEATURES, titles, seed=0)
    before = loss(teacher, features, titles)
    teacher.start(features, titles)
    assert loss(teacher, features, titles) < 0.5 * before


def test_parts_of_a_batch_add_up_to_the_whole(related: tuple[np.ndarray, np.ndarray]) -> None:
    features, titles = related
    teacher = TitleDistillation(FEATURES, titles, seed=0)
    parts = [loss(teacher, features[i::4], titles[i::4]) for i in range(4)]
    assert np.mean(parts) == pytest.approx(loss(teacher, features, titles), rel=1e-5)


def test_a_photo_without_a_title_asks_for_nothing(
    related: tuple[np.ndarray, np.ndarray],
) -> None:
    features, titles = related
    some = titles.copy()
    some[::2] = 0
    teacher = TitleDistillation(FEATURES, some, seed=0)
    assert loss(teacher, features[::2], some[::2]) == 0
    assert loss(teacher, features, some) == pytest.approx(
        loss(teacher, features[1::2], some[1::2]) / 2, rel=1e-5
    )
    anchors = teacher.get_buffer("anchors").numpy()
    assert len(anchors) == N // 2
    np.testing.assert_allclose(np.linalg.norm(anchors, axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(
        anchors, TitleDistillation(FEATURES, some, seed=0).get_buffer("anchors").numpy()
    )


def test_titles_are_embedded_once_and_empty_ones_are_zeros(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = RunState(tmp_path)
    save_titles([None, "  ", ""], "starter", "cpu", state)
    assert load_titles(state) is None
    save_titles(["a red kite", None, "  ", "a rug"], "starter", "cpu", state)
    titles = load_titles(state)
    assert titles is not None
    np.testing.assert_allclose(np.linalg.norm(titles, axis=1), [1, 0, 0, 1], atol=1e-5)
    monkeypatch.delattr("shelfsure.finetuning.title_distillation.SentenceEncoder")
    save_titles(["a red kite", None, "  ", "a rug"], "starter", "cpu", state)  # not again
