"""Judge a DataFrame of listings: one load a worker, blocks of bounded size, a verdict a row."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.errors import ConfigError
from ..pipeline.batch import judge as judge_catalog
from ..pipeline.verdict import Verdict
from ..pipeline.verdict_file import flat_record
from .rows import RowOptions, reader_of, wanted_columns
from .schema import arrow_type, batch_of, model_fields, schema_ddl
from .shipping import ShippedBundle, ship
from .workers import WorkerOptions, in_blocks, loaded

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame


def judge(
    df: "DataFrame",
    bundle: str | Path | ShippedBundle,
    rows: RowOptions | None = None,
    worker: WorkerOptions | None = None,
    *,
    duplicates: bool = True,
    quality: bool = True,
    nested: bool = False,
    keep: Sequence[str] = (),
) -> "DataFrame":
    """Judge each row by itself; one that can't be read gets the decision ``rejected``.

    Nothing is computed before somebody asks for rows. Whether the listings as a whole have drifted
    isn't looked at here, see `hold_shifted`; and rows that share an id are all judged, see
    `prepare`.

    Parameters
    ----------
    df
        Columns as in a catalogue's file; photos are bytes, or paths below ``rows.image_root``.
    bundle
        A folder that is sent to the workers, or what `ship` gave.
    duplicates, quality
        As for `ListingPipeline.predict`.
    nested
        Give fields with parts, such as ``top_k``, as structs, arrays and maps; else as JSON, as
        ``shelfsure predict`` writes them.
    keep
        Columns of `df` that stand beside the verdict.

    Returns
    -------
    DataFrame
        The fields of `Verdict`, ``title``, and `keep`.

    Raises
    ------
    CatalogError
        If a column is missing.
    BundleError
        If the bundle can't be used.
    """
    columns = {**model_fields(Verdict, nested=nested), "title": arrow_type(str, nested=nested)}
    clash = [name for name in keep if name in columns]
    if clash:
        raise ConfigError(
            f"Columns to keep must not be named as a verdict's are, but {', '.join(clash)} is. "
            "Rename it."
        )
    if not isinstance(bundle, ShippedBundle):
        bundle = ship(df.sparkSession, Path(bundle))
    shipped, options = bundle, worker or WorkerOptions()
    reader = reader_of(df, rows or RowOptions())

    def verdicts(batches: "Iterable[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
        for table in in_blocks(batches):
            catalog = reader.catalog(table)
            with loaded(shipped, options) as pipeline:
                judged = judge_catalog(
                    pipeline, catalog, duplicates=duplicates, quality=quality, on_shift="ignore"
                )
            titles = dict(zip(catalog.rows, (one.title for one in catalog.listings), strict=True))
            records = [
                {**verdict.model_dump(mode="json"), "title": titles.get(row)}
                for row, verdict in judged
            ]
            if not nested:
                records = [flat_record(record) for record in records]
            yield batch_of(records, columns, table.select(keep))

    asked = wanted_columns(df, reader, keep)
    return asked.mapInArrow(verdicts, schema_ddl(columns, asked, keep))
