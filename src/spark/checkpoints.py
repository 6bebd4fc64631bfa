"""Work that is kept by parts, so that what was killed goes on where it was.

A part is some of the input's files. It is written whole by one job, and then a mark says so; what
has no mark is written anew. All of it goes through Spark, so it lies wherever Spark can write.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..core.errors import CatalogError, ConfigError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

N_PARTS = 32
PARTS, MARKS = "parts", "marks"
MISSING = ("path_not_found", "unable_to_infer_schema", "does not exist", "no files found")
"""What Spark, or Sail, says where there is no file."""


@dataclass(frozen=True)
class Checkpoints:
    """A folder of what was computed.

    Parameters
    ----------
    folder
        As Spark has it: a path, ``dbfs:/…``, ``s3://…``.
    """

    spark: "SparkSession"
    folder: str

    def in_parts(
        self,
        name: str,
        source: str,
        work: "Callable[[DataFrame], DataFrame]",
        settings: Any,
        n_parts: int = N_PARTS,
    ) -> "DataFrame":
        """Compute a step row by row, part by part; parts that are there already are left alone.

        Parameters
        ----------
        source
            A Parquet file or folder. Its files are dealt out to at most `n_parts` parts; a single
            file is one part.
        work
            Rows in, rows out, each by itself.
        settings
            All that the result depends on besides the files, as JSON can hold it.

        Raises
        ------
        ConfigError
            If the folder holds the same step of other files or settings.
        """
        files = input_files(self.spark, source)
        n_parts = min(n_parts, len(files))
        key = _key(files, settings, n_parts)
        done = self._done(name, key)
        for part in range(n_parts):
            if part in done:
                continue
            rows = self.spark.read.parquet(*files[part::n_parts])
            work(rows).write.mode("overwrite").parquet(self._place(name, PARTS, part))
            self._mark(name, part, key)
        places = [self._place(name, PARTS, part) for part in range(n_parts)]
        return read_like(self.spark, places, work(self.spark.read.parquet(*files)))

    def whole(self, name: str, df: "DataFrame", settings: Any) -> "DataFrame":
        """Compute a step as one part; not at all if it is there."""
        key = _key([], settings, 1)
        if 0 not in self._done(name, key):
            df.write.mode("overwrite").parquet(self._place(name, PARTS, 0))
            self._mark(name, 0, key)
        return read_like(self.spark, [self._place(name, PARTS, 0)], df)

    def _place(self, name: str, kind: str, part: int) -> str:
        return f"{self.folder}/{name}/{kind}/{part:05d}"

    def _mark(self, name: str, part: int, key: str) -> None:
        mark = self.spark.createDataFrame([(part, key)], "part int, key string")
        mark.coalesce(1).write.mode("overwrite").parquet(self._place(name, MARKS, part))

    def _done(self, name: str, key: str) -> set[int]:
        from pyspark.errors import PySparkException

        marks = f"{self.folder}/{name}/{MARKS}/*"
        try:
            found = self.spark.read.parquet(marks).collect()
        except PySparkException as error:
            if is_missing_path(error):
                return set()
            raise
        if any(row["key"] != key for row in found):
            raise ConfigError(
                f"{self.folder} must hold {name} of the same files, bundle and options, but holds "
                "another. Name another --work folder, or remove this one."
            )
        return {row["part"] for row in found}


def read_like(spark: "SparkSession", places: list[str], written: "DataFrame") -> "DataFrame":
    """Read what was written, which may have left no file to say its columns if it has no rows."""
    return spark.read.schema(written.schema).parquet(*places)


def input_files(spark: "SparkSession", source: str) -> list[str]:
    """List a table's files, in order.

    Raises
    ------
    CatalogError
        If there are none.
    """
    from pyspark.errors import PySparkException

    try:
        files = sorted(spark.read.parquet(source).inputFiles())
    except PySparkException as error:
        if not is_missing_path(error):
            raise
        files = []
    if not files:
        raise CatalogError(
            f"{source}: must be a Parquet file or a folder of such, but holds none. Check the path."
        )
    return files


def is_missing_path(error: Exception) -> bool:
    """Tell whether an error says that there is no file."""
    said = str(error).lower()
    return any(words in said for words in MISSING)


def _key(files: list[str], settings: Any, n_parts: int) -> str:
    told = json.dumps([files, settings, n_parts], sort_keys=True, default=str)
    return hashlib.sha256(told.encode()).hexdigest()
