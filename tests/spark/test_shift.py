"""A table that has drifted is held as a file is; and what its verdicts say survives the way."""

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from shelfsure.pipeline.pipeline import ListingPipeline
from shelfsure.pipeline.shift import OnShift, ShiftDetector
from shelfsure.pipeline.verdict import Guess, Verdict
from shelfsure.pipeline.verdict_file import flat_record
from shelfsure.spark.schema import batch_of, model_fields
from shelfsure.spark.shift import find_shift, hold_shifted, verdict_of

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

ALPHA = 0.05


class Pipeline(SimpleNamespace):
    """As much of a pipeline as a whole batch is judged by."""

    as_batch = ListingPipeline.as_batch
    config = SimpleNamespace(retrieval=SimpleNamespace(alpha=ALPHA))

    def shift_detector(self) -> ShiftDetector:
        return ShiftDetector(10_000, ALPHA)


PIPELINE: Any = Pipeline()


def verdicts(p_values: Any) -> list[Verdict]:
    sure = Guess(category="A > B", probability=0.9)
    rows = [
        Verdict(
            listing_id=f"{number:03d}",
            decision="accept" if number % 2 else "review",
            category="A > B",
            probability=0.9,
            route="fusion",
            top_k=(sure,),
            views={"title": sure},
            ood_p_value=float(p),
            reasons=("Because.",),
        )
        for number, p in enumerate(p_values)
    ]
    return [*rows, Verdict.rejected("999", "broken", "v")]


def table(spark: "SparkSession", said: list[Verdict], *, nested: bool) -> "DataFrame":
    import pyarrow as pa

    records = [verdict.model_dump(mode="json") for verdict in said]
    records = records if nested else [flat_record(record) for record in records]
    batch = batch_of(records, model_fields(Verdict, nested=nested))
    return spark.createDataFrame(pa.Table.from_batches([batch])).repartition(3)


@pytest.mark.parametrize("nested", [True, False])
@pytest.mark.parametrize("on_shift", ["review", "warn", "ignore"])
def test_hold_shifted_does_what_predict_does(
    spark: "SparkSession", nested: bool, on_shift: OnShift, rng: np.random.Generator
) -> None:
    said = verdicts(rng.uniform(0.03, 0.4, 200))
    df = table(spark, said, nested=nested)
    shift = find_shift(df, PIPELINE)
    assert shift is not None
    rows = hold_shifted(df, PIPELINE, shift, on_shift).toArrow().to_pylist(maps_as_pydicts="strict")
    found = sorted(map(verdict_of, rows), key=lambda verdict: verdict.listing_id)
    assert found == PIPELINE.as_batch(said, on_shift)
    assert any(a != b for a, b in zip(found, said, strict=True)) == (on_shift != "ignore")


def test_strangers_together_are_refused(spark: "SparkSession") -> None:
    said = verdicts(np.full(100, 0.06))
    df = table(spark, said, nested=False)
    held = hold_shifted(df, PIPELINE, find_shift(df, PIPELINE))
    decisions = {
        row["decision"]: row["count"] for row in held.groupBy("decision").count().collect()
    }
    expected = PIPELINE.as_batch(said, "review")
    assert decisions == {"out_of_catalogue": 100, "rejected": 1}
    assert sum(verdict.decision == "out_of_catalogue" for verdict in expected) == 100


def test_what_hasnt_drifted_stays(spark: "SparkSession", rng: np.random.Generator) -> None:
    df = table(spark, verdicts(rng.uniform(0, 1, 200)), nested=False)
    assert find_shift(df, PIPELINE) is None
    assert hold_shifted(df, PIPELINE, None) is df


def test_a_real_bundle_can_be_asked(spark: "SparkSession", bundle: Path) -> None:
    pipeline = ListingPipeline.load(bundle)
    assert find_shift(table(spark, verdicts([0.5]), nested=False), pipeline) is None
