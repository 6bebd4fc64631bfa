"""An evaluation as files: numbers for programs, a page and a picture for people."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from plotly.offline import get_plotlyjs

from ..core.files import atomic_path, json_text, write_text
from ..core.kinds import FolderKind, folder_marked
from ..core.reports import own_scripts, templates
from . import category_plots, plots
from .baselines import FUSION, SINGLE_VIEWS, arm_colour, arm_label
from .compare import EvaluationInput, compare
from .messages import counted, headlines, warnings
from .pictures import save_comparison
from .tables import category_table, confusion_counts, difference_text, fusion_effect, row_table

REPORT = FolderKind(
    "an evaluation's report",
    folder_marked(
        "metrics.json",
        {"arms", "accepted"},
        *("per_category.csv", "rows.csv", "comparison.png", "report.html"),
        *("confusion.csv", "confusion.png", "rejected.csv"),
    ),
)
MAX_CATEGORIES = 40
MAX_MISTAKES = 12
MAX_BROKEN = 100

Photos = Callable[[int], str | None]


def write_report(
    evaluation: EvaluationInput,
    out_dir: str | Path,
    *,
    photos: Photos | None,
    header: Mapping[str, str],
) -> Path:
    """Write the page ``report.html`` and what stands in it as files.

    Those are ``per_category.csv``, ``rows.csv``, ``comparison.png`` and ``metrics.json``.
    Each file appears whole or not at all. ``metrics.json`` of an earlier run goes first and comes
    last: where it is, the other files belong to it.

    Parameters
    ----------
    photos
        The photo of a row as a small data URI, or ``None`` where there is none; asked for at most
        12 rows. ``None``: a page without photos.
    header
        What the page says about its making, such as the model's version; shown as written.

    Returns
    -------
    Path
        The page: one file that needs no network and lets none of its contents run or load
        anything.
    """
    out = Path(out_dir)
    metrics = compare(evaluation)
    page = _page(evaluation, metrics, photos, header)
    numbers = json_text(metrics)
    (out / "metrics.json").unlink(missing_ok=True)
    with atomic_path(out / "per_category.csv") as path:
        category_table(evaluation).to_csv(path, index=False)
    with atomic_path(out / "rows.csv") as path:
        row_table(evaluation).to_csv(path, index=False)
    with atomic_path(out / "comparison.png") as path:
        save_comparison(evaluation, metrics, path)
    write_text(out / "report.html", page)
    write_text(out / "metrics.json", numbers)
    return out / "report.html"


def charts(evaluation: EvaluationInput, metrics: dict[str, Any]) -> dict[str, plots.Figure]:
    """Draw the report's charts, by name; ``difference`` only where there is another arm."""
    counts = confusion_counts(evaluation)
    shown = category_plots.categories_to_show(counts, MAX_CATEGORIES)
    drawn = {
        "accuracy": plots.accuracy_figure(metrics),
        "categories": category_plots.category_figure(category_table(evaluation), shown),
        "confusion": category_plots.confusion_figure(counts, evaluation.class_names, shown),
        "reliability": plots.reliability_figure(evaluation),
        "coverage": plots.coverage_figure(evaluation, metrics),
    }
    return drawn | ({"difference": plots.difference_figure(metrics)} if metrics["paired"] else {})


def _page(
    evaluation: EvaluationInput,
    metrics: dict[str, Any],
    photos: Photos | None,
    header: Mapping[str, str],
) -> str:
    broke, rescued = fusion_effect(evaluation)
    pages = templates(Path(__file__).parent)
    pages.globals |= {"arm_label": arm_label, "arm_colour": arm_colour, "counted": counted}
    pages.filters["difference"] = difference_text
    return pages.get_template("report.html.j2").render(
        header=header,
        metrics=metrics,
        warnings=warnings(metrics),
        headlines=headlines(metrics, int(broke.sum()), int(rescued.sum())),
        figures=charts(evaluation, metrics),
        n_categories=len(evaluation.class_names),
        n_shown=min(MAX_CATEGORIES, len(evaluation.class_names)),
        mistakes=_mistakes(evaluation, photos),
        broken=[_answers(evaluation, row) for row in np.flatnonzero(broke)[:MAX_BROKEN]],
        n_broken=int(broke.sum()),
        views=[arm for arm in SINGLE_VIEWS if arm in evaluation.baselines],
        **own_scripts(get_plotlyjs(), pages.get_template("report_script.html.j2").render()),
    )


def _mistakes(evaluation: EvaluationInput, photos: Photos | None) -> list[dict[str, Any]]:
    """Collect fusion's surest wrong answers among the categories that it knows."""
    wrong = np.flatnonzero(evaluation.known & ~evaluation.correct(FUSION))
    surest = wrong[np.argsort(-evaluation.confidence(FUSION)[wrong], kind="stable")]
    mistakes = []
    for row in surest[:MAX_MISTAKES]:
        thumbnail = photos(int(row)) if photos else None
        mistakes.append(_answers(evaluation, row) | {"thumbnail": thumbnail})
    return mistakes


def _answers(evaluation: EvaluationInput, row: int) -> dict[str, Any]:
    """Gather what the page says about one listing; an arm without its view has no answer."""
    baselines = {}
    for arm, predictions in evaluation.baselines.items():
        if predictions.answered[row] or arm == FUSION:
            column = int(predictions.probabilities[row].argmax())
            baselines[arm] = {
                "answer": evaluation.class_names[column],
                "probability": float(predictions.probabilities[row, column]),
                "correct": column == evaluation.labels[row],
            }
    return {
        "listing_id": evaluation.listing_ids[row],
        "title": evaluation.titles[row],
        "category": evaluation.categories[row],
        "arms": baselines,
    }
