"""Read and check a DataFrame's listings, each by itself: fields, photo, hash, quality."""

import hashlib
import uuid
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..catalog.catalog import Catalog
from ..catalog.groups import title_key
from ..catalog.listing import Listing
from ..core.errors import PhotoError
from ..embedding.further_photos import hash_further_photos
from ..vision.load import PhotoLimits, decode_photo, photo_bytes
from ..vision.quality import SIDE_PX, assess_photo
from .rows import RowOptions, category_style, reader_of, wanted_columns
from .schema import batch_of, schema_ddl
from .workers import WorkerOptions, in_blocks, limit_threads

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

FIELDS = ("listing_id", "title", "description", "brand", "category", "group")


def check_listings(
    df: "DataFrame", rows: RowOptions | None = None, worker: WorkerOptions | None = None
) -> "DataFrame":
    """Read each row as a catalogue's is read, and decode its photo; no bundle is needed.

    Reads the distinct categories at once, to learn how they are written.

    Returns
    -------
    DataFrame
        A listing's fields, tidied; ``image`` (bytes) or ``image_path``; ``photo_sha256``,
        ``longer_side_px`` and ``quality`` (names of flags), null without a photo;
        ``further_sha256`` of the photos besides it;
        ``photo_problem``, why a photo was left out; ``reason``, why the row is rejected, or null;
        ``row_key``, drawn at random, so write the result before it is used twice; ``content_key``,
        the hash of photo, title and description; ``title_key``, the title without regard to
        spelling.
    """
    options, worker = rows or RowOptions(), worker or WorkerOptions()
    reader = reader_of(df, options)
    reader = reader_of(df, options, category_style(df, reader))
    columns = checked_columns()
    threads, limits = worker.threads, worker.limits

    def checked(batches: "Iterable[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
        limit_threads(threads)
        for table in in_blocks(batches):
            yield batch_of(_checked(reader.catalog(table), limits), columns)

    asked = wanted_columns(df, reader, ())
    return asked.mapInArrow(checked, schema_ddl(columns, asked, ()))


def checked_columns() -> "dict[str, pa.DataType]":
    """Give the columns of `check_listings` with their types."""
    import pyarrow as pa

    texts = (*FIELDS, "image_path", "photo_sha256", "photo_problem", "reason")
    own = {"image": pa.binary(), "longer_side_px": pa.int64(), "quality": pa.list_(pa.string())}
    own["further_sha256"] = pa.list_(pa.string())
    keys = ("row_key", "content_key", "title_key")
    return dict.fromkeys(texts, pa.string()) | own | dict.fromkeys(keys, pa.string())


def _checked(catalog: Catalog, limits: PhotoLimits) -> list[dict[str, Any]]:
    told = dict(zip(catalog.rows, catalog.listings, strict=True))
    records = {
        bad.row: _record(Listing(bad.listing_id), reason=bad.reason) for bad in catalog.rejected
    }
    further = _further(told)
    for row, listing in told.items():
        photo: dict[str, Any] = {"photo_problem": catalog.photo_problems.get(row)}
        reason = None
        if listing.image is not None:
            try:
                photo |= _photo(listing.image, limits)
            except PhotoError as error:
                if catalog.on_photo_error == "reject" or not listing.title:
                    reason = f"unusable photo: {error}"
                photo["photo_problem"] = f"unusable photo: {error}"
        photo["further_sha256"] = further.get(row, [])
        records[row] = _record(listing, reason=reason, **photo)
    return [records[row] for row in sorted(records)]


def _further(told: Mapping[int, Listing]) -> dict[int, list[str]]:
    """Give the hashes of listings' further photos, by row."""
    rows, found = list(told), hash_further_photos(list(told.values()))
    hashes: dict[int, list[str]] = {}
    for place, digest in zip(found.rows.tolist(), found.hashes, strict=True) if found else ():
        hashes.setdefault(rows[place], []).append(str(digest))
    return hashes


def _photo(image: Any, limits: PhotoLimits) -> dict[str, Any]:
    """Hash and measure a photo, whose pixels are all decoded for that."""
    digest = hashlib.sha256(photo_bytes(image)).hexdigest()
    photo = decode_photo(image, min_side_px=SIDE_PX, longer_side=True, **vars(limits))
    quality = assess_photo(photo)
    return {
        "image": image if isinstance(image, bytes) else None,
        "image_path": None if isinstance(image, bytes) else str(image),
        "photo_sha256": digest,
        "longer_side_px": quality.longer_side_px,
        "quality": [flag.flag for flag in quality.flags],
    }


def _record(listing: Listing, **known: Any) -> dict[str, Any]:
    title = title_key(listing.title)
    content = (known.get("photo_sha256"), title, listing.description)
    empty = dict.fromkeys(checked_columns())
    return {
        **empty,
        **{name: getattr(listing, name) for name in FIELDS},
        **known,
        "title_key": title,
        "content_key": hashlib.sha256(repr(content).encode("utf-8", "replace")).hexdigest(),
        "row_key": uuid.uuid4().hex,
    }
