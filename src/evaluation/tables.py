"""An evaluation as tables: a row a category, a row a listing, a row an arm."""

from typing import Any

import numpy as np
import pandas as pd
from rich.table import Table
from sklearn.metrics import precision_recall_fscore_support

from ..core.arrays import Bools, Ints
from ..core.files import encodable
from .baselines import FUSION, SINGLE_VIEWS, arm_label
from .compare import EvaluationInput
from .messages import counted


def category_table(evaluation: EvaluationInput) -> pd.DataFrame:
    """One row a category of the model, in the order of its columns.

    Returns
    -------
    DataFrame
        ``category``, ``n`` (true listings), fusion's ``precision``, ``recall`` and ``f1``, and
        ``recall_<arm>`` of every other arm; 0 to 1, NaN where there is nothing to divide by.
    """
    labels = evaluation.labels[evaluation.known]
    columns = np.arange(len(evaluation.class_names))
    precision, recall, f1, n = precision_recall_fscore_support(
        labels,
        evaluation.predicted(FUSION)[evaluation.known],
        labels=columns,
        zero_division=np.nan,
    )
    table = {
        "category": list(evaluation.class_names),
        "n": n,
        "precision": precision,
        "recall": recall,
        "f1": f1,
    }
    for arm in evaluation.baselines:
        if arm != FUSION:
            right = labels[evaluation.correct(arm)[evaluation.known]]
            n_right = np.bincount(right, minlength=len(columns))
            share = np.full(len(columns), np.nan)
            table[f"recall_{arm}"] = np.divide(n_right, n, out=share, where=n > 0)
    return pd.DataFrame(table)


def row_table(evaluation: EvaluationInput) -> pd.DataFrame:
    """One row a listing: every arm's answer, and what fusion made of the single views.

    Returns
    -------
    DataFrame
        ``listing_id``, ``title``, ``category`` (the true one); for each arm ``<arm>`` (its answer)
        and ``<arm>_probability``, both empty where its views are missing; ``accepted``;
        ``fusion_broke_correct`` and ``fusion_rescued`` (see `fusion_effect`).
    """
    names = np.array(evaluation.class_names, dtype=object)
    table: dict[str, Any] = {
        "listing_id": list(evaluation.listing_ids),
        "title": [encodable(title) for title in evaluation.titles],
        "category": list(evaluation.categories),
    }
    for arm, predictions in evaluation.baselines.items():
        answered = predictions.answered
        table[arm] = pd.Series(names[evaluation.predicted(arm)]).where(answered)
        table[f"{arm}_probability"] = np.where(answered, evaluation.confidence(arm), np.nan)
    broke, rescued = fusion_effect(evaluation)
    table |= {"accepted": evaluation.accepted}
    return pd.DataFrame(table | {"fusion_broke_correct": broke, "fusion_rescued": rescued})


def fusion_effect(evaluation: EvaluationInput) -> tuple[Bools, Bools]:
    """Where fusion lost a right answer, and where it found one that no single view had.

    A view that is missing has no answer, even where the class prior would happen to be right.

    Returns
    -------
    broke_correct, rescued
        Shape ``(n_listings,)``: fusion is wrong, though at least one single view is right; fusion
        is right, though at least one single view answered and none is right.
    """
    any_right = np.zeros(len(evaluation.listing_ids), dtype=bool)
    any_answer = any_right.copy()
    for arm in SINGLE_VIEWS:
        if arm in evaluation.baselines:
            answered = evaluation.baselines[arm].answered
            any_answer |= answered
            any_right |= answered & evaluation.correct(arm)
    fusion_right = evaluation.correct(FUSION)
    return ~fusion_right & any_right, fusion_right & any_answer & ~any_right


def confusion_counts(evaluation: EvaluationInput) -> Ints:
    """How often fusion answers what: shape ``(n_categories, n_categories)``, true by answered."""
    k = len(evaluation.class_names)
    cells = evaluation.labels * k + evaluation.predicted(FUSION)
    return np.bincount(cells[evaluation.known], minlength=k * k).reshape(k, k)


def comparison_table(metrics: dict[str, Any]) -> Table:
    """Lay out `compare`'s numbers for the terminal, one row an arm."""
    caption = "last column: points, 95% interval"
    n, n_groups = metrics["n"] - metrics["n_unknown_category"], metrics["n_groups_known_category"]
    if n_groups < n:
        caption += f" from {counted(n, n_groups)}"
    table = Table(title="Fusion against each view", caption=caption)
    table.add_column("arm")
    for heading in ("top-1", "top-5", "macro-F1", "ECE", "fusion minus it"):
        table.add_column(heading, justify="right", no_wrap=True)
    for arm, measured in metrics["arms"].items():
        table.add_row(
            arm_label(arm),
            *(f"{measured[name]:.3f}" for name in ("top1", "top5", "macro_f1", "ece")),
            difference_text(metrics["paired"].get(f"{FUSION}_vs_{arm}")),
        )
    return table


def difference_text(paired: dict[str, float] | None) -> str:
    """Write a paired difference in percentage points, ``+1.2 (+0.1 to +2.3)``."""
    if paired is None:
        return ""
    difference, low, high = (100 * paired[name] for name in ("difference", "low", "high"))
    return f"{difference:+.1f} ({low:+.1f} to {high:+.1f})"
