"""Backbones compared: the split, the table, and whole comparisons of networks that are tiny."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from shelfsure.catalog.catalog import Catalog, read_catalog
from shelfsure.catalog.listing import Listing
from shelfsure.cli.main import app
from shelfsure.core.errors import ConfigError, OutputError, TrainingError, WeightsError
from shelfsure.core.files import require_free_folder
from shelfsure.embedding.run_options import ResolvedOptions
from shelfsure.finetuning.backbone_comparison import trials
from shelfsure.finetuning.backbone_comparison.candidates import Candidate, find_candidates
from shelfsure.finetuning.backbone_comparison.dataset import Material, gather
from shelfsure.finetuning.backbone_comparison.experiment import (
    COMPARISON,
    compare_backbones,
    facts_of,
    planned,
)
from shelfsure.finetuning.backbone_comparison.measure import embed_photos
from shelfsure.finetuning.backbone_comparison.records import Comparison, Result, Trial, spread
from shelfsure.finetuning.backbone_comparison.report import write_page
from shelfsure.finetuning.backbone_comparison.trials import Settings
from shelfsure.finetuning.config import FinetuneConfig, Stage
from shelfsure.vision.encoder import PhotoEncoder
from typer.testing import CliRunner

RESNET = "random:test_resnet"
QUICK = FinetuneConfig(
    epochs=2,
    batch_size=16,
    stages=(Stage(side_px=32, strength=0.2),),
    learning_rate=3e-3,
    titles=0.0,
    workers=0,
    precision="float32",
)
OPTIONS = ResolvedOptions(device="cpu", runtime="torch")


@pytest.fixture(scope="module")
def catalog(tiny_folder: Path) -> Catalog:
    return read_catalog(tiny_folder / "catalogue.csv", need_category=True)


@pytest.fixture(scope="module")
def gathered(starter_photos: PhotoEncoder) -> Callable[..., tuple[Material, Catalog, Any]]:
    def make(catalog: Catalog, test: Catalog | None = None, **given: int) -> Any:
        return gather(
            catalog,
            test,
            **({"levels": 2, "min_examples": 5} | given),
            embed=lambda listings: embed_photos(starter_photos, listings, OPTIONS),
        )

    return make


@pytest.fixture(scope="module")
def material(catalog: Catalog, gathered: Callable[..., Any]) -> Material:
    return gathered(catalog)[0]


@pytest.fixture(scope="module")
def resnet() -> Candidate:
    return find_candidates([RESNET])[0][0]


def test_find_candidates_names_what_is_out_of_reach() -> None:
    names = [RESNET, "resnet50.a1_in1k", "random:nothing", RESNET, "light-cnn"]
    found, skipped = find_candidates(names)
    assert [candidate.name for candidate in found] == [RESNET, "light-cnn"]
    assert list(skipped) == ["resnet50.a1_in1k", "random:nothing"]
    assert "HF_HUB_OFFLINE" in skipped["resnet50.a1_in1k"]
    assert 1_000_000 < found[1].n_parameters < 1_400_000
    with pytest.raises(WeightsError, match=r"none is:\n  random:nothing: "):
        find_candidates(["random:nothing"])


def test_recipe_is_common_but_for_fixed_sides_and_untrained_layers() -> None:
    vit, starter = find_candidates(["random:test_vit", "starter"])[0]
    config = FinetuneConfig(stages=(Stage(trained_fraction=0.4), Stage(side_px=384)))
    fitted = vit.recipe(config, seed=5)
    assert vit.fixed_side_px == 160
    assert [(s.side_px, s.trained_fraction) for s in fitted.stages] == [(160, 1.0), (160, 1.0)]
    assert (fitted.backbone, fitted.seed, fitted.layer_decay) == ("random:test_vit", 5, 1.0)
    same = starter.recipe(config.model_copy(update={"crop_mode": "squash"}), seed=5)
    told = {"backbone": "starter", "seed": 5, "crop_mode": "squash"}
    assert same == config.model_copy(update=told)
    assert starter.recipe(config).crop_mode == "border"  # the same for all


def test_gather_keeps_duplicates_on_one_side(
    catalog: Catalog, gathered: Callable[..., Any]
) -> None:
    twins = [
        Listing(f"{x.listing_id}-twin", x.title, x.image, category=x.category)
        for x in catalog.listings
        if x.listing_id.startswith("t")
    ]
    both = Catalog.from_listings([*catalog.listings, *twins], need_category=True)
    material, kept, _ = gathered(both)
    train = {x.listing_id.removesuffix("-twin") for x in material.train}
    test = {x.listing_id.removesuffix("-twin") for x in material.test}
    assert train.isdisjoint(test)
    assert len(train | test) == 60
    assert len(material.test) == pytest.approx(30, abs=4)
    assert material.n_left_out == 2  # no photo, and a rare category
    assert [bad.listing_id for bad in kept.rejected] == ["bad-photo"]
    names = [material.class_names[label] for label in material.labels]
    assert names == [listing.category for listing in material.listings]


def test_gather_takes_duplicates_of_given_test_listings_out_of_training(
    catalog: Catalog, gathered: Callable[..., Any]
) -> None:
    rows = [x for x in catalog.listings if x.listing_id.startswith("t")]
    test = [Listing(f"new-{x.listing_id}", None, x.image, category=x.category) for x in rows[:9]]
    strange = Listing("strange", "?", rows[0].image, category="Boats > Sails")
    given = Catalog.from_listings([*test, strange], need_category=True)
    material, _, kept = gathered(catalog, given)
    assert [x.listing_id for x in material.test] == [x.listing_id for x in test]
    assert {x.listing_id for x in rows[:9]}.isdisjoint({x.listing_id for x in material.train})
    assert len(kept.listings) == 10


def test_gather_says_when_too_little_is_left(
    catalog: Catalog, gathered: Callable[..., Any]
) -> None:
    with pytest.raises(TrainingError, match="2 categories or more with 50"):
        gathered(catalog, min_examples=50)
    for listings in ([], [Listing("a", "titled", category="x")]):
        titles = Catalog.from_listings(listings, need_category=True)
        with pytest.raises(TrainingError, match="there are 0 and 0"):
            gathered(titles, min_examples=1)


def test_gather_tells_other_labels_apart(
    catalog: Catalog, material: Material, gathered: Callable[..., Any]
) -> None:
    assert gathered(catalog)[0].digest == material.digest
    assert gathered(catalog, levels=1)[0].digest != material.digest


def test_planned_leaves_a_fair_table_whenever_it_stops() -> None:
    pretrained, untrained = Candidate("p", True, "", 1), Candidate("u", False, "", 1)
    order = planned([pretrained, untrained], Settings(QUICK, (4, 5)))
    assert [(t.backbone, t.arm, t.seed) for t in order] == [
        ("p", "frozen", None),
        ("u", "frozen", 4),
        ("u", "frozen", 5),
        ("p", "finetuned", 4),
        ("u", "finetuned", 4),
        ("p", "finetuned", 5),
        ("u", "finetuned", 5),
    ]


@given(st.lists(st.floats(0, 1), max_size=6))
def test_spread_is_mean_and_sample_deviation(values: list[float]) -> None:
    mean, deviation = spread(values)
    assert (mean is None) == (not values)
    assert (deviation is None) == (len(values) < 2)
    if mean is not None:
        assert mean == pytest.approx(np.mean(values))
    if deviation is not None:
        assert deviation == pytest.approx(np.std(values, ddof=1), abs=1e-9)


def test_page_shows_hostile_names_as_text(material: Material) -> None:
    name, why = "local-dir:a|<b>_c", "no | such <script>"
    comparison = Comparison(
        names=[name, "x"],
        arms=("frozen",),
        candidates=[Candidate("x", True, "", 1)],
        skipped={name: why},
        facts=facts_of(material, Settings(QUICK), OPTIONS),
    )
    comparison.results.append(Result(Trial("x", "frozen", None), 0.5, 0.25))
    page = write_page(comparison)
    assert r"| local-dir:a\|\<b>\_c | frozen | 0 | - |" in page
    assert r"no \| such \<script>" in page
    assert "| x | frozen | 1 | 50.0% | 25.0% |" in page


def test_compare_backbones_measures_both_arms_over_seeds_and_isnt_repeated(
    resnet: Candidate, material: Material, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(QUICK, seeds=(0, 1))
    comparison = compare_backbones([resnet], material, tmp_path, settings, OPTIONS)
    frozen, tuned = comparison.rows()
    assert not comparison.failed
    assert (frozen.n_seeds, tuned.n_seeds) == (2, 2)
    assert (frozen.arm, tuned.arm) == ("frozen", "finetuned")
    assert material.largest_fraction < 0.5 < (tuned.top1 or 0)
    assert tuned.top1_sd is not None
    assert tuned.minutes is not None
    assert frozen.minutes is None
    assert (tuned.speed_ratio or 0) > 1
    for result in comparison.results:
        assert result.encoder is None or (tmp_path / result.encoder / "config.json").is_file()
    with (tmp_path / "backbones.csv").open(encoding="utf-8") as file:
        found = list(csv.DictReader(file))
    assert [row["arm"] for row in found] == ["frozen", "finetuned"]
    assert float(found[1]["top1"]) == tuned.top1
    with Image.open(tmp_path / "backbones.png") as picture:
        assert picture.width > 500
    assert list(tmp_path.glob("encoders/.*")) == []

    for name in ("finetune", "measure", "time_against"):
        monkeypatch.setattr(trials, name, None)
    again = compare_backbones([resnet], material, tmp_path, settings, OPTIONS)
    assert again.rows() == comparison.rows()
    other = Settings(QUICK.model_copy(update={"dropout": 0.5}), seeds=(0, 1))
    changed = compare_backbones([resnet], material, tmp_path, other, OPTIONS)
    assert [row.n_seeds for row in changed.rows()] == [2, 0]
    assert "seed 1 failed: TypeError" in changed.rows()[1].notes[1]


def test_compare_backbones_survives_one_that_fails(
    resnet: Candidate, material: Material, tmp_path: Path
) -> None:
    """MaxViT's windows don't fit into 32 pixels."""
    settings = Settings(QUICK, seeds=(0,), arms=("frozen",))
    maxvit = find_candidates(["random:test_maxvit"])[0][0]
    broken = Candidate(maxvit.name, maxvit.pretrained, "", maxvit.n_parameters, None)
    comparison = compare_backbones([broken, resnet], material, tmp_path, settings, OPTIONS)
    bad, good = comparison.rows()
    assert good.top1 is not None
    assert bad.top1 is None
    assert bad.missing == "seed 0 failed, not timed"
    assert "random:test\\_maxvit, frozen, seed 0 failed" in (tmp_path / "README.md").read_text()


@pytest.mark.parametrize("work", ["run_trial", "time_candidate"])
def test_compare_backbones_ends_once_the_disk_takes_nothing(
    resnet: Candidate,
    material: Material,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    work: str,
) -> None:
    def full(*_: object) -> None:
        raise OutputError("out must be writable, but: the disk is full")

    monkeypatch.setattr(f"shelfsure.finetuning.backbone_comparison.experiment.{work}", full)
    with pytest.raises(OutputError, match="the disk is full"):
        compare_backbones([resnet], material, tmp_path, Settings(QUICK, seeds=(0,)), OPTIONS)


def test_compare_backbones_leaves_what_is_done_and_goes_on(
    resnet: Candidate, material: Material, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(QUICK, seeds=(0,))
    with monkeypatch.context() as patched:
        patched.setattr("shelfsure.finetuning.run.export_encoder", _stop)
        with pytest.raises(KeyboardInterrupt):
            compare_backbones([resnet], material, tmp_path, settings, OPTIONS)
    rows = json.loads((tmp_path / "backbones.json").read_text())["rows"]
    assert [row["n_seeds"] for row in rows] == [1, 0]
    assert rows[1]["notes"] == ["not run yet"]
    assert len(list(tmp_path.glob("encoders/.*.finetuning/part-0/last.ckpt"))) == 1
    require_free_folder(tmp_path, COMPARISON, replace=True)
    comparison = compare_backbones([resnet], material, tmp_path, settings, OPTIONS)
    assert [row.n_seeds for row in comparison.rows()] == [1, 1]


def _stop(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


@pytest.fixture
def stripes(tmp_path: Path) -> Path:
    """A catalogue whose photos don't look alike: stripes of any two colours, across or upright."""
    rng, rows = np.random.default_rng(5), ["listing_id,title,category,image"]
    for number in range(40):
        bands = np.mgrid[:48, :48][number % 2] // 6 % 2
        pixels = rng.integers(0, 256, (2, 3), dtype=np.uint8)[bands]
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
        rows.append(f"s{number},thing {number},{('Across', 'Upright')[number % 2]},{number}.png")
    (tmp_path / "bad.png").write_bytes(b"no photo")
    rows.append("bad,broken,Across,bad.png")
    (tmp_path / "catalogue.csv").write_text("\n".join(rows))
    return tmp_path / "catalogue.csv"


@pytest.mark.filterwarnings("ignore:.*noload.*:DeprecationWarning")
def test_backbones_command_logs_parent_and_children(
    stripes: Path, mlflow_uri: str, tmp_path: Path
) -> None:
    from mlflow import MlflowClient

    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(json.dumps(QUICK.model_dump(mode="json") | {"epochs": 0.5}))
    command = ["backbones", str(stripes), "--out", str(tmp_path / "out")]
    command += ["--backbones", f"{RESNET},resnet50.a1_in1k", "--seeds", "0,1"]
    command += ["--config", str(recipe), "--runtime", "torch", "--mlflow", mlflow_uri]
    done = CliRunner().invoke(app, command, env={"COLUMNS": "140"}, catch_exceptions=False)
    assert done.exit_code == 0
    assert "skipped" in done.stdout
    assert "Skipping resnet50.a1_in1k: The weights" in done.stderr
    assert 'bad,"unusable photo' in (tmp_path / "out/rejected.csv").read_text()

    client = MlflowClient(tracking_uri=mlflow_uri)
    runs = _runs(client)
    (parent,) = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    children = [run for run in runs if run is not parent]
    names = {child.info.run_name for child in children}
    assert names == {f"{RESNET}, seed 0", f"{RESNET}, seed 1"}
    assert {c.data.tags["mlflow.parentRunId"] for c in children} == {parent.info.run_id}
    logged = children[0].data.metrics.keys()
    assert {"frozen.top1", "finetuned.top1", "loss", "n_parameters"} <= logged
    assert "HF_HUB_OFFLINE" in parent.data.params["skipped.resnet50.a1_in1k"]
    assert "backbones.png" in {a.path for a in client.list_artifacts(parent.info.run_id)}


def _runs(client: Any) -> list[Any]:
    found = client.get_experiment_by_name("shelfsure-backbones")
    return list(client.search_runs([found.experiment_id]))


@pytest.mark.parametrize("seeds", ["", "a", "-1", "1.5"])
def test_backbones_command_refuses_seeds_that_are_none(tmp_path: Path, seeds: str) -> None:
    command = ["backbones", "x.csv", "--out", str(tmp_path / "out"), "--seeds", seeds]
    result = CliRunner().invoke(app, command)
    assert isinstance(result.exception, ConfigError)
    assert repr(seeds) in str(result.exception)
