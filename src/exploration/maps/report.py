"""What was found as files: a page for people, tables, and points for other tools."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ...catalog.delimited import write_csv
from ...core.files import atomic_path, encodable, json_text, write_text
from ...core.kinds import FolderKind, folder_marked
from .explore import Exploration
from .look import Look
from .overview import imbalance
from .page import render_page
from .projection import Method

PAGE, TABLE, NUMBERS, POINTS = "report.html", "families.csv", "explore.json", "map.parquet"
EXPLORATION = FolderKind(
    "an exploration's report",
    folder_marked(
        NUMBERS,
        {"families", "skipped", "best"},
        PAGE,
        TABLE,
        POINTS,
        "categories.csv",
        "rejected.csv",
    ),
)
_ARRAYS = {"maps", "clusters", "probability", "answer"}


def write_exploration(found: Exploration, out: Path, *, header: Mapping[str, str]) -> Path:
    """Write all files, each whole or not at all.

    - ``report.html``: one page that needs no network;
    - ``families.csv``: the fields of `Look` that are numbers, a row a family;
    - ``categories.csv``: the fields of `CategoryOverview`;
    - ``explore.json``: ``format`` (1), both tables, ``skipped``, ``best``, ``pairs``, ``alike``,
      ``imbalance`` (the largest category by the smallest, and how many equal ones are as uneven);
    - ``map.parquet``: a row a listing, see `point_columns`.

    Parameters
    ----------
    header
        What the page says about its making; shown as written.

    Returns
    -------
    Path
        The page.
    """
    rows = [family_values(one) for one in found.looks]
    write_csv(out / TABLE, list(rows[0]), [list(row.values()) for row in rows])
    categories = [asdict(one) for one in found.categories]
    write_csv(out / "categories.csv", list(categories[0]), [list(c.values()) for c in categories])
    _write_points(out / POINTS, point_columns(found))
    write_text(out / PAGE, render_page(found, header))
    write_text(out / NUMBERS, json_text(values(found)))
    return out / PAGE


def family_values(one: Look) -> dict[str, Any]:
    """Give a family's numbers by name; ``kmeans_ari`` and its like are those of `Agreement`."""
    told: dict[str, Any] = {}
    for name, value in vars(one).items():
        if name in {"kmeans", "density"}:
            for part in ("ari", "ami", "purity"):
                told[f"{name}_{part}"] = value and getattr(value, part)
        elif name not in _ARRAYS:
            told[name] = value
    return told


def values(found: Exploration) -> dict[str, Any]:
    """Give everything but points and pictures as JSON values; see `write_exploration`."""
    names, counts = found.material.names, [one.n for one in found.categories[1:]]
    return {
        "format": 1,
        "n_listings": len(found.material.categories),
        "n_rejected": len(found.material.catalog.rejected),
        "levels": found.config.levels,
        "groups": found.material.grouping.source,
        "best": list(found.best),
        "families": [family_values(one) for one in found.looks],
        "skipped": {name: encodable(why) for name, why in found.skipped.items()},
        "imbalance": list(imbalance(counts)) if counts else None,
        "categories": [asdict(one) for one in found.categories],
        "pairs": [asdict(pair) | {"a": names[pair.a], "b": names[pair.b]} for pair in found.pairs],
        "alike": [asdict(pair) for pair in found.alike],
    }


def point_columns(found: Exploration) -> dict[str, Sequence[Any]]:
    """Lay listings out for a table that Embedding Atlas opens.

    Returns
    -------
    dict
        ``id``, ``title``, ``category`` (null where there is none), ``cluster`` (its words) and, of
        the best family, ``x`` and ``y`` on its t-SNE map (PCA without; null where a listing doesn't
        have it), ``answer`` and ``probability`` of its probe, and ``row`` in the file.
    """
    one = next(each for each in found.looks if each.name == found.best[0])
    methods: tuple[Method, ...] = ("tsne", "pca")
    method = next((each for each in methods if each in one.maps), None)
    catalog, names = found.material.catalog, found.material.names
    words = found.cluster_words[one.name]
    placed = one.maps[method] if method else np.full((len(one.clusters), 2), np.nan)
    return {
        "id": [encodable(listing.listing_id) for listing in catalog.listings],
        "title": [encodable(listing.title or "") for listing in catalog.listings],
        "category": [encodable(name) or None for name in found.material.categories],
        "cluster": [words[number] if number >= 0 else None for number in one.clusters],
        "x": [_number(value) for value in placed[:, 0]],
        "y": [_number(value) for value in placed[:, 1]],
        "answer": [names[column] if column >= 0 else None for column in one.answer],
        "probability": [_number(value) for value in one.probability],
        "row": list(catalog.rows),
    }


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _write_points(path: Path, columns: Mapping[str, Sequence[Any]]) -> None:
    import pyarrow as pa
    from pyarrow.parquet import write_table

    texts, whole = {"id", "title", "category", "cluster", "answer"}, {"row"}
    arrays = {
        name: pa.array(
            values, pa.string() if name in texts else pa.int64() if name in whole else pa.float32()
        )
        for name, values in columns.items()
    }
    with atomic_path(path) as partial:
        write_table(pa.table(arrays), partial)
