"""Look closely at pairs of photos, and decide on pairs of listings; each a row."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..catalog.listing import Listing
from ..retrieval.duplicates.alignment import IDENTITY, MIRROR
from ..retrieval.duplicates.candidates import Candidates, CandidateSearch
from ..retrieval.duplicates.detail_store import PhotoDetails
from ..retrieval.duplicates.match import judge_pair
from ..retrieval.duplicates.pair_model import PairModel
from ..retrieval.duplicates.title_match import Difference, compare_titles
from ..retrieval.duplicates.verdict import DuplicatePair, PhotoFinding
from ..retrieval.duplicates.verification import verify_pairs
from .schema import batch_of, ddl
from .workers import WorkerOptions, in_blocks, limit_threads

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

SIDE = ("listing_id", "title", "description", "brand", "has_photo")
"""What is known of either listing of a pair, with ``_a`` or ``_b`` behind it."""


def look_closely(pairs: "DataFrame", model: PairModel, worker: WorkerOptions) -> "DataFrame":
    """Compare photos, and keep the pairs that are more than look-alikes.

    Parameters
    ----------
    pairs
        ``a``, ``b``, ``similarity``, and of both photos the bytes or the path: ``image_a``,
        ``path_a``, ``image_b``, ``path_b``.

    Returns
    -------
    DataFrame
        ``a``, ``b``, the fields of `PhotoFinding`, and both photos' content in pixels. A photo that
        can't be decoded is like no other.
    """
    columns = finding_columns()

    def look(batches: "Iterable[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
        limit_threads(worker.threads)
        for table in in_blocks(batches):
            yield batch_of(list(_looked(table.to_pylist(), model, worker)), columns)

    types = ", ".join(f"{name} {ddl(kind)}" for name, kind in columns.items())
    return pairs.mapInArrow(look, types)


def finding_columns() -> "dict[str, pa.DataType]":
    """Give the columns of `look_closely` with their types."""
    import pyarrow as pa

    numbers = ("probability", "similarity", "agreeing_fraction")
    return {
        "a": pa.string(),
        "b": pa.string(),
        "relation": pa.string(),
        **dict.fromkeys(numbers, pa.float64()),
        "mirrored": pa.bool_(),
        "pixels_a": pa.int64(),
        "pixels_b": pa.int64(),
    }


def _looked(
    rows: list[dict[str, Any]], model: PairModel, worker: WorkerOptions
) -> Iterator[dict[str, Any]]:
    photos = {row[side]: _photo(row, side) for row in rows for side in "ab"}
    place = {key: number for number, key in enumerate(photos)}
    near = Candidates(
        np.array([(place[row["a"]], place[row["b"]]) for row in rows], dtype=np.intp),
        np.array([row["similarity"] for row in rows], dtype=np.float32),
        CandidateSearch("exact", 1.0),
    )
    sources, keys = list(photos.values()), list(photos)
    details = PhotoDetails(sources, [None] * len(sources), worker.limits)
    for found in verify_pairs(near, details, details, model, worker.limits):
        yield {
            "a": keys[found.a],
            "b": keys[found.b],
            "relation": found.finding.relation,
            "probability": found.finding.probability,
            "similarity": found.finding.similarity,
            "agreeing_fraction": found.finding.agreeing_fraction,
            "mirrored": found.finding.alignment.mirrored,
            "pixels_a": found.n_pixels[0],
            "pixels_b": found.n_pixels[1],
        }


def _photo(row: Mapping[str, Any], side: str) -> str | bytes:
    image, path = row[f"image_{side}"], row[f"path_{side}"]
    return bytes(image) if image is not None else path or b""


def judge_pairs(pairs: "DataFrame", model: PairModel) -> "DataFrame":
    """Let photos, titles and texts decide on pairs of listings; what is different is left out.

    Parameters
    ----------
    pairs
        The columns of `PhotoFinding` as `look_closely` names them, `SIDE` and ``title_vector``
        of both listings, and which photos these are: ``photo_a``, ``photo_b`` and ``n_main``.

    Returns
    -------
    DataFrame
        `pair_columns`; `pair_of` makes a `DuplicatePair` of a row.
    """
    columns = pair_columns()

    def decide(batches: "Iterable[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
        for table in in_blocks(batches, max_rows=2048):
            judged = (_judged(row, model) for row in table.to_pylist())
            yield batch_of([row for row in judged if _counts(row)], columns)

    types = ", ".join(f"{name} {ddl(kind)}" for name, kind in columns.items())
    return pairs.mapInArrow(decide, types)


def pair_columns() -> "dict[str, pa.DataType]":
    """Give the columns of `judge_pairs` with their types."""
    import pyarrow as pa

    text, number = pa.string(), pa.float64()
    sides = {
        f"{name}_{side}": pa.bool_() if name == "has_photo" else text
        for side in "ab"
        for name in SIDE
    }
    findings = finding_columns()
    photo = {name: findings[name] for name in findings if name not in {"a", "b"}}
    own = {"title_similarity": number, "differences": text, "extra_words": text}
    own |= dict.fromkeys(("n_main", "photo_a", "photo_b"), pa.int32())
    return sides | photo | {"verdict": text} | own


def _counts(row: Mapping[str, Any]) -> bool:
    """Pass over what is different, be it by titles alone where there are no two photos."""
    if row["relation"] == "absent" and compare_titles(row["title_a"], row["title_b"]).differences:
        return False
    return bool(row["verdict"] != "different")


def _judged(row: Mapping[str, Any], model: PairModel) -> dict[str, Any]:
    similarity = None
    if row["title_vector_a"] is not None and row["title_vector_b"] is not None:
        a, b = (np.array(row[f"title_vector_{side}"], dtype=np.float32) for side in "ab")
        similarity = float(a @ b)
    listings = _listing(row, "a"), _listing(row, "b")
    pair = judge_pair(*listings, _finding(row), similarity, model, n_main=row["n_main"])
    known = {name: row[name] for name in pair_columns() if name in row}
    return {
        **known,
        "verdict": pair.verdict,
        "title_similarity": similarity,
        "differences": json.dumps([asdict(one) for one in pair.differences]),
        "extra_words": json.dumps(pair.extra_words),
    }


def pair_of(row: Mapping[str, Any]) -> DuplicatePair:
    """Make the pair of a row that `judge_pairs` gave; its photos are left out."""
    return DuplicatePair(
        _listing(row, "a"),
        _listing(row, "b"),
        row["verdict"],
        _finding(row),
        row["title_similarity"],
        tuple(Difference(**one) for one in json.loads(row["differences"])),
        tuple(json.loads(row["extra_words"])),
        (row["photo_a"], row["photo_b"]),
    )


def _listing(row: Mapping[str, Any], side: str) -> Listing:
    """Take a listing without its photo's pixels: whether it has one is all that matters here."""
    return Listing(
        listing_id=row[f"listing_id_{side}"],
        title=row[f"title_{side}"],
        description=row[f"description_{side}"],
        brand=row[f"brand_{side}"],
        image=Path("photo") if row[f"has_photo_{side}"] else None,
    )


def _finding(row: Mapping[str, Any]) -> PhotoFinding:
    return PhotoFinding(
        row["relation"],
        row["probability"],
        row["similarity"],
        row["agreeing_fraction"],
        MIRROR if row["mirrored"] else IDENTITY,
    )
