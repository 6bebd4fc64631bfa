"""MLflow: parameters, metrics and files of a run, in a local SQLite store unless told otherwise."""

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .errors import TrackingError

LOCAL_STORE = "sqlite:///mlflow.db"
OFF = "none"


def log_run(
    uri: str,
    *,
    experiment: str,
    name: str,
    parameters: Mapping[str, Any],
    metrics: Mapping[str, Any],
    files: Path,
) -> str:
    """Log one finished run.

    Parameters
    ----------
    uri
        An MLflow tracking URI (see `LOCAL_STORE`), or ``none``.
    parameters, metrics
        May be nested; names are joined by dots. Metrics that aren't numbers are left out.
    files
        A folder; all of it is stored with the run.

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
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param
    from mlflow.exceptions import MlflowException
    from mlflow.store.db.db_types import DATABASE_ENGINES
    from sqlalchemy import NullPool, create_engine
    from sqlalchemy.exc import SQLAlchemyError

    try:
        if uri.split(":")[0].split("+")[0] in DATABASE_ENGINES:
            # one look first: MLflow goes on trying a database that doesn't open for 100 s
            create_engine(uri, poolclass=NullPool).connect().close()
        client = MlflowClient(tracking_uri=uri)
        found = client.get_experiment_by_name(experiment)
        experiment_id = found.experiment_id if found else client.create_experiment(experiment)
        run = client.create_run(experiment_id, run_name=name)
        run_id: str = run.info.run_id
        client.log_batch(
            run_id,
            metrics=[
                Metric(key, float(value), run.info.start_time, 0)
                for key, value in flatten(metrics).items()
                if isinstance(value, int | float) and not isinstance(value, bool)
            ],
            params=[Param(key, str(value)[:500]) for key, value in flatten(parameters).items()],
        )
        client.log_artifacts(run_id, str(files))
        client.set_terminated(run_id)
    except (MlflowException, SQLAlchemyError, OSError, ImportError) as error:
        raise TrackingError(
            f"The run must be logged to the MLflow store {uri}, but: {error}. "
            f"{files} is complete without it. Check --mlflow, or pass --mlflow {OFF}."
        ) from error
    return run_id


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
