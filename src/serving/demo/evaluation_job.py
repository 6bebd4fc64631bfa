"""An evaluation for a page: the labels checked first, then progress, then numbers and files."""

import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...catalog.catalog import Catalog
from ...catalog.listing import Listing, category_prefix
from ...core.errors import CatalogError
from ...core.reports import GRID, NEUTRAL
from ...evaluation import report
from ...evaluation.baselines import FUSION, arm_label
from ...evaluation.compare import EvaluationInput, compare
from ...evaluation.evaluate import evaluate, thumbnails
from ...evaluation.messages import Headline, headlines
from ...evaluation.plots import Figure
from ...evaluation.tables import difference_text, fusion_effect
from ...pipeline.pipeline import ListingPipeline
from ...pipeline.shift import OnShift

CHUNK, _TITLE_PX, _ZIP = 32, 36, "evaluation.zip"
HEADERS = ("Answer by", "Right", "95% interval", "In top 5", "Macro-F1", "ECE", "Fusion minus it")
CHARTS = {
    "accuracy": "Right category, with 95% interval",
    "difference": "Fusion minus each, in percentage points",
    "coverage": "Auto-accept: share right against share accepted",
    "reliability": "Stated certainty against share right",
    "confusion": "True category (row) against answer (column)",
}


@dataclass(frozen=True)
class Evaluated:
    """An evaluation and its numbers, as `compare` gives them; `catalog` lacks unusable rows."""

    evaluation: EvaluationInput
    metrics: dict[str, Any]
    catalog: Catalog

    def headlines(self) -> list[Headline]:
        """Say the main numbers in plain words."""
        broke, rescued = fusion_effect(self.evaluation)
        lines = headlines(self.metrics, int(broke.sum()), int(rescued.sum()))
        if ood := self.metrics.get("ood"):
            sentence = (
                f"of {ood['n_outside']:,} photos from outside are refused, and "
                f"{ood['refused_inside']:.1%} of the catalogue's own listings."
            )
            lines.append(Headline(f"{ood['refused_outside']:.1%}", sentence))
        return lines


def check_labels(catalog: Catalog, class_names: Sequence[str], levels: int) -> str:
    """Say which of a catalogue's categories the model doesn't know, and what that means.

    A CatalogError, if no row can be used, or no label is known.
    """
    if not catalog.listings:
        raise CatalogError(
            f"Evaluation needs at least one usable row with a category, but there is none "
            f"({catalog.summary()}). {catalog.first_reasons()}"
        )
    labels = Counter(category_prefix(item.category or "", levels) for item in catalog.listings)
    unknown = Counter({name: n for name, n in labels.items() if name not in set(class_names)})
    if not unknown:
        return ""
    named = ", ".join(f"{name} ({n:,})" for name, n in unknown.most_common(5))
    if len(unknown) == len(labels):
        raise CatalogError(
            f"At least one label must be a category of the model, but none is: {named}. The model "
            f"knows {', '.join(class_names[:10])}{', …' * (len(class_names) > 10)}. Rename the "
            "labels, or train a model on them."
        )
    return (
        f"{unknown.total():,} listings have a label that the model doesn't know: {named}"
        f"{', …' * (len(unknown) > 5)}. They count as mistakes where auto-accept is judged, and "
        "are left out of the comparison."
    )


def evaluate_in_parts(
    pipeline: ListingPipeline,
    catalog: Catalog,
    outside: Sequence[Listing],
    spare_cache: Path,
    *,
    on_shift: OnShift = "review",
) -> Iterator[int | Evaluated]:
    """Embed listings a part at a time, then compare all arms.

    Yields after each part the number of listings and photos embedded so far; at last the result.
    Embeddings go into `spare_cache` where the pipeline has no cache; `on_shift` as for
    `evaluate`. A CatalogError, if no row is
    left, because no photo could be used.
    """
    embedder = pipeline.embedder.with_cache(spare_cache)
    pipeline = replace(pipeline, embedder=embedder)
    everything = [*catalog.listings, *outside]
    for first in range(0, len(everything), CHUNK):
        part = everything[first : first + CHUNK]
        embedder.embed(part, description=pipeline.config.description)
        yield first + len(part)
    evaluation, kept = evaluate(pipeline, catalog, outside=outside, on_shift=on_shift)
    yield Evaluated(evaluation, compare(evaluation), kept)


def comparison_rows(metrics: dict[str, Any]) -> list[list[str]]:
    """Lay `compare`'s numbers out under `HEADERS`, one row an arm."""
    return [
        [
            arm_label(arm),
            f"{measured['top1']:.1%}",
            f"{measured['top1_low']:.1%} to {measured['top1_high']:.1%}",
            f"{measured['top5']:.1%}",
            f"{measured['macro_f1']:.3f}",
            f"{measured['ece']:.3f}",
            difference_text(metrics["paired"].get(f"{FUSION}_vs_{arm}")),
        ]
        for arm, measured in metrics["arms"].items()
    ]


def charts(result: Evaluated) -> dict[str, Figure | None]:
    """Draw the charts, by name; None for one that has nothing to show."""
    drawn = report.charts(result.evaluation, result.metrics)
    drawn["confusion"]["layout"]["xaxis"]["side"] = "bottom"  # above, the names run into the title
    return {
        name: _for_page(drawn[name], title) if name in drawn else None
        for name, title in CHARTS.items()
    }


def _for_page(figure: Figure, title: str) -> Figure:
    """Write a chart's name above it, and give it colours for a light and a dark page.

    The style sheet gives text the page's own colour; what it leaves out is grey.
    """
    layout = figure["layout"]
    name = {"text": title, "x": 0.02, "y": 0.99, "yanchor": "top", "font": {"size": 15}}
    more = {
        "template": "none",
        "title": name | {"yref": "container", "automargin": True},
        "font": {"color": NEUTRAL},
        "height": layout["height"] + _TITLE_PX,
        "margin": layout["margin"] | {"t": layout["margin"]["t"] + _TITLE_PX},
        **{axis: {"gridcolor": GRID} | layout[axis] for axis in ("xaxis", "yaxis")},
    }
    return figure | {"layout": layout | more}


def write_results(result: Evaluated, folder: Path, *, version: str, listings: str) -> None:
    """Write the report as one page, on a bundle's version and a table's name, and all as a zip."""
    header = {"bundle": version, "listings": listings}
    page = report.write_report(
        result.evaluation, folder / "report", photos=thumbnails(result.catalog), header=header
    )
    result.catalog.write_rejected(page.parent / "rejected.csv")
    with zipfile.ZipFile(folder / _ZIP, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(page.parent.iterdir()):
            archive.write(path, path.name)


def results_in(folder: Path) -> list[Path]:
    """List what to take away of that: the page, and the zip."""
    return [folder / "report" / "report.html", folder / _ZIP]
