"""A Spark session from what `--master` says: Sail without Java, Spark Connect, or Spark itself."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..core.errors import ConfigError
from ..core.extras import require_extra
from ..core.spark_client import import_client, quiet_pandas

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ROWS_AT_ONCE = 64
"""Rows in an Arrow batch from Spark to Python: with photos in them, its own 10,000 are 2 GB."""
SETTINGS = {
    "spark.sql.execution.arrow.maxRecordsPerBatch": str(ROWS_AT_ONCE),
    "spark.sql.execution.arrow.pyspark.enabled": "true",
}
ACTIVE, SAIL, CONNECT = "active", "sail", "sc://"


@contextmanager
def connect(master: str) -> "Iterator[SparkSession]":
    """Open a session; what was started here ends with the block.

    Parameters
    ----------
    master
        ``sail`` (in this process, without Java), ``sc://host:port`` (Spark Connect), ``active``
        (the session that is there, as in a Databricks job), or what Spark calls a master:
        ``local[2]``, ``spark://host:port``, ``yarn``.

    Raises
    ------
    MissingExtraError
        If pyspark, or for ``sail`` pysail, isn't installed.
    ConfigError
        If this pyspark can only connect, and `master` must be started.
    """
    require_extra("spark", "Spark") if master == SAIL else require_pyspark()
    import_client()
    with quiet_pandas():
        from pyspark.sql import SparkSession

        if master == SAIL:
            yield from _on_sail()
            return
        if master == ACTIVE:
            yield _prepared(SparkSession.builder.getOrCreate())
            return
        spark = _started(master)
    try:
        yield _prepared(spark)
    finally:
        spark.stop()


def require_pyspark() -> None:
    """Make sure that there is a pyspark, be it whole or a client.

    Raises
    ------
    MissingExtraError
        If there is none.
    """
    from importlib.util import find_spec

    if find_spec("pyspark") is None:
        require_extra("spark", "Spark")


def _on_sail() -> "Iterator[SparkSession]":
    os.environ.setdefault("RUST_LOG", "error")  # it tells of every session otherwise
    from pysail.spark import SparkConnectServer
    from pyspark.sql import SparkSession

    server = SparkConnectServer("127.0.0.1", 0)
    server.start(background=True)
    host, port = server.listening_address
    spark = SparkSession.builder.remote(f"sc://{host}:{port}").create()
    try:
        yield _prepared(spark)
    finally:
        spark.stop()
        server.stop()


def _started(master: str) -> "SparkSession":
    from pyspark.sql import SparkSession
    from pyspark.util import is_remote_only

    if master.startswith(CONNECT):
        return SparkSession.builder.remote(master).create()
    if is_remote_only():
        raise ConfigError(
            f"--master {master} needs the whole of Spark, but pyspark-client is installed, which "
            'only connects. Run: pip install "pyspark>=4.0" in its place, or pass sail or sc://…'
        )
    if master.startswith("local"):  # its workers are this machine's, so this Python is theirs
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    return SparkSession.builder.master(master).appName("shelfsure").getOrCreate()


def _prepared(spark: "SparkSession") -> "SparkSession":
    for name, value in SETTINGS.items():
        spark.conf.set(name, value)
    return spark
