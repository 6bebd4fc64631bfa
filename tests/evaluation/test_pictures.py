from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from shelfsure.evaluation.compare import EvaluationInput
from shelfsure.evaluation.pictures import MAX_DRAWN, save_confusion
from shelfsure.evaluation.plots import precision_by_coverage


def test_save_confusion_writes_every_category_and_a_picture(
    make_random: Callable[..., EvaluationInput], tmp_path: Path
) -> None:
    names = [f"Home & $Co > <b>{number}</b>" for number in range(MAX_DRAWN + 5)]
    evaluation = make_random(n=300, class_names=names)
    save_confusion(evaluation, tmp_path)
    table = pd.read_csv(tmp_path / "confusion.csv", index_col="true")
    assert list(table.columns) == list(table.index) == names
    assert int(table.to_numpy().sum()) == 300
    with Image.open(tmp_path / "confusion.png") as picture:
        assert min(picture.size) > 800
    assert {path.name for path in tmp_path.iterdir()} == {"confusion.csv", "confusion.png"}


def test_precision_by_coverage_ends_at_the_accuracy(
    make_random: Callable[..., EvaluationInput],
) -> None:
    evaluation = make_random(n=500)
    curve = precision_by_coverage(evaluation)
    assert curve[100] == evaluation.correct("fusion").mean()
    assert min(curve) >= 5
    ranked = np.argsort(-evaluation.confidence("fusion"))
    assert abs(curve[50] - evaluation.correct("fusion")[ranked[:250]].mean()) < 0.02
