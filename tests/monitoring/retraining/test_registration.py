"""Registering a bundle in a real MLflow store, as often as a killed run may try it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from shelfsure.core.config import Config
from shelfsure.core.errors import ConfigError
from shelfsure.embedding.embedder import Embedder
from shelfsure.embedding.run_options import RunOptions
from shelfsure.evaluation.registry import (
    check_registry,
    registered,
    registry_client,
    versions_of,
)
from shelfsure.monitoring.retraining.registration import (
    champion_before,
    pull_champion,
    register_once,
)
from shelfsure.pipeline.bundle import open_bundle
from shelfsure.pipeline.pipeline import ListingPipeline

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*noload.*:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*type hint is inferred as AnyType.*:UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow.*"),
]


def test_register_once_registers_once(
    mlflow_uri: str,
    tiny_trained: ListingPipeline,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fake_embedder: Callable[..., Embedder],
) -> None:
    monkeypatch.chdir(tmp_path)

    def load(_: Config, options: RunOptions) -> Embedder:
        return replace(fake_embedder(), options=options)

    monkeypatch.setattr("shelfsure.pipeline.persistence.load_embedder", load)
    bundle = tmp_path / "bundle"
    tiny_trained.save(bundle)
    assert champion_before(mlflow_uri, "shop", "k1") == ""
    for alias in ("", "champion", "champion"):  # killed before its alias, and after it
        told = {"alias": alias, "compared": "", "key": "k1", "before": ""}
        assert register_once(mlflow_uri, "shop", bundle, **told) == "1"
    [version] = registered(mlflow_uri)
    assert version.aliases == ("champion",)
    assert version.bundle_version == open_bundle(bundle).version
    assert champion_before(mlflow_uri, "shop", "k1") == "", "its own run sees what was before"
    assert champion_before(mlflow_uri, "shop", "k2") == "1"
    out = tmp_path / "champion"
    pull_champion(mlflow_uri, "shop", out)
    assert open_bundle(out).version == version.bundle_version
    changed = out.stat().st_mtime_ns
    pull_champion(mlflow_uri, "shop", out)
    assert out.stat().st_mtime_ns == changed


@pytest.mark.parametrize("name", ["a/b", "a:b", "what?", 'a "b"', " ", "a\nb"])
def test_check_registry_refuses_names_that_cannot_be_found_again(name: str) -> None:
    with pytest.raises(ConfigError, match="A name in the registry must be"):
        check_registry("sqlite:///m.db", name)


@pytest.mark.parametrize("uri", ["", "none"])
def test_check_registry_refuses_no_registry(uri: str) -> None:
    with pytest.raises(ConfigError, match=f"--mlflow is '{uri}'"):
        check_registry(uri, "shop")


def test_versions_of_finds_a_name_with_a_quote(mlflow_uri: str) -> None:
    name = "Ann's ü shop"
    check_registry(mlflow_uri, name)
    with registry_client(mlflow_uri) as client:
        client.create_registered_model(name)
        client.create_model_version(name, "file:///nowhere")
        assert [one.name for one in versions_of(client, name)] == [name]
