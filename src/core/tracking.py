"""MLflow: what a run was told, found and made, in a local SQLite store unless told otherwise."""

import logging
import os
import platform
import shutil
import subprocess
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import TrackingError
from .files import sha256_of_file
from .spark_client import import_client
from .staging import held, staging

if TYPE_CHECKING:
    from mlflow import MlflowClient

LOCAL_STORE = "sqlite:///mlflow.db"
OFF = "none"
ENVIRONMENT = "environment.txt"
_PER_BATCH = {"metrics": 1000, "params": 100, "tags": 100}
"""What MLflow's REST takes at once."""

Curves = Mapping[str, Mapping[int, float]]


def log_run(
    uri: str,
    *,
    experiment: str,
    name: str,
    parameters: Mapping[str, Any],
    metrics: Mapping[str, Any],
    files: Path,
    curves: Curves | None = None,
    data: Path | None = None,
    parent: str = "",
) -> str:
    """Log one finished run; with it the versions of everything installed and the git commit.

    Parameters
    ----------
    uri
        An MLflow tracking URI (see `LOCAL_STORE`), or ``none``.
    parameters, metrics
        May be nested; names are joined by dots. Metrics that aren't numbers are left out.
    files
        A folder or a file, stored with the run.
    curves
        Metric -> step -> value, such as a loss by epoch.
    data
        The file of listings; its name and sha256 are logged, not the file.
    parent
        The id of the run that this one is part of.

    Returns
    -------
    str
        The run's id, empty if `uri` is ``none``.

    Raises
    ------
    TrackingError
        If the store can't be reached; what the run made is on disk all the same.
    """
    if uri == OFF:
        return ""
    remedy = f"{files} is complete without it. Check --mlflow, or pass --mlflow {OFF}."
    with reaching(uri, remedy):
        from mlflow import MlflowClient
        from mlflow.entities import Dataset, DatasetInput

        client = MlflowClient(tracking_uri=uri)
        experiment_id = experiment_in(client, experiment)
        run = client.create_run(experiment_id, run_name=name)
        run_id: str = run.info.run_id
        entities = _entities(parameters, metrics, curves or {}, run.info.start_time)
        entities["tags"] = _origin(data, parent)
        for kind, logged in entities.items():
            rest = iter(logged)
            while batch := list(islice(rest, _PER_BATCH[kind])):
                client.log_batch(run_id, **{kind: batch})
        if data is not None:
            digest = sha256_of_file(data)[:12]
            dataset = Dataset(data.name, digest, source_type="local", source=str(data))
            client.log_inputs(run_id, datasets=[DatasetInput(dataset)])
        client.log_text(run_id, environment(), ENVIRONMENT)
        if files.is_dir():
            client.log_artifacts(run_id, str(files))
        else:
            client.log_artifact(run_id, str(files))
        client.set_terminated(run_id)
    return run_id


def experiment_in(client: "MlflowClient", name: str) -> str:
    """Find an experiment, or make it; another process may do so at the same time."""
    from mlflow.exceptions import MlflowException

    if found := client.get_experiment_by_name(name):
        return str(found.experiment_id)
    try:
        return str(client.create_experiment(name))
    except MlflowException:
        if found := client.get_experiment_by_name(name):
            return str(found.experiment_id)
        raise


@contextmanager
def reaching(uri: str, remedy: str) -> Iterator[None]:
    """Let MLflow fail soon and quietly, and say what to do as a TrackingError."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
    warnings.filterwarnings("ignore", ".*type hint is inferred as AnyType", UserWarning)
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    import_client()  # MLflow asks pyspark for a session
    from mlflow.exceptions import MlflowException
    from mlflow.store.db.db_types import DATABASE_ENGINES
    from sqlalchemy import NullPool, create_engine
    from sqlalchemy.exc import SQLAlchemyError

    try:
        if uri.split(":")[0].split("+")[0] in DATABASE_ENGINES:
            # one look first: MLflow goes on trying a database that doesn't open for 100 s
            create_engine(uri, poolclass=NullPool).connect().close()
        _make_tables(uri)
        yield
    except (MlflowException, SQLAlchemyError, OSError, ImportError) as error:
        raise TrackingError(f"This needs the MLflow store {uri}, but: {error}. {remedy}") from error


def _make_tables(uri: str) -> None:
    """Let one process at a time make a local store's tables: MLflow's would trip over each other.

    A store appears with all of them: one whose making was stopped could never be opened again.
    Where a store has them, this takes no time that counts.
    """
    from mlflow import MlflowClient
    from sqlalchemy import make_url

    said = make_url(uri) if uri.startswith("sqlite:///") else None
    if said is None or said.database in {None, "", ":memory:"}:
        return
    place = Path(str(said.database)).absolute()
    with held(place.parent):
        if place.is_file() and place.stat().st_size:
            MlflowClient(tracking_uri=uri).search_experiments(max_results=1)
            return
        with staging(place) as folder:
            made, whole = folder / place.name, folder / "whole"
            fresh = said.set(database=str(made)).render_as_string(hide_password=False)
            MlflowClient(tracking_uri=fresh).search_experiments(max_results=1)
            shutil.copyfile(made, whole)  # MLflow keeps the other one open
            whole.replace(place)


def environment() -> str:
    """List Python, the platform and every installed package, as pip writes requirements."""
    from importlib.metadata import distributions

    packages = sorted({f"{d.name}=={d.version}" for d in distributions()}, key=str.casefold)
    head = [f"# Python {platform.python_version()}, {platform.platform()}, {os.cpu_count()} CPUs"]
    return "\n".join([*head, *packages, ""])


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Join nested names by dots.

    >>> flatten({"arms": {"fusion": {"top1": 0.9}}})
    {'arms.fusion.top1': 0.9}
    """
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _entities(
    parameters: Mapping[str, Any], metrics: Mapping[str, Any], curves: Curves, now: int
) -> dict[str, list[Any]]:
    """Put a run's values into MLflow's classes, under the names that `log_batch` takes."""
    from mlflow.entities import Metric, Param

    points = [
        (key, value, 0)
        for key, value in flatten(metrics).items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    ]
    points += [(key, curve[step], step) for key, curve in curves.items() for step in curve]
    return {
        "metrics": [Metric(key, float(value), now, step) for key, value, step in points],
        "params": [Param(key, str(value)[:500]) for key, value in flatten(parameters).items()],
    }


def _origin(data: Path | None, parent: str) -> list[Any]:
    """Say where a run comes from, under the names that MLflow's pages know."""
    from importlib.metadata import version

    from mlflow.entities import RunTag

    tags = {
        "mlflow.source.name": "shelfsure",
        "mlflow.source.git.commit": git_commit(),
        "mlflow.parentRunId": parent,
        "shelfsure_version": version("shelfsure"),
        "python_version": platform.python_version(),
        "data_sha256": sha256_of_file(data) if data else "",
    }
    return [RunTag(key, value) for key, value in tags.items() if value]


def git_commit() -> str:
    """Name the commit of the folder that the run was started in; empty outside of a repository."""
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"],  # noqa: S607 - whichever git the user has
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
