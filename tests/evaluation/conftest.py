"""Evaluations made of arrays: a small one worked out by hand, and a random one of any size."""

from collections.abc import Callable

import numpy as np
import pytest
from shelfsure.evaluation.compare import ArmPredictions, EvaluationInput

CLASSES = ["Home > Lamps", "Home > Rugs", "Toys > Kites"]


def arm(answers: list[tuple[int, float]], answered: list[bool] | None = None) -> ArmPredictions:
    """An arm that gives each listing's answer its probability, and shares out the rest evenly."""
    k = len(CLASSES)
    rows = [[p if i == column else (1 - p) / (k - 1) for i in range(k)] for column, p in answers]
    mask = [True] * len(answers) if answered is None else answered
    return ArmPredictions(np.array(rows), np.array(mask))


@pytest.fixture
def by_hand() -> EvaluationInput:
    """Six listings; true columns 0, 0, 1, 1, 2, and one of a category that isn't known.

    Fusion is right on 0, 2, 3, 4; the photo on 0, 1, 4; the title on 0, 2, though it has none
    on 4, where its prior would have been right.
    """
    return EvaluationInput(
        listing_ids=["a", "b", "c", "d", "e", "f"],
        titles=["lamp", "blue lamp", "rug", "red rug", "kite", "drone"],
        categories=[CLASSES[0], CLASSES[0], CLASSES[1], CLASSES[1], CLASSES[2], "Toys > Drones"],
        class_names=CLASSES,
        baselines={
            "fusion": arm([(0, 0.9), (1, 0.8), (1, 0.9), (1, 0.6), (2, 0.9), (2, 0.95)]),
            "image_only": arm([(0, 0.8), (0, 0.7), (0, 0.7), (0, 0.7), (2, 0.7), (2, 0.9)]),
            "title_only": arm(
                [(0, 0.9), (1, 0.9), (1, 0.9), (2, 0.9), (2, 0.4), (2, 0.9)],
                [True, True, True, True, False, True],
            ),
        },
        accepted=np.array([True, False, True, False, True, True]),
        levels=2,
        target_precision=0.9,
    )


@pytest.fixture
def make_random(rng: np.random.Generator) -> Callable[..., EvaluationInput]:
    def make(
        n: int = 200,
        class_names: list[str] = CLASSES,
        baselines: tuple[str, ...] = ("fusion", "image_only", "title_only", "text_only"),
        title: str = "a thing",
        listing_id: str = "id",
    ) -> EvaluationInput:
        k = len(class_names)
        labels = rng.integers(0, k, n)
        sharpness = np.eye(k)[labels] * 1.5

        def predictions() -> ArmPredictions:
            z = np.exp(rng.normal(size=(n, k)) + sharpness)
            probabilities = (z / z.sum(axis=1, keepdims=True)).astype(np.float32)
            return ArmPredictions(probabilities, np.ones(n, dtype=bool))

        return EvaluationInput(
            listing_ids=[f"{listing_id}{i}" for i in range(n)],
            titles=[title] * n,
            categories=[class_names[i] for i in labels],
            class_names=class_names,
            baselines={name: predictions() for name in baselines},
            accepted=rng.random(n) < 0.7,
            levels=2,
            target_precision=0.95,
        )

    return make
