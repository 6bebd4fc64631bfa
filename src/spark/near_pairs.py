"""Nearest neighbours among a DataFrame's vectors, cell by cell, and how many of them are found.

Every vector lives in the cell of its nearest centre and visits the next nearest ones'; within a
cell all who live there are compared with everyone, exactly (`retrieval.index.cells`). Planted
copies of known cosine go along through the same cells, and how many find their originals is told.
"""

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.arrays import Floats
from ..retrieval.index.cells import N_VISITED, Cells, cells_for, join_cell, train_cells
from ..retrieval.index.recall import planted_copies
from ..retrieval.index.self_join import COPY_COSINES, Recall
from .checkpoints import Checkpoints
from .schema import ddl

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

MAX_SAMPLE = 1 << 18
N_COPIES = 3000
MAX_RESIDENTS = 8192
"""Who live in a cell, at most, in one piece; a larger cell is dealt out to several tasks."""
HOME, VISITOR, COPY = "=", "~", "+"
"""What a key begins with while cells are joined."""
_SEED = 20_261_130


@dataclass(frozen=True)
class NearPairs:
    """Who is near whom.

    Parameters
    ----------
    pairs
        ``a``, ``b``, ``similarity`` (cosine), each pair once; the smaller key, or the visitor's,
        is ``a``.
    recall
        Of planted copies, a third each at cosine .6, .7 and .8: those that found their originals.
    """

    pairs: "DataFrame"
    recall: Recall
    n_cells: int


def near_pairs(
    home: "DataFrame",
    visitors: "DataFrame | None" = None,
    *,
    k: int,
    min_similarity: float,
    checkpoints: Checkpoints,
    name: str,
    n_visited: int = N_VISITED,
) -> NearPairs:
    """Find the `k` nearest of each vector among those of `home`.

    Parameters
    ----------
    home, visitors
        ``key`` (text, unique) and ``vector`` (float32, unit length). Without `visitors`, those at
        home are compared with each other.
    min_similarity
        Cosine below which a pair is left out.
    checkpoints, name
        Where what is found between is kept.
    n_visited
        Cells in which each vector is compared, its home among them.
    """
    from pyspark.sql import Window
    from pyspark.sql import functions as sf

    n_vectors = home.count()
    n_cells = cells_for(n_vectors)
    keys, drawn = _sample(home, min(16 * n_cells, MAX_SAMPLE))
    if not len(drawn):
        none = home.sparkSession.createDataFrame([], "a string, b string, similarity float")
        return NearPairs(none, Recall.of(1.0, 0), 0)
    cells = train_cells(drawn, n_cells)
    rows = _keyed(home, HOME)
    if visitors is not None:
        rows = rows.unionByName(_keyed(visitors, VISITOR))
    copies = _copies(home.sparkSession, keys[:N_COPIES], drawn[:N_COPIES])
    visits = checkpoints.whole(
        f"{name}_visits",
        _visits(rows.unionByName(copies), cells, n_visited, alone=visitors is None),
        [n_vectors, n_visited, visitors is None],
    )
    # a copy may take a place among the nearest of its original
    found = (
        _dealt_out(visits)
        .groupBy("cell", "slice")
        .applyInArrow(_joiner(k + 1, min_similarity), "a string, b string, similarity float")
    )
    asker = HOME if visitors is None else VISITOR
    found = found.where(
        sf.substring("a", 1, 1).isin(asker, COPY) & (sf.substring("b", 1, 1) == HOME)
    )
    found = found.where("substring(a, 2) != substring(b, 2) or substring(a, 1, 1) = '+'")
    best = found.groupBy("a", "b").agg(sf.max("similarity").alias("similarity"))
    nearest = Window.partitionBy("a").orderBy(sf.desc("similarity"), "b")
    ranked = best.withColumn("rank", sf.row_number().over(nearest)).where(f"rank <= {k}")
    near = checkpoints.whole(f"{name}_near", ranked.drop("rank"), [k, min_similarity])
    is_copy = sf.substring("a", 1, 1) == COPY
    hits = near.where(is_copy & (sf.expr("substring(a, 2) = substring(b, 2)"))).count()
    n_copies = min(len(keys), N_COPIES)
    plain = near.where(~is_copy).selectExpr(
        "substring(a, 2) as a", "substring(b, 2) as b", "similarity"
    )
    if visitors is None:
        plain = (
            plain.selectExpr("least(a, b) as a", "greatest(a, b) as b", "similarity")
            .groupBy("a", "b")
            .agg(sf.max("similarity").alias("similarity"))
        )
    return NearPairs(plain, Recall.of(hits / n_copies, n_copies), len(cells))


def vectors_of(column: "pa.ChunkedArray") -> Floats:
    """Take a column of lists of numbers as an array, shape ``(n, d)``."""
    flat = np.concatenate([chunk.flatten().to_numpy() for chunk in column.chunks])
    return np.asarray(flat.reshape(len(column), -1), dtype=np.float32)


def _sample(home: "DataFrame", n: int) -> tuple[list[str], Floats]:
    """Draw by a hash of the keys: the same ones on every engine."""
    from pyspark.sql import functions as sf

    table = home.select("key", "vector").orderBy(sf.sha2("key", 256)).limit(n).toArrow()
    if not table.num_rows:
        return [], np.zeros((0, 1), dtype=np.float32)
    return table.column("key").to_pylist(), vectors_of(table.column("vector"))


def _keyed(df: "DataFrame", mark: str) -> "DataFrame":
    from pyspark.sql import functions as sf

    return df.select(sf.concat(sf.lit(mark), sf.col("key")).alias("key"), "vector")


def _copies(spark: "SparkSession", keys: list[str], originals: Floats) -> "DataFrame":
    rng = np.random.default_rng(_SEED)
    rows: list[tuple[str, list[float]]] = []
    for place, cosine in enumerate(COPY_COSINES):
        own = slice(place, None, len(COPY_COSINES))
        copies = planted_copies(originals[own], cosine, rng)
        rows += [(COPY + key, row.tolist()) for key, row in zip(keys[own], copies, strict=True)]
    return spark.createDataFrame(rows, "key string, vector array<float>")


def _visits(rows: "DataFrame", cells: Cells, n_visited: int, *, alone: bool) -> "DataFrame":
    """Give each vector a row for each cell that it is compared in."""
    columns = _visit_columns()

    def visit(batches: "Iterable[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
        import pyarrow as pa

        for batch in batches:
            if not batch.num_rows:
                continue
            table = pa.Table.from_batches([batch])
            keys = np.array(table.column("key").to_pylist(), dtype=object)
            vectors = vectors_of(table.column("vector"))
            visited = cells.nearest(vectors, n_visited)
            lives = np.array([key[0] == HOME for key in keys])
            is_home = np.zeros(visited.shape, dtype=bool)
            is_home[:, 0] = lives
            # among visitors of their own, those at home stay there
            wanted = np.ones(visited.shape, dtype=bool) if alone else is_home | ~lives[:, None]
            who, rank = np.nonzero(wanted)
            draw = np.array([zlib.crc32(key.encode("utf-8", "replace")) for key in keys])
            yield pa.RecordBatch.from_pydict(
                {
                    "cell": pa.array(visited[who, rank].astype(np.int64)),
                    "home": pa.array(is_home[who, rank]),
                    "key": pa.array(keys[who].tolist(), pa.string()),
                    "draw": pa.array(draw[who].astype(np.int64)),
                    "vector": pa.array([vectors[one].tobytes() for one in who], pa.binary()),
                }
            )

    types = ", ".join(f"{name} {ddl(kind)}" for name, kind in columns.items())
    return rows.mapInArrow(visit, types)


def _visit_columns() -> "dict[str, pa.DataType]":
    import pyarrow as pa

    whole = pa.int64()
    return {
        "cell": whole,
        "home": pa.bool_(),
        "key": pa.string(),
        "draw": whole,
        "vector": pa.binary(),
    }


def _dealt_out(visits: "DataFrame") -> "DataFrame":
    """Cut crowded cells into slices of who lives there; who visits comes to each of them.

    So does the first slice: of thousands of copies of one vector each finds some, as `join_cell`
    has it.
    """
    from pyspark.sql import functions as sf

    crowded = (
        visits.where("home").groupBy("cell").count().where(f"count > {MAX_RESIDENTS}")
        .selectExpr("cell", f"cast(ceil(count / {MAX_RESIDENTS}) as bigint) as n")
    )  # fmt: skip
    counted = visits.join(sf.broadcast(crowded), "cell", "left").withColumn(
        "n", sf.expr("coalesce(n, 1)")
    )
    own = sf.expr("draw % n")
    everywhere = sf.expr("sequence(cast(0 as bigint), n - 1)")
    there = sf.when(sf.col("home") & (own > 0), sf.array(own)).otherwise(everywhere)
    sliced = counted.withColumn("own", own).withColumn("slice", sf.explode(there))
    return sliced.select(
        "cell", "slice", (sf.col("home") & sf.expr("slice = own")).alias("home"), "key", "vector"
    )


def _joiner(k: int, min_similarity: float) -> Any:
    def join(table: "pa.Table") -> "pa.Table":
        import pyarrow as pa

        table = table.sort_by([("home", "descending"), ("key", "ascending")])
        keys = np.array(table.column("key").to_pylist(), dtype=object)
        vectors = table.column("vector").to_pylist()
        array = np.frombuffer(b"".join(vectors), dtype=np.float32).reshape(len(keys), -1)
        n_home = sum(table.column("home").to_pylist())
        if not n_home:
            return pa.table({"a": [], "b": [], "similarity": []}, schema=_near_schema())
        near = join_cell(array[:n_home], array[n_home:], k=k, min_similarity=min_similarity)
        columns = {
            "a": keys[near.a].tolist(),
            "b": keys[near.b].tolist(),
            "similarity": near.similarity.astype(np.float32),
        }
        return pa.table(columns, schema=_near_schema())

    return join


def _near_schema() -> "pa.Schema":
    import pyarrow as pa

    return pa.schema({"a": pa.string(), "b": pa.string(), "similarity": pa.float32()})
