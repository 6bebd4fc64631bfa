"""The pipeline: listings in, verdicts out; the only place where the rooms meet."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from .arrays import Floats
from .bundle import open_bundle, writing_bundle
from .cache import EmbeddingCache
from .card import model_card
from .config import Config
from .embedding import Embedded, Embedder, load_embedder
from .errors import BundleChangedError
from .fusion.classifier import FusionClassifier
from .fusion.decision import AcceptRule, Rules
from .fusion.hierarchy import ancestors, depth, sum_by_parent
from .fusion.storage import load_classifier, save_classifier
from .fusion.views import (
    DESCRIPTION,
    PHOTO,
    TITLE,
    Modalities,
    View,
    Views,
    n_rows,
    patterns,
    restrict,
)
from .listings.listing import Listing
from .text.tfidf import Tfidf
from .verdict import Guess, Route, Verdict, explain
from .vision.encoder import PhotoLimits

MODEL = "model.json"
TOP_K = 5
ROUTES: Mapping[bool, Route] = {True: "fusion", False: "text_only"}


@dataclass(frozen=True)
class Predictions:
    """The arrays behind the verdicts.

    Parameters
    ----------
    probabilities
        Shape ``(n, n_categories)``.
    by_modality
        Modality -> shape ``(n, n_categories)``, what it alone says.
    present
        The modalities of each listing.
    """

    probabilities: Floats
    by_modality: Mapping[str, Floats]
    present: Sequence[Modalities]


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

        Raises
        ------
        BundleError
            If it was changed, is incomplete, from a newer format, or fitted on other weights.
        WeightsError
            If its encoders' weights can't be had.
        """
        bundle = open_bundle(Path(folder))
        try:
            model = bundle.read_json(MODEL)
            config = Config.model_validate(model["config"])
            classifier = load_classifier(bundle.folder, model["fusion"])
            tfidf = {
                part: Tfidf.load(bundle.folder / f"tfidf_{part}.json") for part in model["tfidf"]
            }
            rules = Rules.from_json(model["rules"])
            names, facts = tuple(model["class_names"]), model["facts"]
        except (KeyError, TypeError, ValueError) as error:
            raise BundleChangedError(
                f"Bundle {folder} must hold a whole model, but reading it failed: {error!r}. "
                "Train it anew."
            ) from error
        embedder = load_embedder(
            config, device=device, cache=cache, limits=limits or PhotoLimits(), progress=progress
        )
        bundle.require_fingerprint("photo", embedder.photos.fingerprint, config.image.weights)
        bundle.require_fingerprint("text", embedder.texts.fingerprint, config.text.weights)
        return cls(embedder, tfidf, classifier, names, rules, config, facts, bundle.version)

    def save(self, folder: str | Path, *, overwrite: bool = False) -> "ListingPipeline":
        """Save as a bundle; what was there stays until the new one is whole.

        Returns
        -------
        ListingPipeline
            The same, with the bundle's version.
        """
        folder = Path(folder)
        embedder = self.embedder
        fingerprints = {"photo": embedder.photos.fingerprint, "text": embedder.texts.fingerprint}
        config = self.config.model_dump()
        with writing_bundle(folder, fingerprints, overwrite=overwrite) as staging:
            model = {
                "config": config,
                "class_names": list(self.class_names),
                "fusion": save_classifier(self.classifier, staging),
                "tfidf": list(self.tfidf),
                "rules": self.rules.to_json(),
                "facts": dict(self.facts),
            }
            text = json.dumps(model, indent=1, ensure_ascii=False, allow_nan=False)
            (staging / MODEL).write_text(text, encoding="utf-8")
            for part, weigher in self.tfidf.items():
                weigher.save(staging / f"tfidf_{part}.json")
            card = model_card(self.class_names, config, self.facts)
            (staging / "README.md").write_text(card, encoding="utf-8")
        return replace(self, version=open_bundle(folder).version)

    def predict(self, listings: Sequence[Listing]) -> list[Verdict]:
        """Judge listings, in order; one that can't be read gets a verdict that says so.

        A listing without photo and title, or whose photo can't be used, is `rejected`.
        """
        embedded = self.embedder.embed(listings, description=self.config.description)
        predictions = self.predict_views(self.views(embedded))
        return [
            self._verdict(row, listing, embedded, predictions)
            for row, listing in enumerate(listings)
        ]

    def views(self, embedded: Embedded) -> dict[str, View]:
        """Turn embeddings and texts into what the classifier sees."""
        return build_views(embedded, self.tfidf)

    def predict_views(self, views: Views) -> Predictions:
        """Classify listings by all that is there, and by each modality alone."""
        alone = {
            part: np.exp(self.classifier.log_probabilities(restrict(views, {part})))
            for part in (PHOTO, TITLE, DESCRIPTION)
            if restrict(views, {part})
        }
        return Predictions(
            probabilities=np.exp(self.classifier.log_probabilities(views)),
            by_modality=alone,
            present=patterns(views) if views else [frozenset()] * n_rows(views),
        )

    def accepted(self, predictions: Predictions) -> list[bool]:
        """Tell which answers are sure enough for the shelf."""
        best = predictions.probabilities.max(axis=1)
        return [
            bool(rules and rules[-1].accepts(best[row]))
            for row, pattern in enumerate(predictions.present)
            for rules in [self.rules.for_pattern(pattern)]
        ]

    def _verdict(
        self, row: int, listing: Listing, embedded: Embedded, predictions: Predictions
    ) -> Verdict:
        blank = Verdict(
            listing_id=listing.listing_id, decision="rejected", model_version=self.version
        )
        present = predictions.present[row]
        if row in embedded.problems:
            return blank.model_copy(update={"reasons": (embedded.problems[row],)})
        if not present & {PHOTO, TITLE}:
            reason = "A listing needs a photo or a title, but has neither. Add one."
            return blank.model_copy(update={"reasons": (reason,)})
        probabilities = predictions.probabilities[row]
        top = self._guesses(probabilities, TOP_K)
        rules = self.rules.for_pattern(present)
        accepted = bool(rules and rules[-1].accepts(probabilities.max()))
        views = {
            part: self._guesses(alone[row], 1)[0]
            for part, alone in predictions.by_modality.items()
            if part in present
        }
        sure_of = None if accepted else self._sure_parent(probabilities, rules)
        return Verdict(
            listing_id=listing.listing_id,
            category=top[0].category,
            probability=top[0].probability,
            decision="accept" if accepted else "review",
            route="image_only" if present == {PHOTO} else ROUTES[PHOTO in present],
            top_k=top,
            sure_of=sure_of,
            views=views,
            reasons=explain(top[0], views, rules, accepted=accepted, sure_of=sure_of),
            model_version=self.version,
        )

    def _guesses(self, probabilities: Floats, k: int) -> tuple[Guess, ...]:
        best = np.argsort(-probabilities, kind="stable")[:k]
        return tuple(
            Guess(category=self.class_names[i], probability=round(float(probabilities[i]), 6))
            for i in best
        )

    def _sure_parent(self, probabilities: Floats, rules: Sequence[AcceptRule]) -> Guess | None:
        """Back off to the deepest parent whose summed probability passes its own rule."""
        for level in range(min(len(rules), depth(self.class_names)) - 1, 0, -1):
            parents, places = ancestors(self.class_names, level)
            summed = sum_by_parent(probabilities[None], places, len(parents))[0]
            best = int(summed.argmax())
            if rules[level - 1].accepts(summed[best]):
                return Guess(category=parents[best], probability=round(float(summed[best]), 6))
        return None


def build_views(embedded: Embedded, tfidf: Mapping[str, Tfidf]) -> dict[str, View]:
    """Lay out embeddings and TF-IDF as views; a modality without TF-IDF has its embedding only."""
    texts = {TITLE: embedded.titles, DESCRIPTION: embedded.descriptions}
    views = {
        PHOTO: embedded.photo,
        f"{TITLE}_embedding": embedded.title,
        f"{DESCRIPTION}_embedding": embedded.description,
    }
    for part, weigher in tfidf.items():
        present = views[f"{part}_embedding"].present
        views[f"{part}_tfidf"] = View(weigher.transform(texts[part]), present)
    return views
