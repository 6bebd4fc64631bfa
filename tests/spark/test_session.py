"""Sessions: what each kind of master needs, and that nothing of Spark is imported without need."""

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import shelfsure.core.extras as extras
from shelfsure.core.errors import ConfigError, MissingExtraError
from shelfsure.spark.session import connect

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def test_sessions_are_set_for_photos(spark: "SparkSession") -> None:
    assert spark.conf.get("spark.sql.execution.arrow.maxRecordsPerBatch") == "64"


def test_a_client_says_that_it_can_only_connect() -> None:
    from pyspark.util import is_remote_only

    if not is_remote_only():
        pytest.skip("the whole of pyspark is installed here")
    with pytest.raises(ConfigError, match=r"--master local\[2\] needs the whole of Spark"):
        connect("local[2]").__enter__()


def test_without_the_extra_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"Spark needs pyspark and pysail.*\[spark\]"):
        connect("sail").__enter__()


def test_modules_import_nothing_of_spark() -> None:
    code = (
        "import sys, shelfsure.spark.jobs, shelfsure.spark.session, shelfsure.cli.main;"
        "assert not {'pyspark', 'pysail'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
