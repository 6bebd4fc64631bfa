"""Logged listings as columns of arrays, and which of them are there once only."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..catalog.groups import duplicate_groups
from ..core.arrays import Bools, Ints
from ..embedding.listings import EmbeddedListings
from ..fusion.views import View
from .log_rows import vectors_of


@dataclass(frozen=True)
class LoggedListings:
    """m judged listings of one bundle, in the order in which they came.

    Parameters
    ----------
    rows
        As `log_rows.SCHEMA` has them, without the vectors.
    """

    rows: Sequence[dict[str, Any]]
    photo: View
    title: View

    def column(self, name: str) -> list[Any]:
        return [row[name] for row in self.rows]

    @property
    def days(self) -> list[str]:
        """Each listing's day (UTC), as 2026-11-28."""
        times: list[datetime] = self.column("time")
        return [f"{time:%Y-%m-%d}" for time in times]


def logged_listings(table: pa.Table, version: str) -> tuple[LoggedListings, int]:
    """Take the listings that this bundle judged, and count those of others.

    Others' vectors and p-values may be of other encoders and another detector.
    """
    own = table.filter(pc.equal(table["model_version"], version))
    plain = own.drop_columns(["photo_embedding", "title_embedding"])
    logged = LoggedListings(plain.to_pylist(), vectors_of(own, "photo"), vectors_of(own, "title"))
    return logged, table.num_rows - own.num_rows


def once(known: EmbeddedListings, logged: LoggedListings, seed: int = 0) -> tuple[Ints, Ints]:
    """Choose one of each group of look-alikes, whether it is of training or logged.

    It is drawn by chance, so that what is chosen is as exchangeable as the groups are.

    Returns
    -------
    Ints, Ints
        Rows of the known, and of the logged listings, ascending.
    """
    n, m = len(known.listings), len(logged.rows)
    photos, has_photo = _stacked(known.photo, logged.photo)
    titles, has_title = _stacked(known.title, logged.title)
    halves = titles.astype(np.float16)
    groups = duplicate_groups(
        [None] * (n + m),
        [
            row.tobytes().hex() if there else None
            for row, there in zip(halves, has_title, strict=True)
        ],
        photos,
        has_photo=has_photo,
    )
    order = np.random.default_rng(seed).permutation(n + m)
    _, first = np.unique(groups[order], return_index=True)
    chosen = np.sort(order[first])
    return chosen[chosen < n], chosen[chosen >= n] - n


def _stacked(known: View, new: View) -> tuple[Any, Bools]:
    """Put vectors one after the other; those of another width than the known count as missing."""
    present = np.concatenate([known.present, new.present])
    features = np.zeros((len(present), known.features.shape[1]), dtype=np.float32)
    features[: len(known.present)] = known.array
    if new.features.shape[1] == features.shape[1]:
        features[len(known.present) :] = new.array
    else:
        present[len(known.present) :] = False
    return features, present
