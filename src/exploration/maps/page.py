"""The page: tables by Jinja, maps as packed numbers that plotly draws in the browser."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...core.arrays import Floats
from ...core.files import encodable
from ...core.reports import own_scripts, templates
from .explore import Exploration
from .look import Look
from .overview import imbalance
from .projection import MAX_FITTED, METHOD_NAMES
from .thumbnails import MAX_EMBEDDED

MAX_ALL_MAPS = 20_000
"""Of more listings, the page has the best families' maps alone."""
MAX_TITLE = 120
MISSING = 65_535
"""A coordinate of a listing that isn't on a map."""


def render_page(found: Exploration, header: Mapping[str, str]) -> str:
    """Render the page; scripts, points and small photos are in it."""
    from plotly.offline import get_plotlyjs

    pages = templates(Path(__file__).parent)
    shown = _shown(found)
    has_maps = any(one.maps for one in shown)
    own = pages.get_template("page_script.html.j2").render() if has_maps else ""
    scripts = [get_plotlyjs(), own] if has_maps else []
    counts = [one.n for one in found.categories[1:]]
    names = found.material.names
    return pages.get_template("page.html.j2").render(
        found=found,
        header=header,
        cleaning=[one for one in found.looks if one.name.startswith("tfidf")],
        imbalance=imbalance(counts) if counts else None,
        pairs=[(names[pair.a], names[pair.b], pair) for pair in found.pairs],
        clusters=_cluster_sizes(found),
        n=len(found.material.categories),
        max_embedded=MAX_EMBEDDED,
        max_fitted=MAX_FITTED["tsne"],
        n_shown=len(shown),
        points=points(found, shown) if has_maps else None,
        **own_scripts(*scripts),
    )


def _shown(found: Exploration) -> list[Look]:
    if len(found.material.categories) <= MAX_ALL_MAPS:
        return list(found.looks)
    return [one for one in found.looks if one.name in found.best]


def points(found: Exploration, shown: list[Look]) -> dict[str, Any]:
    """Pack what the script needs; arrays are little-endian, in base 64.

    Returns
    -------
    dict
        ``ids``, ``titles``, ``rows``; ``categories`` (names), ``category`` (uint16, 65535: none);
        ``photos`` (row -> data URI); ``maps`` (names of methods, ordered by ``methods``);
        ``families`` (ordered by ``order``), each with ``maps``
        (method -> uint16 x and y in turn, 65535: not there), ``clusters`` (names), ``cluster``
        (uint16), ``answer`` (uint16, by ``probed``) and ``sure`` (uint8: probability by 254, 255:
        none).
    """
    material = found.material
    categories = sorted({name for name in material.categories if name})
    column = {name: place for place, name in enumerate(categories)}
    own = [column.get(name, MISSING) for name in material.categories]
    return {
        "ids": [encodable(one.listing_id) for one in material.catalog.listings],
        "titles": [encodable((one.title or "")[:MAX_TITLE]) for one in material.catalog.listings],
        "rows": list(material.catalog.rows),
        "categories": [encodable(name) for name in categories],
        "category": _packed(np.array(own), "<u2"),
        "photos": found.thumbnails,
        "has_photo": _packed(material.squares.present, "u1"),
        "maps": METHOD_NAMES,
        "methods": list(METHOD_NAMES),
        "order": [one.name for one in shown if one.maps],
        "probed": [encodable(name) for name in material.names],
        "best": found.best[0],
        "families": {
            one.name: {
                "maps": {name: _packed(_quantised(xy), "<u2") for name, xy in one.maps.items()},
                "clusters": [encodable(name) for name in found.cluster_words[one.name]],
                "cluster": _packed(np.where(one.clusters < 0, MISSING, one.clusters), "<u2"),
                "answer": _packed(np.where(one.answer < 0, MISSING, one.answer), "<u2"),
                "sure": _packed(np.nan_to_num(one.probability * 254, nan=255).round(), "u1"),
            }
            for one in shown
        },
    }


def _quantised(xy: Floats) -> Floats:
    """Scale a map to 0 to 60,000 on its longer side, the proportions kept; 65535 for NaN."""
    low = np.nanmin(xy, axis=0)
    span = max(float((np.nanmax(xy, axis=0) - low).max()), 1e-9)
    return np.asarray(np.nan_to_num((xy - low) / span * 60_000, nan=MISSING).round())


def _packed(values: Any, kind: str) -> str:
    return base64.b64encode(np.asarray(values).astype(kind).tobytes()).decode()


def _cluster_sizes(found: Exploration) -> list[tuple[str, int]]:
    one = next(each for each in found.looks if each.name == found.best[0])
    counts = np.bincount(one.clusters[one.clusters >= 0])
    return list(zip(found.cluster_words[one.name], counts.tolist(), strict=True))
