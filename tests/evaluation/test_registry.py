"""Bundles as MLflow models: logged, loaded back, compared, promoted, pulled."""

import base64
import json
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import shelfsure.cli.main as cli
import shelfsure.evaluation.registry as registry
from hypothesis import given
from hypothesis import strategies as st
from shelfsure.catalog.catalog import Catalog, read_catalog
from shelfsure.catalog.listing import Listing
from shelfsure.core.config import Config
from shelfsure.core.errors import (
    BundleChangedError,
    BundleError,
    CatalogError,
    ConfigError,
    TrackingError,
)
from shelfsure.embedding.embedder import Embedder
from shelfsure.embedding.run_options import RunOptions
from shelfsure.evaluation.intervals import paired_bootstrap
from shelfsure.evaluation.mlflow_model import OUTPUTS, judge_table, listing_of
from shelfsure.evaluation.paired_comparison import Comparison, compare_pipelines
from shelfsure.evaluation.registry import (
    CHALLENGER,
    CHAMPION,
    log_model,
    promote,
    pull,
    registered,
    rollback,
)
from shelfsure.pipeline.bundle import copy_bundle, open_bundle
from shelfsure.pipeline.pipeline import ListingPipeline
from shelfsure.vision.load import PhotoLimits

pytestmark = [
    # MLflow's own: models for its database, and its import under pydantic
    pytest.mark.filterwarnings("ignore:.*noload.*:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*type hint is inferred as AnyType.*:UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow.*"),
]


@pytest.fixture(autouse=True)
def fake_weights(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fake_embedder: Callable[..., Embedder]
) -> list[RunOptions]:
    """Load encoders that need no weights; gives the options that each pair is loaded with."""
    monkeypatch.chdir(tmp_path)  # MLflow lays models down in the current folder
    loaded: list[RunOptions] = []

    def load(config: Config, options: RunOptions) -> Embedder:
        loaded.append(options)
        return replace(fake_embedder(), options=options)

    for module in ("pipeline.persistence", "pipeline.pipeline", "embedding.embedder"):
        monkeypatch.setattr(f"shelfsure.{module}.load_embedder", load)
    return loaded


@pytest.fixture
def uri(mlflow_uri: str) -> str:
    """Not the store that MLflow takes by default."""
    return mlflow_uri


@pytest.fixture(scope="module")
def catalog(tiny_folder: Path) -> Catalog:
    return read_catalog(tiny_folder / "catalogue.csv", need_category=True)


@pytest.fixture(scope="module")
def good(tiny_trained: ListingPipeline, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return_to = tmp_path_factory.mktemp("good") / "shop"
    tiny_trained.save(return_to)
    return return_to


@pytest.fixture(scope="module")
def bad(
    catalog: Catalog,
    tiny_config: Config,
    fake_embedder: Callable[..., Embedder],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A bundle that learned wrong labels."""
    categories = [item.category for item in catalog.listings]
    shuffled = np.random.default_rng(0).permutation(categories).tolist()
    wrong = [replace(x, category=c) for x, c in zip(catalog.listings, shuffled, strict=True)]
    folder = tmp_path_factory.mktemp("bad") / "shop"
    mistaken = replace(catalog, listings=tuple(wrong))
    ListingPipeline.fit(mistaken, tiny_config, embedder=fake_embedder()).save(folder)
    return folder


SHOP = "main.shop.listings"
"""As Unity Catalog has names."""


def run(*arguments: str | Path) -> int:
    return int(cli.app([str(a) for a in arguments], standalone_mode=False) or 0)


def test_promote_lets_only_a_challenger_that_loses_nothing_take_over(
    uri: str, good: Path, bad: Path, catalog: Catalog, tmp_path: Path
) -> None:
    strong, weak = ListingPipeline.load(good), ListingPipeline.load(bad)
    first = promote(uri, SHOP, bad, challenger=weak, against=None)
    assert (first.version, first.promoted, first.comparison) == ("1", True, None)
    with pytest.raises(ConfigError, match=r"version 1, so a challenger needs.*--against"):
        promote(uri, SHOP, good, challenger=strong, against=None)

    better = promote(uri, SHOP, good, challenger=strong, against=catalog)
    assert better.promoted
    assert better.comparison is not None
    assert better.comparison.difference.low > 0
    worse = promote(uri, SHOP, bad, challenger=weak, against=catalog)
    assert (worse.version, worse.promoted) == ("3", False)

    with pytest.raises(ConfigError, match="No version of nothing is the champion"):
        rollback(uri, "nothing")
    assert rollback(uri, SHOP) == ("2", "1")
    assert pull(uri, SHOP, tmp_path / "back").version == weak.version
    with pytest.raises(ConfigError, match=f"before version 1 of {SHOP}, but none was noted"):
        rollback(uri, SHOP)
    again = promote(uri, SHOP, good, challenger=strong, against=catalog)
    assert (again.version, again.promoted) == ("4", True)
    assert run("registry", "rollback", SHOP, "--out", tmp_path / "back", "--mlflow", uri) == 0
    assert open_bundle(tmp_path / "back").version == weak.version
    from mlflow import MlflowClient

    for number, alias in (("4", None), ("2", CHAMPION)):  # as it was before
        client = MlflowClient(tracking_uri=uri)
        if alias is None:
            client.delete_model_version(SHOP, number)
        else:
            client.set_registered_model_alias(SHOP, alias, number)

    versions = registered(uri)
    assert [(v.name, v.version, v.aliases) for v in versions] == [
        (SHOP, "3", (CHALLENGER,)),
        (SHOP, "2", (CHAMPION,)),
        (SHOP, "1", ()),
    ]
    assert [v.bundle_version for v in versions] == [weak.version, strong.version, weak.version]
    assert versions[0].compared.startswith("-")
    assert str(better.comparison) == versions[1].compared

    assert pull(uri, SHOP, tmp_path / "champion").version == strong.version
    assert pull(uri, SHOP, tmp_path / "other", alias=CHALLENGER).version == weak.version
    assert open_bundle(tmp_path / "champion").version == strong.version
    with pytest.raises(BundleError, match="already holds a bundle"):
        pull(uri, SHOP, tmp_path / "champion")
    assert pull(uri, SHOP, tmp_path / "champion", alias=CHALLENGER, overwrite=True)
    assert open_bundle(tmp_path / "champion").version == weak.version
    with pytest.raises(ConfigError, match=f"No version of {SHOP} is the nobody"):
        pull(uri, SHOP, tmp_path / "none", alias="nobody")
    with pytest.raises(ConfigError, match="No version of nothing is the champion"):
        pull(uri, "nothing", tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_promote_refuses_what_breaks_its_promise_where_the_champion_keeps_it(
    uri: str, good: Path, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    strong = ListingPipeline.load(good)
    promote(uri, SHOP, good, challenger=strong, against=None)
    monkeypatch.setattr(registry, "newly_broken", lambda *_: ("dark 3 by photo",))
    refused = promote(uri, SHOP, good, challenger=strong, against=catalog, robustness=True)
    assert (refused.promoted, refused.newly_broken) == (False, ("dark 3 by photo",))
    versions = registered(uri)
    assert [v.aliases for v in versions] == [(CHALLENGER,), (CHAMPION,)]
    assert versions[0].compared == f"{refused.comparison}; breaks its promise: dark 3 by photo"
    assert promote(uri, SHOP, good, challenger=strong, against=catalog).promoted


def test_promote_says_which_store_it_cannot_reach(good: Path) -> None:
    with pytest.raises(TrackingError, match=r"the MLflow store http://127.0.0.1:9, but"):
        pull("http://127.0.0.1:9", "shop", good.parent / "pulled")


@pytest.fixture
def logged_model(uri: str, good: Path) -> Any:
    """A bundle logged as a model, in the store that MLflow asks."""
    import mlflow
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    run_id = client.create_run(client.create_experiment("trial")).info.run_id
    mlflow.set_tracking_uri(uri)
    return log_model(uri, run_id, good)


def test_log_model_gives_a_model_that_answers_as_the_bundle_does(
    uri: str, good: Path, catalog: Catalog, logged_model: Any
) -> None:
    import mlflow
    from mlflow import MlflowClient

    client, info = MlflowClient(tracking_uri=uri), logged_model
    logged = Path(client.get_logged_model(info.model_id).artifact_location.removeprefix("file://"))
    suffixes = {path.suffix for path in logged.rglob("*") if path.is_file()}
    assert suffixes & {".pkl", ".pickle", ".joblib", ".pt", ".bin"} == set()
    assert (logged / "artifacts" / "shop" / "manifest.json").is_file()
    # no package index has Shelfsure: its code goes along, and what that needs is named
    needed = (logged / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert {f"{name}=={version(name)}" for name in ("timm", "pillow", "mlflow")} <= set(needed)
    assert not [line for line in needed if line.startswith(("shelfsure", "lightning"))]
    code = logged / "code" / "shelfsure"
    assert {path.relative_to(code).as_posix() for path in code.rglob("*.py")} >= {
        "__init__.py", "evaluation/mlflow_model.py", "configs/__init__.py"
    }  # fmt: skip
    assert (code / "configs" / "starter.yaml").is_file()

    model = mlflow.pyfunc.load_model(info.model_uri)
    assert model.metadata.signature.inputs.input_names()[1:4] == ["title", "description", "image"]
    asked = list(catalog.listings[:4])
    photo = Path(str(asked[1].image)).read_bytes()
    table = pd.DataFrame(
        {
            "listing_id": [item.listing_id for item in asked],
            "title": [asked[0].title, None, asked[2].title, None],
            "description": [None, None, asked[2].description, None],
            "image": [None, photo, None, b"no photo"],
            "image_path": [str(asked[0].image), None, None, None],
        }
    )
    said = model.predict(table)
    pipeline = ListingPipeline.load(good)
    expected = pipeline.predict([listing_of(row) for row in table.to_dict("records")])
    assert list(said.columns) == list(OUTPUTS)
    assert [json.loads(v) for v in said["verdict"]] == [v.model_dump(mode="json") for v in expected]
    assert said["decision"].tolist()[3] == "rejected"
    assert said["category"].tolist()[1] == expected[1].category
    titles_only = model.predict(pd.DataFrame({"title": [asked[0].title]}))
    assert titles_only["category"].tolist() == [pipeline.predict(
        [listing_of({"title": asked[0].title})])[0].category]  # fmt: skip


def test_a_row_may_have_further_photos() -> None:
    more = [b"back", base64.b64encode(b"side").decode(), None]
    for several in (more, tuple(more), np.array(more, dtype=object)):
        found = listing_of({"image": b"front", "more_images": several})
        assert (found.image, found.more_images) == (b"front", (b"back", b"side", None))
    assert listing_of({"image": b"front", "more_images": float("nan")}).more_images == ()


def test_judge_table_of_no_rows_has_every_column(good: Path) -> None:
    empty = judge_table(ListingPipeline.load(good), pd.DataFrame({"title": []}))
    assert list(empty.columns) == list(OUTPUTS)
    assert len(empty) == 0


def test_judge_table_takes_rows_as_tables_have_them(good: Path, catalog: Catalog) -> None:
    """Numbers as ids, an empty column, photos in base64: one bad row is one rejected verdict."""
    pipeline, own = ListingPipeline.load(good), catalog.listings[0]
    photo = Path(str(own.image)).read_bytes()
    expected = pipeline.predict([Listing("1001", own.title, photo)])[0].model_dump(mode="json")
    written = base64.b64encode(photo).decode()
    row = {"listing_id": 1001, "title": own.title, "description": float("nan"), "image": photo}
    for image in (photo, bytearray(photo), written, f"data:image/png;base64,{written}"):
        said = judge_table(pipeline, pd.DataFrame([row | {"image": image}]))
        assert json.loads(said["verdict"][0]) == expected
    mixed = pd.DataFrame(
        [row, {"listing_id": 2.0, "title": own.title}, {"title": ["a", "list"]}, {"image": "AAAA"}]
    )
    said = judge_table(pipeline, mixed)
    assert said["listing_id"].tolist() == ["1001", "2", "", ""]
    assert (said["decision"] == "rejected").tolist() == [False, False, True, True]
    assert "not text: title is ['a', 'list'] of type list" in said["reasons"][2]
    assert json.loads(said["verdict"][0]) == expected
    one_row = pd.DataFrame({"listing_id": [[1, 2]], "title": [[own.title, "Old rug"]]})
    assert judge_table(pipeline, one_row)["listing_id"].tolist() == ["1", "2"]


def test_scoring_server_judges_every_form_of_request_alike(
    catalog: Catalog, logged_model: Any
) -> None:
    import mlflow
    from mlflow.pyfunc import scoring_server
    from starlette.testclient import TestClient

    server = TestClient(scoring_server.init(mlflow.pyfunc.load_model(logged_model.model_uri)))
    own, columns = catalog.listings[0], ("listing_id", "image", "title")
    written = base64.b64encode(Path(str(own.image)).read_bytes()).decode()
    rows = [(1, written, own.title), (2, None, "Old rug")]
    records = [dict(zip(columns, row, strict=True)) for row in rows]
    requests = (
        {"dataframe_records": records},
        {"dataframe_records": [records[0], {"listing_id": 2, "title": "Old rug"}]},
        {"dataframe_split": {"columns": list(columns), "data": [list(row) for row in rows]}},
        {"inputs": {name: [row[n] for row in rows] for n, name in enumerate(columns)}},
        {"instances": records},
    )
    answers = []
    for request in requests:
        response = server.post("/invocations", json=request)
        assert response.status_code == 200, response.text
        answers.append([json.loads(said["verdict"]) for said in response.json()["predictions"]])
    assert all(answer == answers[0] for answer in answers)
    assert [said["listing_id"] for said in answers[0]] == ["1", "2"]
    assert [said["route"] for said in answers[0]] == ["fusion", "text_only"]


@pytest.mark.parametrize("missing", [None, float("nan"), "", b"", pd.NA])
def test_listing_of_takes_every_kind_of_nothing_as_missing(missing: object) -> None:
    listing = listing_of({"title": missing, "image": missing, "image_path": missing, "more": 1})
    assert listing == listing_of({})
    assert listing.title is None
    assert listing.image is None


def test_compare_pipelines_refuses_what_cannot_be_compared(good: Path, catalog: Catalog) -> None:
    pipeline = ListingPipeline.load(good)
    few = replace(catalog, listings=catalog.listings[:20], rows=catalog.rows[:20])
    with pytest.raises(CatalogError, match=r"30 listings or more.*got 19 listings from .*csv"):
        compare_pipelines(pipeline, pipeline, few)
    flat = replace(pipeline, config=pipeline.config.model_copy(update={"levels": 1}))
    with pytest.raises(ConfigError, match="one predicts 1 and the other 2"):
        compare_pipelines(pipeline, flat, catalog)
    same = compare_pipelines(pipeline, pipeline, catalog)
    assert same.difference == (0, 0, 0)
    assert same.excludes_loss
    assert same.n_listings == len(catalog.listings) - 1  # one has no readable photo
    assert same.n_groups <= same.n_listings
    sellers = [replace(item, group=f"seller {i % 5}") for i, item in enumerate(catalog.listings)]
    with pytest.raises(CatalogError, match=r"listings in 5 groups from .*catalogue.csv"):
        compare_pipelines(pipeline, pipeline, replace(catalog, listings=sellers))


@given(st.integers(0, 40), st.integers(0, 40))
def test_comparison_excludes_a_loss_only_where_the_challenger_loses_little(
    only_mine: int, only_theirs: int
) -> None:
    mine = np.array([True] * only_mine + [False] * only_theirs + [True] * 50)
    theirs = np.array([False] * only_mine + [True] * only_theirs + [True] * 50)
    comparison = Comparison(paired_bootstrap(mine, theirs), len(mine), len(mine))
    if only_theirs >= max(only_mine, 1):
        assert not comparison.excludes_loss
    if only_theirs == 0:
        assert comparison.excludes_loss


def test_registry_commands_round_trip(
    uri: str, good: Path, bad: Path, tiny_folder: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    listings = tiny_folder / "catalogue.csv"
    run("registry", "list", "--mlflow", uri)
    assert "No bundle is registered yet" in capsys.readouterr().out
    assert run("registry", "promote", good, "--name", "lamps", "--mlflow", uri) == 0
    assert "Version 1 of lamps is the champion: it is the first." in capsys.readouterr().out
    promote_bad = ("registry", "promote", bad, "--name", "lamps", "--mlflow", uri)
    with pytest.raises(ConfigError, match="--against"):
        run(*promote_bad)
    code = run(*promote_bad, "--against", listings)
    assert "Version 2 of lamps stays challenger, because it may be worse: -" in (
        capsys.readouterr().out
    )
    assert code == 4
    run("registry", "list", "--mlflow", uri)
    listed = capsys.readouterr().out
    assert "champion" in listed
    assert "challenger" in listed
    run("registry", "pull", "lamps", "--out", tmp_path / "pulled", "--mlflow", uri)
    assert open_bundle(tmp_path / "pulled").version == open_bundle(good).version


def test_registry_promote_loads_the_champion_as_it_loads_the_challenger(
    uri: str, good: Path, bad: Path, tiny_folder: Path, fake_weights: list[RunOptions]
) -> None:
    options = ("--runtime", "onnxruntime", "--device", "cpu", "--no-cache",
               "--max-pixels", "123456", "--allow-truncated")  # fmt: skip
    promote_as = ("--name", "lamps", "--mlflow", uri, *options)
    assert run("registry", "promote", bad, *promote_as) == 0
    against = ("--against", tiny_folder / "catalogue.csv")
    assert run("registry", "promote", good, *promote_as, *against) == 0
    limits = PhotoLimits(123456, allow_truncated=True)
    wanted = RunOptions("cpu", runtime="onnxruntime", limits=limits, progress=True)
    loaded = [options for options in fake_weights if options != RunOptions()]  # that is MLflow
    assert loaded == [wanted] * 3  # the first, the challenger, the champion


def test_train_promotes_what_it_trained_and_logs_it_once(
    uri: str, tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from mlflow import MlflowClient

    listings, quick = tiny_folder / "catalogue.csv", tmp_path / "quick.yaml"
    quick.write_text("levels: 2\nn_folds: 3\naccept:\n  target_precision: 0.8\n  confidence: 0.8\n")
    common = ("--config", quick, "--device", "cpu", "--no-cache", "--mlflow", uri)
    promoted = ("--promote", listings, "--model-name", "lamps")
    assert run("train", listings, "--out", tmp_path / "a", *common, *promoted) == 0
    assert "Version 1 of lamps is the champion: it is the first." in capsys.readouterr().out
    assert run("train", listings, "--out", tmp_path / "b", *common, *promoted) == 0
    assert "Version 2 of lamps is the champion now: +0.0%" in capsys.readouterr().out
    assert run("train", listings, "--out", tmp_path / "c", *common) == 0
    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("shelfsure-train")
    runs = client.search_runs([experiment.experiment_id])
    models = client.search_logged_models([experiment.experiment_id])
    assert {model.source_run_id for model in models} == {run.info.run_id for run in runs}
    assert len(runs) == 3
    assert len(client.search_model_versions("name = 'lamps'")) == 2
    for one in runs:
        assert one.data.tags["data_sha256"]
        assert one.data.params["levels"] == "2"
    off = ("--config", quick, "--mlflow", "none", "--promote", listings)
    with pytest.raises(ConfigError, match="A registry is needed"):
        run("train", listings, "--out", tmp_path / "d", *off)


def test_copy_bundle_refuses_a_changed_one_and_leaves_nothing(good: Path, tmp_path: Path) -> None:
    changed = shutil.copytree(good, tmp_path / "changed")
    (changed / "model.json").write_text("{}")
    with pytest.raises(BundleChangedError, match=r"model\.json"):
        copy_bundle(changed, tmp_path / "copy")
    (good / "stray.txt").write_text("not in the manifest")
    assert copy_bundle(good, tmp_path / "whole").version == open_bundle(good).version
    assert not (tmp_path / "whole" / "stray.txt").exists()
    assert {path.name for path in tmp_path.iterdir()} == {"changed", "whole"}


def test_copy_bundle_that_cannot_replace_one_keeps_it(
    good: Path, tmp_path: Path, failing_rename: Callable[[Path], AbstractContextManager[None]]
) -> None:
    folder = tmp_path / "copy"
    copy_bundle(good, folder)
    (folder / "stray.txt").write_text("old")
    with failing_rename(folder):
        copy_bundle(good, folder, overwrite=True)
    assert (folder / "stray.txt").read_text() == "old"
    assert open_bundle(folder).version == open_bundle(good).version
    assert list(tmp_path.iterdir()) == [folder]
