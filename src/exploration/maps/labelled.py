"""A catalogue made ready to be looked at: embedded, decoded, its labels and groups."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...catalog.catalog import Catalog
from ...catalog.listing import category_prefix
from ...core.arrays import Bools, Ints
from ...core.config import Config
from ...embedding.embedder import Embedder
from ...embedding.grouping import Grouping, group_listings, stated_groups
from ...embedding.listings import EmbeddedListings
from ..features.family import Takes
from ..features.squares import Squares, decode_squares

UNLABELLED = -1


@dataclass(frozen=True)
class Material:
    """n listings, labelled or not.

    Parameters
    ----------
    names
        Categories with enough listings to be told apart; fewer than two: nothing is compared with
        categories.
    labels
        Shape ``(n,)``, columns of `names`; -1 for listings of other categories or none.
    categories
        Each listing's category, as many levels as are looked at; empty where there is none.
    """

    catalog: Catalog
    embedded: EmbeddedListings
    squares: Squares
    categories: tuple[str, ...]
    names: tuple[str, ...]
    labels: Ints
    grouping: Grouping

    @property
    def is_labelled(self) -> bool:
        return len(self.names) > 1

    def present(self, takes: Takes) -> Bools:
        """Which listings have what a family takes; shape ``(n,)``."""
        if takes == "square":
            return self.squares.present
        given = {
            "title": self.embedded.titles,
            "description": self.embedded.descriptions,
            "photo": self.embedded.photo_hashes,
        }
        return np.array([bool(item) for item in given[takes]], dtype=bool)

    def items(self, takes: Takes, rows: Sequence[int]) -> list[Any]:
        """Give what a family takes of some listings."""
        if takes == "square":
            return [self.squares.pixels[row] for row in rows]
        if takes == "photo":
            return [self.embedded.listings[row].image for row in rows]
        texts = self.embedded.titles if takes == "title" else self.embedded.descriptions
        return [texts[row] for row in rows]


def gather(catalog: Catalog, embedder: Embedder, config: Config, folder: Path) -> Material:
    """Embed a catalogue, decode its photos into `folder`, and find what belongs together."""
    catalog, embedded = embedder.embed_catalog(catalog, description=config.description)
    categories = tuple(
        category_prefix(one.category or "", config.levels) for one in catalog.listings
    )
    counts = Counter(name for name in categories if name)
    names = tuple(sorted(name for name, n in counts.items() if n >= max(config.min_examples, 2)))
    names = names if len(names) > 1 else ()
    column = {name: place for place, name in enumerate(names)}
    labels = np.array([column.get(name, UNLABELLED) for name in categories], dtype=np.intp)
    given = (catalog.listings, embedded.photo, embedded.photo_hashes, embedded.titles)
    grouping = (
        group_listings(
            *given,
            categories,
            n_folds=config.n_folds,
            seed=config.seed,
            known=getattr(embedder.photos, "sessions", None),
            further=embedded.further,
        ).announced()
        if names
        else stated_groups(*given, config.n_folds, embedded.further)
    )
    sources = [one.image for one in catalog.listings]
    squares = decode_squares(sources, folder, embedder.options)
    return Material(catalog, embedded, squares, categories, names, labels, grouping)
