"""Spark Connect's client, imported quietly and in programs of any kind."""

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec


@contextmanager
def quiet_pandas() -> Iterator[None]:
    """Keep pyspark from warning of pandas 3: data goes to it and comes from it as Arrow tables."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="PySpark does not yet fully support pandas")
        yield


def import_client() -> None:
    """Import the client, where it is installed, into a program that has no file (`python -c`).

    There the import, which MLflow too does for its own sake, takes itself to be in pyspark's own
    doctests, misses Spark's folder and ends the process. A prompt tells it apart. Programs that
    have a file need nothing.
    """
    main = sys.modules["__main__"]
    if main.__spec__ is not None or hasattr(main, "__file__") or hasattr(sys, "ps1"):
        return
    if find_spec("pyspark") is None or find_spec("grpc") is None:
        return
    sys.ps1 = ">>> "
    try:
        with quiet_pandas():
            import pyspark.sql.connect.session  # noqa: F401
    finally:
        del sys.ps1
