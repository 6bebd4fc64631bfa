"""Embed a DataFrame of listings: vectors of photo and title, by the encoders of a bundle."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..catalog.listing import main_photo_number
from ..embedding.listings import EmbeddedListings
from .rows import RowOptions, reader_of, wanted_columns
from .schema import batch_of, schema_ddl
from .shipping import ShippedBundle, ship
from .workers import WorkerOptions, in_blocks, loaded

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame


def embed(
    df: "DataFrame",
    bundle: str | Path | ShippedBundle,
    rows: RowOptions | None = None,
    worker: WorkerOptions | None = None,
    *,
    keep: Sequence[str] = (),
) -> "DataFrame":
    """Embed each row by itself; one that can't be read has a `reason` and no vectors.

    Parameters are those of `judge`, and so are the errors.

    Returns
    -------
    DataFrame
        ``listing_id``, ``title``, ``description``, ``brand``; ``photo_vector``, ``title_vector``
        (float32 of unit length; null where there is no photo or title); ``photo_sha256``;
        ``photo_number`` (the main photo's among those of its listing, from 1); ``further_photos``
        (``number``, ``sha256`` and ``vector`` of each besides);
        ``reason`` (null for a row that can be used); ``model_version`` (the bundle's); and `keep`.
    """
    if not isinstance(bundle, ShippedBundle):
        bundle = ship(df.sparkSession, Path(bundle))
    shipped, options = bundle, worker or WorkerOptions()
    reader = reader_of(df, rows or RowOptions())
    columns = embedded_columns()

    def vectors(batches: "Iterable[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
        for table in in_blocks(batches):
            catalog = reader.catalog(table)
            with loaded(shipped, options) as pipeline:
                catalog, embedded = pipeline.embedder.embed_catalog(catalog, description=False)
            further = _further(embedded)
            places = {row: place for place, row in enumerate(catalog.rows)}
            why = {bad.row: bad for bad in catalog.rejected}
            records = [
                _embedded(embedded, places[row], shipped.version, further.get(places[row], []))
                if row in places
                else _rejected(why[row].listing_id, why[row].reason, shipped.version)
                for row in range(1, table.num_rows + 1)
            ]
            yield batch_of(records, columns, table.select(keep))

    asked = wanted_columns(df, reader, keep)
    return asked.mapInArrow(vectors, schema_ddl(columns, asked, keep))


def embedded_columns() -> "dict[str, pa.DataType]":
    """Give the columns of `embed` with their types."""
    import pyarrow as pa

    vector, text = pa.list_(pa.float32()), pa.string()
    return {
        "listing_id": text,
        "title": text,
        "description": text,
        "brand": text,
        "photo_vector": vector,
        "title_vector": vector,
        "photo_sha256": text,
        "photo_number": pa.int32(),
        "further_photos": pa.list_(
            pa.struct({"number": pa.int32(), "sha256": text, "vector": vector}.items())
        ),
        "reason": text,
        "model_version": text,
    }


def _further(embedded: EmbeddedListings) -> dict[int, list[dict[str, Any]]]:
    """Give the further photos of each listing that has some."""
    found: dict[int, list[dict[str, Any]]] = {}
    if (further := embedded.further) is not None:
        for n, place in enumerate(further.rows.tolist()):
            photo = {"number": further.numbers[n], "sha256": further.hashes[n]}
            found.setdefault(place, []).append(photo | {"vector": further.photo.array[n]})
    return found


def _embedded(
    embedded: EmbeddedListings, place: int, version: str, further: list[dict[str, Any]]
) -> dict[str, Any]:
    listing = embedded.listings[place]
    return {
        "listing_id": listing.listing_id,
        "title": listing.title,
        "description": listing.description,
        "brand": listing.brand,
        "photo_vector": embedded.photo.array[place] if embedded.photo.present[place] else None,
        "title_vector": embedded.title.array[place] if embedded.title.present[place] else None,
        "photo_sha256": embedded.photo_hashes[place],
        "photo_number": main_photo_number(listing),
        "further_photos": further,
        "reason": None,
        "model_version": version,
    }


def _rejected(listing_id: str, reason: str, version: str) -> dict[str, Any]:
    return {
        **dict.fromkeys(embedded_columns()),
        "listing_id": listing_id,
        "reason": reason,
        "model_version": version,
    }
