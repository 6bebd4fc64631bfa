"""What robustness says, held against `predict` and `evaluate` on the same listings."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import shelfsure.cli.main as cli
import shelfsure.evaluation.robustness.gate as gate
from shelfsure.catalog.catalog import Catalog, read_catalog
from shelfsure.catalog.listing import category_prefix
from shelfsure.core.errors import CatalogError
from shelfsure.embedding.run_options import RunOptions
from shelfsure.evaluation.baselines import FUSION
from shelfsure.evaluation.compare import compare
from shelfsure.evaluation.evaluate import evaluate
from shelfsure.evaluation.robustness.conditions import chosen, disturbed, pixels_of
from shelfsure.evaluation.robustness.measure import Robustness, measure
from shelfsure.evaluation.robustness.report import promise_text, write_report
from shelfsure.evaluation.robustness.summary import summary
from shelfsure.pipeline.pipeline import ListingPipeline
from shelfsure.vision.load import PhotoLimits

FEW = chosen("dark,background,mirror,typos")


@pytest.fixture(scope="module")
def catalog(tiny_folder: Path) -> Catalog:
    return read_catalog(tiny_folder / "catalogue.csv", need_category=True)


@pytest.fixture(scope="module")
def found(tiny_trained: ListingPipeline, catalog: Catalog) -> Robustness:
    return measure(tiny_trained, catalog, FEW)


@pytest.fixture(scope="module")
def cells(found: Robustness) -> dict:
    return {(c["condition"], c["severity"], c["by"]): c for c in summary(found)["cells"]}


def test_undisturbed_is_what_evaluate_says(
    found: Robustness, cells: dict, tiny_trained: ListingPipeline, catalog: Catalog
) -> None:
    evaluation, kept = evaluate(tiny_trained, catalog, on_shift="ignore")
    theirs, ours = compare(evaluation)["accepted"], cells["undisturbed", 0, "listing"]
    assert found.catalog.rows == kept.rows
    assert (found.groups == evaluation.group_numbers).all()
    assert theirs["n"] > 20
    assert ours["n_accepted"] == theirs["n"]
    assert [ours["accepted"], ours["precision"], ours["precision_high"]] == [
        theirs["coverage"],
        theirs["precision"],
        theirs["precision_high"],
    ]
    assert ours["accuracy"] == evaluation.correct(FUSION).mean()
    assert ours["drop"] == ours["accepted_drop"] == 0


@pytest.mark.parametrize(("name", "severity"), [("dark", 3), ("typos", 3), ("mirror", 1)])
def test_a_cell_is_what_predict_says_of_disturbed_listings(
    name: str, severity: int, found: Robustness, cells: dict, tiny_trained: ListingPipeline
) -> None:
    [condition] = chosen(name)
    changed = {}
    for row, listing in enumerate(found.catalog.listings):
        photo = pixels_of(listing, PhotoLimits()) if listing.image else None
        if own := disturbed(listing, photo, condition, severity):
            changed[row] = own
    assert len(changed) >= 58
    alone = [
        replace(own, title=own.title if condition.part == "title" else None, description=None)
        for own in changed.values()
    ]
    alone = [replace(own, image=None) if condition.part == "title" else own for own in alone]
    for by, listings in (("listing", list(changed.values())), (condition.part, alone)):
        verdicts = tiny_trained.predict(listings, duplicates=False, on_shift="ignore")
        answers, cell = found.under[name, severity][by], cells[name, severity, by]
        rows = np.array(list(changed))
        assert np.flatnonzero(answers.answered).tolist() == rows.tolist()
        said = [v.decision for v in verdicts]
        assert answers.accepted[rows].tolist() == [each == "accept" for each in said]
        assert answers.refused[rows].tolist() == [each == "out_of_catalogue" for each in said]
        right = [
            v.category == category_prefix(own.category or "", 2) and v.route != "zero_shot"
            for v, own in zip(verdicts, listings, strict=True)
        ]
        assert answers.right[rows].tolist() == right
        assert cell["n"] == len(rows)
        assert cell["drop"] == pytest.approx(
            found.undisturbed[by].right[rows].mean() - np.mean(right)
        )


def test_cells_without_anything_changed_are_left_out(cells: dict) -> None:
    """No photo of the tiny catalogue stands on white."""
    assert {name for name, _, _ in cells} == {"undisturbed", "dark", "mirror", "typos"}
    assert {by for name, _, by in cells if name == "typos"} == {"listing", "title"}


def test_a_catalogue_without_a_usable_row_is_refused(
    tiny_trained: ListingPipeline, catalog: Catalog
) -> None:
    empty = replace(catalog, listings=(), rows=())
    with pytest.raises(CatalogError, match="at least one usable row"):
        measure(tiny_trained, empty, FEW)


def test_the_gate_names_what_breaks_anew(
    tiny_trained: ListingPipeline, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "measure", partial(measure, conditions=chosen("mirror")))
    names = tiny_trained.class_names
    confused = replace(tiny_trained, class_names=(*names[1:], names[0]))
    broken = gate.newly_broken(confused, tiny_trained, catalog)
    assert "undisturbed 0 by listing" in broken
    assert "mirror 1 by listing" in broken
    assert gate.newly_broken(confused, confused, catalog) == ()
    assert gate.newly_broken(tiny_trained, confused, catalog) == ()


def test_the_report_is_whole(found: Robustness, tmp_path: Path) -> None:
    said = summary(found)
    page = write_report(found, said, tmp_path, header={"bundle": "<b>shop</b>"}).read_text()
    assert "&lt;b&gt;shop" in page
    assert page.count("data:image/jpeg") == 3 * (
        1 + 3 + 3 + 1
    )  # originals, dark, background, mirror
    assert "http" not in page.replace("http-equiv", "")
    assert json.loads((tmp_path / "robustness.json").read_text()) == said
    assert (tmp_path / "cells.csv").read_text().count("\n") == 1 + len(said["cells"])
    assert promise_text(said).startswith("The promise (80.0%) is")


def test_the_command_says_a_broken_promise_by_its_exit_code(
    tiny_trained: ListingPipeline,
    tiny_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    names = tiny_trained.class_names
    for pipeline, code in (
        (tiny_trained, 0),
        (replace(tiny_trained, class_names=(*names[1:], names[0])), 4),
    ):

        def load(_: Path, options: RunOptions, pipeline: ListingPipeline = pipeline) -> object:
            return pipeline

        monkeypatch.setattr(ListingPipeline, "load", load)
        given = ["robustness", "shop", tiny_folder / "catalogue.csv", "--out", tmp_path / "out"]
        given += ["--only", "mirror", "--mlflow", "none"]
        assert (cli.app([str(each) for each in given], standalone_mode=False) or 0) == code
        said = capsys.readouterr().out
        assert ("broken in" in said) == (code == 4)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        *("robustness.html", "robustness.json", "cells.csv", "rejected.csv")
    }


def test_nothing_to_disturb_is_an_error(tiny_trained: ListingPipeline, catalog: Catalog) -> None:
    bare = replace(catalog, listings=tuple(replace(one, image=None) for one in catalog.listings))
    with pytest.raises(CatalogError, match="Conditions of photo need listings that have one"):
        measure(tiny_trained, bare, chosen("mirror"))


def test_promise_text_claims_nothing_where_nothing_is_accepted() -> None:
    said = {"cells": [{"n_accepted": 0}] * 2, "broken": [], "target_precision": 0.9}
    assert promise_text(said).startswith("Nothing is accepted in any of 2 cells")
