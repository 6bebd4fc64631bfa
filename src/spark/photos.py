"""Photos that lie in a folder, joined to the rows that name them: `binaryFile` reads them."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
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
