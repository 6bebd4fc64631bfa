"""The indexes that a server may look through: its bundle's own, and those below `index/`."""

from pathlib import Path

from ..core.errors import ConfigError, IndexIncompleteError
from ..pipeline.pipeline import ListingPipeline
from ..retrieval.index.store import ListingIndex
from ..retrieval.zero_shot.load_space import fingerprints

INDEXES = Path("index")
"""Where `shelfsure index build` is told to put indexes: below the folder the server runs in."""
BUNDLE, NONE = "bundle", ""
NO_INDEX = (
    "There must be an index to look through, but this bundle keeps none. Build one in the folder "
    "that the server runs in: shelfsure index build catalogue.csv --out index/NAME. Or train the "
    "bundle anew: it keeps its training listings then."
)


def own_index(pipeline: ListingPipeline) -> ListingIndex | None:
    """Give the index of a bundle's training listings, if it keeps one."""
    return pipeline.retrieval.index if pipeline.retrieval else None


def built_indexes() -> list[str]:
    """List the indexes below `INDEXES`, as ``index/NAME``."""
    return [path.parent.as_posix() for path in sorted(INDEXES.glob("*/manifest.json"))]


def named_indexes(pipeline: ListingPipeline) -> list[tuple[str, str]]:
    """List the indexes at hand: what a menu shows, and its value for `open_index`."""
    index = own_index(pipeline)
    choices = [(name, name) for name in built_indexes()]
    if index is None:
        return choices
    n = index.info().n_listings
    return [(f"The model's own catalogue ({n:,} listings)", BUNDLE), *choices]


def open_index(pipeline: ListingPipeline, choice: str) -> ListingIndex:
    """Open an index of the menu.

    Raises
    ------
    ConfigError
        If there is no such index in the menu.
    IndexIncompleteError
        If the bundle is asked for its index, but keeps none.
    ListingIndexError
        If it can't be used.
    """
    if choice == BUNDLE:
        index = own_index(pipeline)
        if index is None:
            raise IndexIncompleteError(NO_INDEX)
        return index
    if choice not in built_indexes():
        raise ConfigError("The index must be one of the menu's, but isn't there now. Choose again.")
    return ListingIndex.open(Path(choice), fingerprints(pipeline.embedder))
