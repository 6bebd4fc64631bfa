"""Photos beside the rows that name them, and by the ids of these."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..catalog.listing import Listing, UnusablePhoto, main_photo_number, photo_number
from .rows import RowOptions, reader_of, wanted_columns
from .schema import batch_of, ddl
from .workers import in_blocks

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame


def with_photos(df: "DataFrame", folder: str, column: str = "image") -> "DataFrame":
    """Put the bytes of each row's photo beside its path.

    For stores that workers can't open as files, such as ``s3://…``; where they can (a Databricks
    volume), ``image_root`` reads photos where they are needed, without a shuffle of all of them.

    Parameters
    ----------
    folder
        Where the photos lie, subfolders too.
    column
        Names a photo by its path below `folder`.

    Returns
    -------
    DataFrame
        `df` with `column` as a struct of ``bytes`` and ``path``, which is how photos may be given
        everywhere; ``bytes`` are null where there is no such file, and such a row is rejected.
    """
    from pyspark.sql import functions as sf

    tail = folder.rstrip("/").rpartition("://")[2] + "/"
    files = (
        df.sparkSession.read.format("binaryFile")
        .option("recursiveFileLookup", "true")
        .load(folder)
        .select(
            sf.expr(f"substring(path, instr(path, '{tail}') + {len(tail)})").alias("_photo"),
            sf.col("content").alias("_bytes"),
        )
    )
    joined = df.join(files, sf.ltrim(sf.col(column)) == sf.col("_photo"), "left")
    photo = sf.struct(sf.col("_bytes").alias("bytes"), sf.col(column).alias("path"))
    both = joined.withColumn(column, sf.when(sf.col(column).isNotNull(), photo))
    return both.drop("_photo", "_bytes")


def photos_by_id(df: "DataFrame", rows: RowOptions | None = None) -> "DataFrame":
    """Give every photo of the usable rows.

    Returns
    -------
    DataFrame
        ``listing_id``, the photo's ``number`` among those of its listing, and ``image`` (bytes) or
        ``image_path``.
    """
    import pyarrow as pa

    reader = reader_of(df, rows or RowOptions())
    columns = {
        "listing_id": pa.string(),
        "number": pa.int32(),
        "image": pa.binary(),
        "image_path": pa.string(),
    }

    def photos(batches: "Iterable[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
        for table in in_blocks(batches):
            records = [
                {
                    "listing_id": one.listing_id,
                    "number": number,
                    "image": image if isinstance(image, bytes) else None,
                    "image_path": None if isinstance(image, bytes) else str(image),
                }
                for one in reader.catalog(table).listings
                for number, image in _photos(one)
            ]
            yield batch_of(records, columns)

    types = ", ".join(f"{name} {ddl(kind)}" for name, kind in columns.items())
    return wanted_columns(df, reader, ()).mapInArrow(photos, types)


def _photos(listing: Listing) -> Iterator[tuple[int, str | Path | bytes]]:
    """Give a listing's photos that may be looked at, each with its number."""
    if listing.image is not None:
        yield main_photo_number(listing), listing.image
    for place, image in enumerate(listing.more_images):
        if not isinstance(image, UnusablePhoto):
            yield photo_number(listing, place), image
