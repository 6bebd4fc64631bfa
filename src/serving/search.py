"""Search in an index: by photo, by words, by both, or by one of its own listings."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from ..catalog.listing import Listing
from ..core.errors import ConfigError, IndexIncompleteError, UnreadablePhotoError
from ..fusion.views import View
from ..pipeline.pipeline import ListingPipeline
from ..retrieval.brands import BrandHint, BrandLooks, fit_brand_looks
from ..retrieval.index.store import ListingIndex, Neighbour
from ..retrieval.zero_shot.joint_space import JointSpace
from ..retrieval.zero_shot.load_space import fingerprints
from .indexes import BUNDLE, built_indexes, open_index

MAX_RESULTS = 100


@dataclass(frozen=True)
class SearchResult:
    """What was found in an index of so many listings, nearest first, and a brand's odd look."""

    n_listings: int
    found: Sequence[Neighbour]
    brand: BrandHint | None = None


class Searcher:
    """Searches in indexes; those that it has opened, and what it knows of brands, it keeps."""

    def __init__(self) -> None:
        self._opened: dict[str, ListingIndex] = {}
        self._brands: WeakKeyDictionary[ListingIndex, tuple[int, BrandLooks | None]]
        self._brands = WeakKeyDictionary()
        self._lock = threading.Lock()

    def index(self, pipeline: ListingPipeline, choice: str = BUNDLE) -> ListingIndex:
        """Give an index of the menu as it is now; see `indexes.open_index` for what it raises."""
        if choice == BUNDLE:
            return open_index(pipeline, choice)
        with self._lock:
            index = self._opened.get(choice)
            if (
                index is not None
                and choice in built_indexes()
                and index.info().fingerprints == fingerprints(pipeline.embedder)
            ):
                index.refresh()
                return index
            self._opened.pop(choice, None)
            return self._opened.setdefault(choice, open_index(pipeline, choice))

    def by_listing(
        self, pipeline: ListingPipeline, listing: Listing, k: int, choice: str = BUNDLE
    ) -> SearchResult:
        """Find the listings most like a photo, a title, or both, as `shelfsure index search` does.

        Raises
        ------
        ConfigError
            If it has neither, or there is no such index.
        UnreadablePhotoError
            If the photo can't be used.
        ListingIndexError
            If there is no index, or it holds nothing that this can be compared with.
        """
        index = self.index(pipeline, choice)
        embedded = pipeline.embedder.embed([listing], description=False)
        if embedded.problems:
            raise UnreadablePhotoError(embedded.problems[0])
        given = {"photo": embedded.photo, "title": embedded.title}
        given = {space: view for space, view in given.items() if view.present[0]}
        if not given:
            raise ConfigError("A photo or words are needed to search by, but there are none.")
        joint = pipeline.retrieval.joint if pipeline.retrieval else None
        return self._search(index, given, listing.title or "", k, joint=joint)

    def by_id(
        self, pipeline: ListingPipeline, listing_id: str, k: int, choice: str = BUNDLE
    ) -> SearchResult:
        """Find the listings most like one that the index holds, itself left out.

        Raises
        ------
        ConfigError
            If it isn't there, or there is no such index.
        ListingIndexError
            If there is no index.
        """
        index = self.index(pipeline, choice)
        rows = index.take([listing_id])
        if not rows.records:
            raise ConfigError(f"The index must hold the listing {listing_id!r}, but doesn't.")
        there = {space: view for space, view in rows.views.items() if view.present[0]}
        title = rows.records[0].title or ""
        return self._search(index, there, title, k, own=listing_id)

    def brand_hint(
        self, pipeline: ListingPipeline, listing: Listing, choice: str = BUNDLE
    ) -> BrandHint | None:
        """Tell whether a title says one brand while the photo looks like another's; None: no."""
        if listing.title is None or listing.image is None:
            return None
        index = self.index(pipeline, choice)
        photo = pipeline.embedder.embed([listing], description=False).photo
        return self._hint(index, {"photo": photo}, listing.title, listing.listing_id)

    def _search(
        self,
        index: ListingIndex,
        given: Mapping[str, View],
        title: str,
        k: int,
        own: str = "",
        joint: JointSpace | None = None,
    ) -> SearchResult:
        info = index.info()
        filled = {name for name, space in info.spaces.items() if space.n_vectors}
        asked = joint.across(given, filled) if joint else given
        views = {space: view for space, view in asked.items() if space in info.spaces}
        if not views:
            lacks = " and ".join(f"{space}s" for space in given)
            raise IndexIncompleteError(
                f"The index must hold {lacks} to be searched by them, but it doesn't. Search by "
                "something else, or build it of listings that have them: shelfsure index build."
            )
        found = index.search(views, k + bool(own))[0]
        others = [near for near in found if near.listing_id != own][:k]
        return SearchResult(info.n_listings, others, self._hint(index, given, title, own))

    def _hint(
        self, index: ListingIndex, views: Mapping[str, View], title: str, own: str
    ) -> BrandHint | None:
        photo = views.get("photo")
        looks = self._looks(index) if title and photo is not None and photo.present[0] else None
        return looks.hint(index, title, photo.array[0], own) if looks and photo else None

    def _looks(self, index: ListingIndex) -> BrandLooks | None:
        generation = index.info().generation
        with self._lock:
            known = self._brands.get(index)
            if known is None or known[0] != generation:
                known = self._brands[index] = (generation, fit_brand_looks(index))
            return known[1]
