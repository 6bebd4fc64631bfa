"""Whether a whole DataFrame of verdicts has drifted, as `predict` looks at a whole file."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..pipeline.pipeline import ListingPipeline
from ..pipeline.shift import OnShift, hold
from ..pipeline.strangers import find_strangers, refuse
from ..pipeline.verdict import Shift, Verdict
from ..pipeline.verdict_file import flat_record
from .schema import batch_of, model_fields, schema_ddl
from .workers import in_blocks

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame


def find_shift(verdicts: "DataFrame", pipeline: ListingPipeline) -> Shift | None:
    """Look at the verdicts of one batch together, in the order of their ids.

    Reads 8 bytes and an id of each row to the driver.

    Parameters
    ----------
    verdicts
        What `judge` gave.
    pipeline
        The bundle that judged.
    """
    return pipeline.shift_detector().watch(_p_values(verdicts)).shift


def hold_shifted(
    verdicts: "DataFrame",
    pipeline: ListingPipeline,
    shift: Shift | None,
    on_shift: OnShift = "review",
) -> "DataFrame":
    """Do with a batch's verdicts what `ListingPipeline.predict` does with a drift.

    Parameters
    ----------
    verdicts
        What `judge` gave, flat or nested; it is read several times, so write it first.
    shift
        What `find_shift` found.
    on_shift
        As for `ListingPipeline.predict`.

    Returns
    -------
    DataFrame
        The same columns; without a drift, `verdicts` itself.
    """
    if shift is None or on_shift == "ignore":
        return verdicts
    p_values = _p_values(verdicts)
    strange = find_strangers(p_values, pipeline.config.retrieval.alpha)
    limit = p_values[strange].max() if on_shift == "review" and strange.any() else -1.0
    nested = "array" in verdicts.schema["top_k"].dataType.simpleString()
    columns = model_fields(Verdict, nested=nested)
    keep = [name for name in verdicts.columns if name not in columns]

    def held(batches: "Iterable[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
        for table in in_blocks(batches, max_rows=4096):
            rows = table.select(list(columns)).to_pylist(maps_as_pydicts="strict")
            now = hold([verdict_of(row) for row in rows], shift, on_shift)
            strange = [v.ood_p_value is not None and v.ood_p_value <= limit for v in now]
            records = [verdict.model_dump(mode="json") for verdict in refuse(now, strange)]
            if not nested:
                records = [flat_record(record) for record in records]
            yield batch_of(records, columns, table.select(keep))

    return verdicts.mapInArrow(held, schema_ddl(columns, verdicts, keep))


def verdict_of(row: Mapping[str, Any]) -> Verdict:
    """Read a verdict from a row of `judge`'s, flat or nested."""
    texts = {"listing_id", "category", "decision", "route", "model_version"}
    return Verdict.model_validate(
        {
            name: json.loads(value) if isinstance(value, str) and name not in texts else value
            for name, value in row.items()
        }
    )


def _p_values(verdicts: "DataFrame") -> "np.ndarray[Any, np.dtype[np.float64]]":
    table = verdicts.select("listing_id", "decision", "ood_p_value").toArrow()
    table = table.sort_by("listing_id")
    values = table.column("ood_p_value").to_numpy().astype(np.float64)
    return np.where(table.column("decision").to_numpy() == "rejected", np.nan, values)
