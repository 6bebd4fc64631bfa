"""A retrained bundle in the registry: once, however often the run that registers it is killed."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...core.tracking import experiment_in
from ...embedding.run_options import RunOptions
from ...evaluation.registry import (
    CHAMPION,
    CHAMPION_BEFORE,
    downloaded,
    log_model,
    pull,
    registry_client,
    version_by_alias,
    versions_of,
)
from ...pipeline.bundle import is_version, open_bundle
from ...pipeline.pipeline import ListingPipeline

EXPERIMENT = "shelfsure-retrain"
_KEY = "retraining"


def champion_before(uri: str, name: str, key: str) -> str:
    """Give the version that is champion; empty if there is none.

    Where the retraining of this key has crowned its own bundle and was killed then, the one before.
    """
    with registry_client(uri) as client:
        champion = version_by_alias(client, name, CHAMPION)
        if champion is None:
            return ""
        own = champion.tags.get(_KEY) == key
        return str(champion.tags.get(CHAMPION_BEFORE, "") if own else champion.version)


@contextmanager
def opened_version(
    uri: str, name: str, version: str, options: RunOptions
) -> Iterator[ListingPipeline]:
    """Load a registered bundle for a while."""
    with downloaded(uri, f"models:/{name}/{version}") as place:
        yield ListingPipeline.load(place, options)


def register_once(
    uri: str, name: str, bundle: Path, *, alias: str, compared: str, key: str, before: str
) -> str:
    """Register a bundle and give its version; one that this retraining has registered stays.

    Parameters
    ----------
    alias
        What it becomes: ``champion``, ``challenger``; empty: nothing.
    compared
        What the comparison with the champion said.
    key
        Of the retraining.
    before
        The version that was champion.

    Raises
    ------
    TrackingError
        If the store can't be reached.
    """
    with registry_client(uri) as client:
        experiment = experiment_in(client, EXPERIMENT)
        found = client.search_runs([experiment], f"tags.{_KEY} = '{key}'")
        run = found[0] if found else client.create_run(experiment, tags={_KEY: key}, run_name=name)
        versions = versions_of(client, name)
        number = next((str(v.version) for v in versions if v.run_id == run.info.run_id), None)
        if number is None:
            info = log_model(uri, run.info.run_id, bundle, registered_name=name)
            number = str(info.registered_model_version)
        tags = {_KEY: key, CHAMPION_BEFORE: before, "bundle_version": open_bundle(bundle).version}
        for tag, value in (tags | {"compared": compared}).items():
            client.set_model_version_tag(name, number, tag, value)
        client.set_terminated(run.info.run_id)
        if alias:  # last: whoever sees it sees all of it
            client.set_registered_model_alias(name, alias, number)
    return number


def pull_champion(uri: str, name: str, out: Path) -> None:
    """Bring a folder up to the registered champion; nothing if it is that already."""
    with registry_client(uri) as client:
        champion = version_by_alias(client, name, CHAMPION)
    if champion and not is_version(out, champion.tags.get("bundle_version", "")):
        pull(uri, name, out, overwrite=True)
