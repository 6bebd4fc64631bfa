"""The model registry: which bundle is the champion, and when a challenger may take its place.

Bundles are versions of a registered MLflow model; the aliases ``champion`` and ``challenger`` say
which is which.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..catalog.catalog import Catalog
from ..core.errors import ConfigError
from ..core.scratch import scratch_folder
from ..core.tracking import LOCAL_STORE, OFF, experiment_in, reaching
from ..pipeline.bundle import Bundle, copy_bundle
from ..pipeline.pipeline import ListingPipeline
from .mlflow_model import bundle_in, log_bundle
from .paired_comparison import Comparison, compare_pipelines
from .robustness.gate import newly_broken

if TYPE_CHECKING:
    from mlflow import MlflowClient

CHAMPION, CHALLENGER = "champion", "challenger"
CHAMPION_BEFORE = "champion_before"
"""A version's tag: which one was the champion when it took over."""
EXPERIMENT = "shelfsure-registry"
_NOT_IN_NAMES = {*'/:?"'}
"""What MLflow takes for something else in a name; with a double quote nothing can be found."""
_REMEDY = "Check --mlflow, and that the store answers."


@dataclass(frozen=True)
class Promotion:
    """What became of a challenger; `comparison` is None for the first version of a model.

    `newly_broken` names the conditions under which it breaks its promise and the champion doesn't.
    """

    version: str
    promoted: bool
    comparison: Comparison | None
    newly_broken: tuple[str, ...] = ()


@dataclass(frozen=True)
class RegisteredVersion:
    """A line of `registered`."""

    name: str
    version: str
    aliases: tuple[str, ...]
    bundle_version: str
    compared: str


def promote(
    uri: str,
    name: str,
    bundle: Path,
    *,
    challenger: ListingPipeline,
    against: Catalog | None,
    run_id: str = "",
    robustness: bool = False,
) -> Promotion:
    """Register a bundle; make it champion if the comparison with the champion excludes a loss.

    The first version of a model becomes champion without a comparison.

    Parameters
    ----------
    challenger
        `bundle`, loaded; the champion is loaded with its options.
    against
        Listings that neither has seen; None if there is no champion yet.
    run_id
        The training's run; a new one if empty.
    robustness
        Also ask that the promise breaks under no condition under which the champion keeps it.

    Raises
    ------
    ConfigError
        If there is a champion, but nothing to compare on; or the name can't be one.
    TrackingError
        If the store can't be reached.
    """
    check_registry(uri, name)
    with registry_client(uri) as client:
        champion = version_by_alias(client, name, CHAMPION)
        comparison, broken = None, tuple[str, ...]()
        if champion is not None:
            if against is None:
                raise ConfigError(
                    f"{name} has a champion, version {champion.version}, so a challenger needs "
                    "listings that neither has seen. Pass --against TEST.csv."
                )
            with downloaded(uri, f"models:/{name}@{CHAMPION}") as place:
                old = ListingPipeline.load(place, challenger.embedder.options)
                comparison = compare_pipelines(challenger, old, against)
                if robustness and comparison.excludes_loss:
                    broken = newly_broken(challenger, old, against)
        if not run_id:
            experiment_id = experiment_in(client, EXPERIMENT)
            run_id = client.create_run(experiment_id, run_name=name).info.run_id
        info = log_model(uri, run_id, bundle, registered_name=name)
        version = str(info.registered_model_version)
        client.set_model_version_tag(name, version, "bundle_version", challenger.version)
        if comparison is not None:
            told = f"; breaks its promise: {', '.join(broken)}" if broken else ""
            client.set_model_version_tag(name, version, "compared", f"{comparison}{told}")
        promoted = comparison is None or (comparison.excludes_loss and not broken)
        if promoted and champion is not None:
            client.set_model_version_tag(name, version, CHAMPION_BEFORE, str(champion.version))
        client.set_registered_model_alias(name, CHAMPION if promoted else CHALLENGER, version)
    return Promotion(version, promoted, comparison, broken)


def rollback(uri: str, name: str) -> tuple[str, str]:
    """Make the version champion again that was it before the one of now took over.

    Doing so again goes back further.

    Returns
    -------
    str, str
        The version that was the champion, and the one that is now.

    Raises
    ------
    ConfigError
        If there is no champion, or none before it is known or there any more.
    TrackingError
        If the store can't be reached.
    """
    with registry_client(uri) as client:
        champion = version_by_alias(client, name, CHAMPION)
        if champion is None:
            raise ConfigError(
                f"No version of {name} is the champion. See `shelfsure registry list`."
            )
        before = champion.tags.get(CHAMPION_BEFORE)
        there = {str(each.version) for each in versions_of(client, name)}
        if before not in there:
            known = f"version {before} is gone" if before else "none was noted"
            raise ConfigError(
                f"A roll-back needs the champion before version {champion.version} of {name}, but "
                f"{known}. Promote the bundle that you want with `shelfsure registry promote`."
            )
        client.set_registered_model_alias(name, CHAMPION, before)
    return str(champion.version), str(before)


def pull(
    uri: str, name: str, out: Path, *, alias: str = CHAMPION, overwrite: bool = False
) -> Bundle:
    """Fetch a registered bundle and verify it; none of the model's code is run.

    Raises
    ------
    ConfigError
        If no version of `name` has that alias.
    BundleError
        If what comes isn't a whole bundle, or `out` is taken.
    """
    with registry_client(uri) as client:
        if version_by_alias(client, name, alias) is None:
            raise ConfigError(
                f"No version of {name} is the {alias}. See `shelfsure registry list`, or name "
                "another --alias."
            )
        with downloaded(uri, f"models:/{name}@{alias}") as place:
            return copy_bundle(place, out, overwrite=overwrite)


def registered(uri: str) -> list[RegisteredVersion]:
    """List every version of every registered bundle, the newest of each name first."""
    with registry_client(uri) as client:
        found = []
        for model in client.search_registered_models():
            for version in versions_of(client, model.name):
                own, tags = str(version.version), version.tags
                aliases = tuple(sorted(a for a, held in model.aliases.items() if str(held) == own))
                told = (tags.get("bundle_version", ""), tags.get("compared", ""))
                found.append(RegisteredVersion(model.name, own, aliases, *told))
    return sorted(found, key=lambda v: (v.name, -int(v.version)))


def log_model(uri: str, run_id: str, bundle: Path, *, registered_name: str | None = None) -> Any:
    """Log a bundle as a pyfunc model to a run; see `mlflow_model.log_bundle`."""
    with reaching(uri, _REMEDY), _using(uri):
        import mlflow

        with mlflow.start_run(run_id=run_id):
            return log_bundle(bundle, registered_name=registered_name)


@contextmanager
def _using(uri: str) -> Iterator[None]:
    """Make a store MLflow's own for a while: its functions around models know no other way."""
    import mlflow

    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(uri)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(before)


def check_registry(uri: str, name: str) -> None:
    """Refuse, before any work, a store or a name under which nothing can be registered.

    Raises
    ------
    ConfigError
        With what is wrong.
    """
    if uri in {"", OFF}:
        raise ConfigError(
            f"A registry is needed, but --mlflow is {uri!r}. Pass an MLflow URI, as {LOCAL_STORE}."
        )
    if not name.strip() or set(name) & _NOT_IN_NAMES or not name.isprintable():
        raise ConfigError(
            "A name in the registry must be text without "
            f"{' '.join(sorted(_NOT_IN_NAMES))} , got {name!r}. Name another."
        )


def versions_of(client: "MlflowClient", name: str) -> list[Any]:
    """List a model's versions, whatever quotes are in its name."""
    quote = '"' if "'" in name else "'"
    return list(client.search_model_versions(f"name = {quote}{name}{quote}"))


@contextmanager
def registry_client(uri: str) -> "Iterator[MlflowClient]":
    """Open the store; what goes wrong in it is a TrackingError."""
    from mlflow import MlflowClient

    with reaching(uri, _REMEDY):
        yield MlflowClient(tracking_uri=uri)


def version_by_alias(client: "MlflowClient", name: str, alias: str) -> Any:
    """Find a version, or None."""
    from mlflow.exceptions import MlflowException

    try:
        return client.get_model_version_by_alias(name, alias)
    except MlflowException as error:
        if error.error_code in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
            return None
        raise


@contextmanager
def downloaded(uri: str, model: str) -> Iterator[Path]:
    """Fetch a version's files for a while; yields its bundle's folder.

    Parameters
    ----------
    model
        As MLflow names it: ``models:/shop@champion``, ``models:/shop/3``.
    """
    from mlflow.artifacts import download_artifacts

    with scratch_folder() as scratch:
        with _using(uri):
            fetched = download_artifacts(artifact_uri=model, dst_path=str(scratch))
        yield bundle_in(Path(fetched))
