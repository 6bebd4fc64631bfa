"""From files to files, wherever Spark reads and writes; a run that was killed goes on."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import ConfigError
from ..pipeline.pipeline import ListingPipeline
from ..pipeline.shift import OnShift
from ..pipeline.verdict import Shift
from .check import check_listings
from .checkpoints import N_PARTS, Checkpoints, is_missing_path, read_like
from .duplicates import GROUP_SCHEMA, PAIR_SCHEMA, ClusterDuplicates, find_duplicates
from .embed import embed
from .judge import judge
from .photos import photos_by_id
from .prepare import FRACTIONS, PreparedListings, prepare
from .rows import RowOptions
from .shift import find_shift, hold_shifted
from .shipping import ship
from .workers import WorkerOptions

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

REJECTED = "rejected"


@dataclass(frozen=True)
class Job:
    """What every job takes.

    Parameters
    ----------
    source, out
        Parquet, as Spark names places: a path, ``dbfs:/…``, ``s3://…``.
    work
        Folder of what is finished so far; empty: ``out`` with ``.work`` behind it.
    shared_bundle
        See `ship`.
    n_parts
        A killed run does at most one of so many parts again.
    overwrite
        Replace what is in `out`.
    """

    spark: "SparkSession"
    source: str
    out: str
    rows: RowOptions
    worker: WorkerOptions
    work: str = ""
    shared_bundle: bool = False
    n_parts: int = N_PARTS
    overwrite: bool = False

    @property
    def checkpoints(self) -> Checkpoints:
        return Checkpoints(self.spark, self.work or f"{self.out.rstrip('/')}.work")

    def require_free(self) -> None:
        """Complain before the work starts.

        Raises
        ------
        ConfigError
            If there is something in `out`, and `overwrite` isn't set.
        """
        if not self.overwrite and exists(self.spark, self.out):
            raise ConfigError(
                f"{self.out} must not be there yet, but is. Pass --overwrite, or name another."
            )

    def write(self, df: "DataFrame") -> "DataFrame":
        """Write the result, and read it back."""
        df.write.mode("overwrite" if self.overwrite else "error").parquet(self.out)
        return read_like(self.spark, [self.out], df)


@dataclass(frozen=True)
class JudgedTable:
    """Verdicts that were written: how many of each decision, and whether they have drifted."""

    verdicts: "DataFrame"
    counts: dict[str, int]
    shift: Shift | None


def judge_table(
    job: Job,
    bundle: Path,
    *,
    duplicates: bool = True,
    quality: bool = True,
    nested: bool = False,
    keep: Sequence[str] = (),
    on_shift: OnShift = "review",
) -> JudgedTable:
    """Judge a table and look at the whole of it for a drift; parameters as for `judge`.

    Raises
    ------
    CatalogError, ConfigError, BundleError
        Before anything is computed, if input, output or bundle can't be used.
    """
    job.require_free()
    shipped = ship(job.spark, bundle, shared=job.shared_bundle)
    asked = {"duplicates": duplicates, "quality": quality, "nested": nested, "keep": tuple(keep)}
    options: dict[str, Any] = dict(asked)
    judged = job.checkpoints.in_parts(
        "judged",
        job.source,
        lambda df: judge(df, shipped, job.rows, job.worker, **options),
        [shipped.version, asked, asdict(job.rows), asdict(job.worker)],
        job.n_parts,
    )
    shift = None
    if on_shift != "ignore":
        pipeline = ListingPipeline.load(bundle, job.worker.run_options())
        shift = find_shift(judged, pipeline)
        judged = hold_shifted(judged, pipeline, shift, on_shift)
    written = job.write(judged)
    counted = written.groupBy("decision").count().collect()
    return JudgedTable(written, {row["decision"]: row["count"] for row in counted}, shift)


def embed_table(job: Job, bundle: Path, *, keep: Sequence[str] = ()) -> "DataFrame":
    """Embed a table; errors as for `judge_table`, the result as that of `embed`."""
    job.require_free()
    return job.write(embedded_parts(job, bundle, keep=keep))


def embedded_parts(
    job: Job, bundle: Path, *, keep: Sequence[str] = (), name: str = "embedded"
) -> "DataFrame":
    """Embed a table into the job's work folder."""
    shipped = ship(job.spark, bundle, shared=job.shared_bundle)
    return job.checkpoints.in_parts(
        name,
        job.source,
        lambda df: embed(df, shipped, job.rows, job.worker, keep=keep),
        [shipped.version, tuple(keep), asdict(job.rows), asdict(job.worker)],
        job.n_parts,
    )


def prepare_table(job: Job, *, seed: int = 0) -> PreparedListings:
    """Check a table, and write its parts as ``train``, ``validation``, ``test`` and ``rejected``.

    Raises
    ------
    CatalogError, ConfigError
        Before anything is computed, if input or output can't be used.
    """
    for part in (*FRACTIONS, REJECTED):
        replace(job, out=f"{job.out}/{part}").require_free()
    checked = job.checkpoints.in_parts(
        "checked",
        job.source,
        lambda df: check_listings(df, job.rows, job.worker),
        [asdict(job.rows), asdict(job.worker)],
        job.n_parts,
    )
    prepared = prepare(checked, job.checkpoints, seed=seed)
    for part in FRACTIONS:
        own = prepared.listings.where(f"part = '{part}'").drop("part")
        replace(job, out=f"{job.out}/{part}").write(own)
    replace(job, out=f"{job.out}/{REJECTED}").write(prepared.rejected)
    return prepared


def duplicates_table(job: Job, bundle: Path, *, against: str = "") -> ClusterDuplicates:
    """Find a table's duplicates, and write them to ``OUT/pairs`` and ``OUT/groups``.

    Parameters
    ----------
    against
        Another table: compare with its listings instead of among each other.

    Raises
    ------
    CatalogError, ConfigError, BundleError
        Before anything is computed, if input, output or bundle can't be used.
    """
    outs = {name: replace(job, out=f"{job.out}/{name}") for name in ("pairs", "groups")}
    for each in outs.values():
        each.require_free()
    embedded = embedded_parts(job, bundle)
    photos, other = photos_by_id(job.spark.read.parquet(job.source), job.rows), None
    if against:
        other = embedded_parts(replace(job, source=against), bundle, name="embedded_against")
        photos = photos.unionByName(photos_by_id(job.spark.read.parquet(against), job.rows))
        photos = photos.dropDuplicates(["listing_id", "number"])
    found = find_duplicates(embedded, photos, job.checkpoints, against=other, worker=job.worker)
    outs["pairs"].write(job.spark.createDataFrame(found.pair_rows(), PAIR_SCHEMA))
    outs["groups"].write(job.spark.createDataFrame(found.group_rows(), GROUP_SCHEMA))
    return found


def exists(spark: "SparkSession", place: str) -> bool:
    """Tell whether there is a table."""
    from pyspark.errors import PySparkException

    try:
        return bool(spark.read.parquet(place).columns)
    except PySparkException as error:
        if is_missing_path(error):
            return False
        raise
