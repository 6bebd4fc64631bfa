"""The pipeline: listings in, verdicts out; the only place where the rooms meet."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from ..catalog.listing import Listing
from ..core.cache import EmbeddingCache
from ..core.config import Config
from ..core.errors import ConfigError
from ..core.runtimes.names import Runtime
from ..embedding.embedder import Embedded, Embedder
from ..fusion.accept_rule import Rules
from ..fusion.classifier import FusionClassifier
from ..fusion.views import (
    DESCRIPTION,
    PHOTO,
    TITLE,
    Modalities,
    View,
    Views,
    patterns,
    restrict,
)
from ..retrieval.model import RetrievalModel
from ..text.tfidf import Tfidf
from ..vision.load import PhotoLimits
from .decision import DecisionPolicy, Predictions, RetrievalResult
from .features import build_views
from .persistence import load_state, save_state
from .verdict import Guess, Verdict

BLOCK = 500


@dataclass(frozen=True)
class ListingPipeline:
    """A trained Shelfsure; `load` one, or let `training.train` make one.

    Parameters
    ----------
    embedder
        Encoders and cache.
    tfidf
        Modality (title, description) -> its TF-IDF.
    classifier
        Views -> log-probabilities.
    class_names
        The category of each column.
    rules
        When an answer is accepted.
    facts
        What training found out: sizes, categories left out, expected coverage; JSON values.
    retrieval
        Gate, index and zero-shot categories.
    version
        Name of the bundle that this was loaded from, empty before it is saved.
    """

    embedder: Embedder
    tfidf: Mapping[str, Tfidf]
    classifier: FusionClassifier
    class_names: tuple[str, ...]
    rules: Rules
    config: Config
    facts: Mapping[str, Any]
    retrieval: RetrievalModel | None = None
    version: str = ""

    @classmethod
    def load(
        cls,
        folder: str | Path,
        *,
        device: str = "auto",
        cache: EmbeddingCache | None = None,
        limits: PhotoLimits | None = None,
        progress: bool = False,
        runtime: Runtime = "auto",
    ) -> "ListingPipeline":
        """Load a bundle.

        Parameters
        ----------
        device
            ``auto``, ``cpu``, ``cuda``, ``mps``.
        cache
            Where embeddings are remembered; None embeds everything anew.
        limits
            What a photo may be.
        progress
            Show a progress bar on standard error.
        runtime
            What computes the encoders: ``auto`` (the fastest here, once there is work for it),
            ``torch``, ``onnxruntime``, ``openvino``.

        Raises
        ------
        BundleError
            If it was changed, is incomplete, from a newer format, or fitted on other weights.
        WeightsError
            If its encoders' weights can't be had.
        """
        parts = load_state(
            Path(folder),
            device=device,
            cache=cache,
            limits=limits,
            progress=progress,
            runtime=runtime,
        )
        return cls(**parts)

    def save(self, folder: str | Path, *, overwrite: bool = False) -> "ListingPipeline":
        """Save as a bundle; what was there stays until the new one is whole.

        Returns
        -------
        ListingPipeline
            The same, with the bundle's version and its index.
        """
        bundle = save_state(self, Path(folder), overwrite=overwrite)
        retrieval = self.retrieval and self.retrieval.reopened(bundle.folder)
        return replace(self, retrieval=retrieval, version=bundle.version)

    def with_categories(self, names: Sequence[str]) -> "ListingPipeline":
        """Know more categories by name alone; those that are known already stay as they are.

        Raises
        ------
        ConfigError
            If a name is blank, or the bundle has no zero-shot fallback.
        """
        if self.retrieval is None:
            raise ConfigError("This bundle remembers nothing of its catalogue. Train it anew.")
        return replace(self, retrieval=self.retrieval.with_categories(names))

    def predict(
        self, listings: Sequence[Listing], *, duplicates: bool = True, quality: bool = True
    ) -> list[Verdict]:
        """Judge listings, in order; one that can't be read gets a verdict that says so.

        A listing without photo and title, or whose photo can't be used, is `rejected`.

        Parameters
        ----------
        duplicates
            Compare each photo closely with the catalogue's most similar ones, which takes as long
            as all else together.
        quality
            Look for what could be better about each photo.
        """
        if not listings:
            return []
        embedded = self.embedder.embed(
            listings, description=self.config.description, quality=quality
        )
        verdicts: list[Verdict] = []
        hidden = None if self.embedder.progress else True
        with tqdm(total=len(listings), desc="Judging listings", disable=hidden) as bar:
            for start in range(0, len(listings), BLOCK):  # so that memory doesn't grow with them
                rows = range(start, min(start + BLOCK, len(listings)))
                own = [listings[row] for row in rows]
                verdicts += self._judge(own, embedded.take(rows), duplicates=duplicates)
                bar.update(len(rows))
        return verdicts

    def _judge(
        self, listings: Sequence[Listing], embedded: Embedded, *, duplicates: bool
    ) -> list[Verdict]:
        views = self.views(embedded)
        predictions = self.predict_views(views)
        around = self.retrieve(listings, embedded, views, predictions, duplicates=duplicates)
        verdicts = [
            self._verdict(row, listing, embedded, predictions, around[row])
            for row, listing in enumerate(listings)
        ]
        return [
            verdict.model_copy(update={"quality": embedded.flags(row)})
            for row, verdict in enumerate(verdicts)
        ]

    @property
    def modalities(self) -> Modalities:
        """What training had enough of to learn from; the rest of a listing says nothing here."""
        return frozenset().union(*self.rules.by_pattern)

    def views(self, embedded: Embedded) -> dict[str, View]:
        """Turn embeddings and texts into what the classifier sees."""
        return build_views(embedded, self.tfidf)

    def predict_views(self, views: Views) -> Predictions:
        """Classify listings by all that is there, and by each modality alone."""
        alone = {
            part: np.exp(self.classifier.log_probabilities(restrict(views, {part})))
            for part in (PHOTO, TITLE, DESCRIPTION)
            if part in self.modalities
        }
        return Predictions(
            probabilities=np.exp(self.classifier.log_probabilities(views)),
            by_modality=alone,
            present=patterns(restrict(views, self.modalities)),
        )

    def accepted(self, predictions: Predictions) -> list[bool]:
        """Tell which answers are sure enough for the shelf, the gate left aside."""
        judge = DecisionPolicy(self.class_names, self.rules)
        return [judge.accepts(predictions, row) for row in range(len(predictions.present))]

    def retrieve(
        self,
        listings: Sequence[Listing],
        embedded: Embedded,
        views: Views,
        predictions: Predictions,
        *,
        duplicates: bool = True,
    ) -> list[RetrievalResult]:
        """Ask the catalogue's memory about each listing; nothing is known without one."""
        retrieval = self.retrieval
        if retrieval is None or not listings:
            return [RetrievalResult() for _ in listings]
        p_values = retrieval.p_values(views, predictions.probabilities.argmax(axis=1))
        others = retrieval.unseen(embedded, listings, self.class_names)
        neighbours = retrieval.neighbours(embedded, listings)
        copies = retrieval.duplicates(embedded, listings, self.embedder) if duplicates else {}
        return [
            RetrievalResult(
                p_value=float(p_values[row]),
                refused=bool(p_values[row] <= self.config.retrieval.alpha),
                unseen=Guess(category=unseen[0], probability=round(unseen[1], 6))
                if (unseen := others[row])
                else None,
                neighbours=neighbours[row],
                duplicates=copies.get(row, ()),
            )
            for row in range(len(listings))
        ]

    def _verdict(
        self,
        row: int,
        listing: Listing,
        embedded: Embedded,
        predictions: Predictions,
        around: RetrievalResult,
    ) -> Verdict:
        if row in embedded.problems:
            reason = embedded.problems[row]
        elif not predictions.present[row] & {PHOTO, TITLE}:
            needed = [part for part in (PHOTO, TITLE) if part in self.modalities]
            reason = f"A listing needs a {' or a '.join(needed)}, but has none. Add one."
        else:
            judge = DecisionPolicy(self.class_names, self.rules, self.version)
            return judge.verdict(listing.listing_id, predictions, row, around)
        return Verdict.rejected(listing.listing_id, reason, self.version)


def _guess(named: tuple[str, float] | None) -> Guess | None:
    return named and Guess(category=named[0], probability=round(named[1], 6))
