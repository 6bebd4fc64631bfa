"""Column types, once: from the verdict's fields to Arrow's, and to Spark's."""

from collections.abc import Mapping, Sequence
from types import UnionType
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame


def arrow_type(kind: Any, *, nested: bool) -> "pa.DataType":
    """Give the Arrow type of an annotation; without `nested`, what has parts is JSON text.

    >>> str(arrow_type(dict[str, float], nested=True)), str(arrow_type(bool | None, nested=False))
    ('map<string, double>', 'bool')
    """
    import pyarrow as pa

    plain = {str: pa.string(), float: pa.float64(), bool: pa.bool_(), int: pa.int64()}
    if get_origin(kind) in (UnionType, Union):
        return arrow_type(next(k for k in get_args(kind) if k is not type(None)), nested=nested)
    if kind in plain:
        return plain[kind]
    if get_origin(kind) is Literal or not nested:
        return pa.string()
    inner = [arrow_type(part, nested=True) for part in get_args(kind) if part is not Ellipsis]
    if get_origin(kind) is tuple:
        return pa.list_(inner[0])
    if get_origin(kind) is dict:
        return pa.map_(*inner)
    return pa.struct(list(model_fields(kind, nested=True).items()))


def model_fields(model: type[BaseModel], *, nested: bool) -> "dict[str, pa.DataType]":
    """Give the Arrow type of each field of a model."""
    return {
        name: arrow_type(field.annotation, nested=nested)
        for name, field in model.model_fields.items()
    }


def ddl(kind: "pa.DataType") -> str:
    """Write an Arrow type as Spark's SQL does."""
    import pyarrow as pa

    if pa.types.is_struct(kind):
        parts = [kind.field(number) for number in range(kind.num_fields)]
        return f"struct<{', '.join(f'`{part.name}`: {ddl(part.type)}' for part in parts)}>"
    if pa.types.is_list(kind):
        return f"array<{ddl(kind.value_type)}>"
    if pa.types.is_map(kind):
        return f"map<{ddl(kind.key_type)}, {ddl(kind.item_type)}>"
    names = {"bool": "boolean", "int32": "int", "int64": "bigint"}
    return names.get(str(kind), str(kind))


def schema_ddl(columns: "Mapping[str, pa.DataType]", df: "DataFrame", keep: Sequence[str]) -> str:
    """Write the schema of new columns and of those of `df` that are kept beside them."""
    own = [f"`{name}` {ddl(kind)}" for name, kind in columns.items()]
    kept = [f"`{name}` {df.schema[name].dataType.simpleString()}" for name in keep]
    return ", ".join([*own, *kept])


def batch_of(
    records: Sequence[Mapping[str, Any]],
    columns: "Mapping[str, pa.DataType]",
    kept: "pa.Table | None" = None,
) -> "pa.RecordBatch":
    """Lay records out as a batch of these columns, with the kept ones beside them."""
    import pyarrow as pa

    arrays = {
        name: pa.array([record[name] for record in records], kind) for name, kind in columns.items()
    }
    if kept is not None:
        arrays |= {name: pa.concat_arrays(kept.column(name).chunks) for name in kept.column_names}
    return pa.RecordBatch.from_pydict(arrays)
