"""What a bundle knows of its catalogue: who belongs, who is near, what else there is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from ..catalog.listing import SEPARATOR, Listing, category_levels
from ..core.arrays import Floats, Ints, evenly_spaced
from ..core.errors import ConfigError
from ..embedding.embedder import Embedder
from ..embedding.listings import EmbeddedListings
from ..embedding.run_options import RunOptions
from ..fusion.views import View, Views
from .duplicates.detail_memory import catalogue_details
from .duplicates.match import match_listings
from .duplicates.pair_model import PairModel
from .duplicates.verdict import DuplicatePair
from .index.rows import embedded_rows
from .index.store import ListingIndex, Neighbour
from .ood.detector import OODDetector
from .result import RetrievalResult
from .zero_shot.classifier import ZeroShot
from .zero_shot.image_text_space import ImageTextSpace
from .zero_shot.joint_space import JointSpace

N_CANDIDATES = 10
N_COMPARED = 3
"""Catalogue photos that an upload's photo is compared with closely: some 10 ms each."""


class Near(NamedTuple):
    """The nearest catalogue listings of each listing, by photo and title, and by photo alone."""

    everywhere: list[list[Neighbour]]
    by_photo: list[list[Neighbour]] | None


@dataclass(frozen=True)
class RetrievalModel:
    """Out-of-catalogue detector, index and zero-shot categories, as a bundle keeps them.

    Parameters
    ----------
    ood_detector
        None where the catalogue was too small for one.
    training_listings
        The training listings before the bundle is saved, which makes the index of them.
    index
        The training listings as a bundle keeps them; None if it keeps none.
    zero_shot
        Every category of the taxonomy, with and without a trained expert; None without `space`.
    space
        None if the backbone knows no class names (and no CLIP model is configured).
    space_embedder
        The image-text space's own encoders, where they aren't the pipeline's (CLIP).
    joint
        What the catalogue's own pairs of photo and title taught; None where that was nothing.
    joint_facts
        What held-out listings gained by it, as JSON values; empty once loaded.
    """

    ood_detector: OODDetector | None
    zero_shot: ZeroShot | None
    space: ImageTextSpace | None
    pair_model: PairModel
    training_listings: EmbeddedListings | None = None
    index: ListingIndex | None = None
    space_embedder: Embedder | None = None
    joint: JointSpace | None = None
    joint_facts: Mapping[str, Any] = field(default_factory=dict)

    def with_categories(self, names: Sequence[str]) -> "RetrievalModel":
        """Know more categories by name alone; those that are known already stay as they are.

        Raises
        ------
        ConfigError
            If a name is blank, or there is no zero-shot fallback.
        """
        paths = [SEPARATOR.join(category_levels(name)) for name in names]
        if not all(paths):
            raise ConfigError(f"A category must have a name, got {list(names)}.")
        if self.zero_shot is None or self.space is None:
            raise ConfigError(
                "This bundle can't know categories by name: its photo encoder has no class names. "
                "Train with the starter encoder, or set retrieval.image_text_space to a CLIP model."
            )
        new = [path for path in dict.fromkeys(paths) if path not in self.names]
        if not new:
            return self
        return replace(self, zero_shot=self.zero_shot.extended(new, None, self.space))

    def p_values(self, views: Views, predicted: Ints, uncertainty: Floats | None = None) -> Floats:
        """Tell how ordinary listings are, 0 (strange) to 1; NaN without a detector or a known view.

        `predicted`, shape ``(n,)``, has the column of the category each listing is taken for.
        """
        if self.ood_detector is None:
            return np.full(len(predicted), np.nan)
        known = [view.present for name, view in views.items() if name in self.ood_detector.scorers]
        p_values = self.ood_detector.p_values(dense(views), predicted, uncertainty)
        return np.where(np.any(known, axis=0), p_values, np.nan)

    def in_text_space(self, embedded: EmbeddedListings) -> tuple[Floats, Floats]:
        """Photos and titles as the zero-shot categories see them, shape ``(n, d)`` each."""
        if self.space is None:
            raise ConfigError("Zero-shot needs a image-text space, but this bundle has none.")
        photos, titles = embedded.photo.features, embedded.title.features
        if self.space_embedder is not None:
            own = self.space_embedder.embed(embedded.listings, description=False)
            photos, titles = own.photo.features, own.title.features
        return self.space.to_text_space(np.asarray(photos)), np.asarray(titles)

    def name_probabilities(self, embedded: EmbeddedListings) -> Floats:
        """Sort listings into all categories by name, ``(n, n_names)``.

        And by how like the trained ones' listings they are, where that was found to help.

        Raises
        ------
        ConfigError
            If there is no zero-shot fallback.
        """
        if self.zero_shot is None:
            raise ConfigError("Zero-shot needs categories by name, but this bundle has none.")
        seen = self.in_text_space(embedded)
        if self.joint is None or self.joint.known is None:
            return self.zero_shot.classify(*seen)
        known, prototypes = self.joint.known, self.zero_shot.prototypes
        evidence = known.evidence(self.joint.alignment, prototypes, embedded, seen)
        return evidence.classify(known.weights)

    def unseen(
        self, embedded: EmbeddedListings, trained: Sequence[str]
    ) -> list[tuple[str, float] | None]:
        """Name the likeliest category without a trained expert, and its probability among all."""
        others = [i for i, n in enumerate(self.names) if n not in set(trained)]
        if self.zero_shot is None or not others:
            return [None for _ in embedded.listings]
        probabilities = self.name_probabilities(embedded)
        best = np.array(others)[probabilities[:, others].argmax(axis=1)]
        return [(self.names[i], float(probabilities[row, i])) for row, i in enumerate(best)]

    def some_listings(self, at_most: int) -> EmbeddedListings | None:
        """Give training listings with their vectors, from all along; None if none are kept."""
        if self.training_listings is not None:
            rows = evenly_spaced(len(self.training_listings.listings), at_most)
            return self.training_listings.take(rows.tolist())
        if self.index is None:
            return None
        ids = self.index.ids()
        chosen = [ids[row] for row in evenly_spaced(len(ids), at_most).tolist()]
        return embedded_rows(self.index.take(chosen))

    @property
    def names(self) -> tuple[str, ...]:
        """The taxonomy: categories with and without a trained expert."""
        return self.zero_shot.names if self.zero_shot else ()

    def query(
        self,
        embedded: EmbeddedListings,
        views: Views,
        predicted: Ints,
        trained: Sequence[str],
        *,
        alpha: float,
        uncertainty: Floats | None = None,
        options: RunOptions | None = None,
    ) -> list[RetrievalResult]:
        """Compare listings with the catalogue; each space of the index is searched once.

        Parameters
        ----------
        views, predicted
            Of the same listings, for the out-of-catalogue detector; see `p_values`.
        trained
            Categories with a trained expert.
        alpha
            Listings with a p-value up to this are refused.
        uncertainty
            Shape ``(n,)``, how unsure that category is (entropy, in nats).
        options
            How photos are read, to look for duplicates; None doesn't look.
        """
        p_values = self.p_values(views, predicted, uncertainty)
        unseen = self.unseen(embedded, trained)
        near = self.neighbours(embedded)
        duplicates = self.duplicates(embedded, options, near.by_photo) if options else {}
        pairs = self.joint.mismatch_p_values(embedded) if self.joint else None
        return [
            RetrievalResult(
                p_value=float(p_values[row]),
                refused=bool(p_values[row] <= alpha),
                unseen=unseen[row],
                neighbours=[each for each in near.everywhere[row] if each.listing_id != own],
                duplicates=duplicates.get(row, ()),
                pair_p_value=float("nan") if pairs is None else float(pairs[row]),
            )
            for row, own in enumerate(listing.listing_id for listing in embedded.listings)
        ]

    def neighbours(self, embedded: EmbeddedListings) -> Near:
        """Find the nearest catalogue listings of each, itself among them."""
        if self.index is None:
            return Near([[] for _ in embedded.listings], None)
        known = self.index.info().spaces
        queries = {"photo": embedded.photo, "title": embedded.title}
        everywhere, each = self.index.search_spaces(
            {space: view for space, view in queries.items() if space in known}, N_CANDIDATES
        )
        return Near(everywhere, each.get("photo"))

    def duplicates(
        self,
        embedded: EmbeddedListings,
        options: RunOptions,
        near: Sequence[Sequence[Neighbour]] | None,
    ) -> dict[int, list[DuplicatePair]]:
        """Compare listings closely with the catalogue photos that look most like theirs.

        A catalogue photo that is gone from the disk is known by its bytes' hash only, unless what
        is compared of it was kept: in memory, and where embeddings are.

        Parameters
        ----------
        options
            What photos may be, and where embeddings are remembered.
        near
            Each listing's nearest by photo; None if the index has no photos.

        Returns
        -------
        dict
            Row -> its duplicates and variants, the surest first; rows without any are left out.
        """
        if self.index is None or near is None:
            return {}
        further = embedded.further
        more = self.index.search({"photo": further.photo}, N_CANDIDATES) if further else []
        close = {
            each.listing_id
            for row in (*near, *more)
            for each in row
            if each.similarity >= self.pair_model.min_similarity
        }
        # ids that no catalogue listing can have
        listings = embedded.listings
        own = [Listing(f"\0{row}", item.title, item.image) for row, item in enumerate(listings)]
        usable = [row for row in range(len(own)) if row not in embedded.problems]
        if not close or not usable:
            return {}
        kept_in = options.cache.path.parent if options.cache else None
        result = match_listings(
            replace(embedded, listings=own).take(usable),
            model=self.pair_model,
            against=embedded_rows(self.index.take(sorted(close), all_photos=True)),
            n_neighbours=N_COMPARED,
            limits=options.limits,
            stores=(None, catalogue_details(kept_in, options.limits)),
        )
        pairs: dict[int, list[DuplicatePair]] = {}
        for pair in result.pairs:
            row = int(pair.a.listing_id[1:])
            if pair.b.listing_id != listings[row].listing_id:
                pairs.setdefault(row, []).append(pair)
        return pairs


def dense(views: Views) -> dict[str, View]:
    """Keep the views that the detector uses."""
    return {name: view for name, view in views.items() if isinstance(view.features, np.ndarray)}
