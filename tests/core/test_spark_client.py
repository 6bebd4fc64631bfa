import subprocess
import sys

import pytest

pytest.importorskip("pyspark")

WITHOUT_A_FILE = """
import sys
from shelfsure.core.spark_client import import_client

import_client()
assert not hasattr(sys, "ps1")
from pyspark.sql.connect.session import SparkSession
print(SparkSession.getActiveSession())
"""


def test_import_client_works_in_a_program_without_a_file() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", WITHOUT_A_FILE], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "None\n", "")
