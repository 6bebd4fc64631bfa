import json
import zipfile
from dataclasses import fields, replace
from pathlib import Path

import pytest
from shelfsure.catalog.catalog import Catalog, RejectedRow, read_catalog
from shelfsure.catalog.listing import Listing
from shelfsure.core.errors import CatalogError
from shelfsure.evaluation.compare import compare
from shelfsure.evaluation.evaluate import evaluate
from shelfsure.evaluation.messages import warnings
from shelfsure.pipeline.pipeline import ListingPipeline
from shelfsure.pipeline.shift import OnShift, ShiftDetector
from shelfsure.pipeline.verdict import Shift
from shelfsure.serving.demo.evaluation_job import (
    CHARTS,
    HEADERS,
    Evaluated,
    charts,
    check_labels,
    comparison_rows,
    evaluate_in_parts,
    results_in,
    write_results,
)
from shelfsure.serving.demo.tabs.evaluate import results_html

NAMES = ("Home > Lamps", "Home > Rugs")


def labelled(*categories: str) -> Catalog:
    listings = [Listing(str(i), "x", category=name) for i, name in enumerate(categories)]
    return Catalog(tuple(listings), tuple(range(1, len(listings) + 1)))


@pytest.fixture(scope="module")
def pipeline(tiny_trained: ListingPipeline) -> ListingPipeline:
    return replace(tiny_trained, retrieval=None, version="abc")


@pytest.fixture(scope="module")
def catalog(tiny_folder: Path) -> Catalog:
    return read_catalog(tiny_folder / "catalogue.csv", need_category=True)


@pytest.fixture(scope="module")
def steps(
    pipeline: ListingPipeline, catalog: Catalog, tmp_path_factory: pytest.TempPathFactory
) -> list[int | Evaluated]:
    spare = tmp_path_factory.mktemp("spare")
    return list(evaluate_in_parts(pipeline, catalog, (), spare))


@pytest.fixture(scope="module")
def result(steps: list[int | Evaluated]) -> Evaluated:
    assert isinstance(steps[-1], Evaluated)
    return steps[-1]


def test_check_labels_is_silent_about_known_ones() -> None:
    assert check_labels(labelled("Home > Lamps > Desk", "Home > Rugs"), NAMES, 2) == ""


def test_check_labels_names_unknown_ones_and_what_that_means() -> None:
    note = check_labels(labelled("Home > Lamps", "Toys", "Toys", "Art"), NAMES, 2)
    assert note.startswith("3 listings have a label that the model doesn't know: Toys (2), Art (1)")


def test_check_labels_refuses_a_table_of_strange_labels() -> None:
    with pytest.raises(CatalogError, match=r"none is: Toys \(2\)\. The model knows Home > Lamps"):
        check_labels(labelled("Toys", "Toys"), NAMES, 2)
    with pytest.raises(CatalogError, match=r"none is: Home \(1\)"):
        check_labels(labelled("Home > Lamps"), NAMES, 1)


def test_check_labels_refuses_a_table_without_a_usable_row() -> None:
    empty = Catalog((), (), (RejectedRow(1, "a", "missing category"),))
    with pytest.raises(CatalogError, match=r"1 rejected.*Row 1: missing category"):
        check_labels(empty, NAMES, 2)


def test_evaluate_in_parts_counts_up_and_ends_with_what_evaluate_says(
    steps: list[int | Evaluated], pipeline: ListingPipeline, catalog: Catalog
) -> None:
    *counts, result = steps
    assert counts == [32, 63]
    assert isinstance(result, Evaluated)
    evaluation, kept = evaluate(pipeline, catalog)
    assert result.metrics == compare(evaluation)
    assert result.catalog.summary() == kept.summary()


def test_evaluate_in_parts_embeds_each_photo_once_even_without_a_cache(
    pipeline: ListingPipeline, catalog: Catalog, tmp_path: Path
) -> None:
    photos = pipeline.embedder.photos
    assert pipeline.embedder.options.cache is None
    before = photos.n_encoded  # type: ignore[attr-defined]
    list(evaluate_in_parts(pipeline, catalog, (), tmp_path))
    assert photos.n_encoded - before == 60  # type: ignore[attr-defined]


def test_comparison_rows_name_every_arm(result: Evaluated) -> None:
    rows = comparison_rows(result.metrics)
    assert [row[0] for row in rows][:2] == ["Fusion", "Photo only"]
    assert {len(row) for row in rows} == {len(HEADERS)}
    fusion = result.metrics["arms"]["fusion"]
    assert rows[0][1] == f"{fusion['top1']:.1%}"
    assert rows[0][-1] == ""
    assert rows[1][-1] != ""


def test_charts_carry_their_names(result: Evaluated) -> None:
    drawn = charts(result)
    assert set(drawn) == set(CHARTS)
    for name, figure in drawn.items():
        assert figure
        assert figure["layout"]["title"]["text"] == CHARTS[name]
        assert figure["layout"]["margin"]["t"] >= 36


def test_headlines_tell_of_the_gate(result: Evaluated) -> None:
    n = len(result.headlines())
    ood = {"n_outside": 12, "refused_outside": 0.75, "refused_inside": 0.04}
    more = replace(result, metrics={**result.metrics, "ood": ood}).headlines()
    assert len(more) == n + 1
    assert more[-1].number == "75.0%"


def test_results_warn_loudly_above_the_headlines(result: Evaluated) -> None:
    usual = results_html(result, "Done.", "")
    assert "sf-banner" not in usual
    shift = Shift(p_value=2e-5, what="They look strange.")
    accepted = result.metrics["accepted"] | {"precision": 0.5, "precision_high": 0.6}
    metrics = {**result.metrics, "accepted": accepted, "shift": shift.model_dump()}
    html = results_html(replace(result, metrics=metrics), "Done.", "")
    drifted, broken = warnings(metrics)
    assert "Nothing is accepted" not in drifted  # some were
    assert broken.startswith("The promise is broken")
    places = [html.index(text) for text in ("sf-banner", drifted.split("'")[0], broken, "Done.")]
    assert places == sorted(places)
    assert html.count('role="alert"') == 1


def test_evaluate_in_parts_does_of_a_drift_what_it_is_told(
    pipeline: ListingPipeline, catalog: Catalog, tmp_path: Path
) -> None:
    class Drifted(ListingPipeline):
        def shift_detector(self) -> ShiftDetector:
            return ShiftDetector(1000).watch([0.01] * 100)

    drifted = Drifted(**{item.name: getattr(pipeline, item.name) for item in fields(pipeline)})
    expected: list[tuple[OnShift, int, bool]] = [
        ("review", 1, False),
        ("warn", 1, True),
        ("ignore", 0, True),
    ]
    for on_shift, n_warnings, accepts in expected:
        *_, found = evaluate_in_parts(drifted, catalog, (), tmp_path, on_shift=on_shift)
        assert isinstance(found, Evaluated)
        assert len(warnings(found.metrics)) == n_warnings
        assert (found.metrics["accepted"]["n"] > 0) == accepts


def test_write_results_gives_the_page_and_everything_in_one_zip(
    result: Evaluated, tmp_path: Path
) -> None:
    write_results(result, tmp_path, version="abc", listings="t.csv")
    page, everything = results_in(tmp_path)
    assert "t.csv" in page.read_text(encoding="utf-8")
    with zipfile.ZipFile(everything) as archive:
        assert set(archive.namelist()) == {
            "comparison.png",
            "metrics.json",
            "per_category.csv",
            "rejected.csv",
            "report.html",
            "rows.csv",
        }
        assert json.loads(archive.read("metrics.json"))["n"] == result.metrics["n"]
        assert b"photos/bad.png" in archive.read("rejected.csv")
