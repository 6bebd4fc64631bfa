"""The pipeline: listings in, verdicts out; the only place where the rooms meet."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self, TypeAlias

import numpy as np
from tqdm import tqdm

from ..catalog.catalog import Catalog
from ..catalog.listing import Listing
from ..catalog.rows import OnPhotoError
from ..core.cache import EmbeddingCache
from ..core.config import Config, load_config
from ..core.errors import ConfigError
from ..core.files import exclusive
from ..embedding.embedder import Embedder, load_embedder
from ..embedding.listings import EmbeddedListings
from ..embedding.run_options import RunOptions
from ..fusion.views import DESCRIPTION, PHOTO, TITLE, Modalities, View, Views, patterns, restrict
from ..retrieval.result import RetrievalResult
from ..retrieval.storage import with_saved_index
from .decision import DecisionPolicy, Evidence, Predictions
from .features import build_views
from .framing import with_framing
from .persistence import change_bundle, load_state, save_state
from .shift import OnShift, ShiftDetector, hold
from .soundness import require_sound
from .state import PipelineState
from .strangers import refuse_strangers
from .training import fit_state
from .verdict import Verdict

BLOCK = 500
OnJudged: TypeAlias = Callable[[EmbeddedListings, Sequence[Verdict]], None]


@dataclass(frozen=True)
class ListingPipeline(PipelineState):
    """A trained Shelfsure: `fit` or `load` one, then `predict`, and `save` it."""

    @classmethod
    def fit(
        cls,
        catalog: Catalog,
        config: Config | str | Path = "starter",
        options: RunOptions | None = None,
        *,
        embedder: Embedder | None = None,
        outside: Sequence[Listing] = (),
        newest: Sequence[str] = (),
    ) -> Self:
        """Train on a labelled catalogue.

        Parameters
        ----------
        catalog
            Read with ``need_category=True``.
        config
            A configuration, a profile's name (``starter``, ``starter-large``, ``full``) or a YAML
            file.
        options
            How the encoders run; by default with the user's cache and progress bars.
        embedder
            The encoders that `config` names, with their options; None loads them.
        outside
            Things that the catalogue doesn't sell: they sharpen the out-of-catalogue detector.
        newest
            Ids of the listings that show best what comes in now, the newest last. If they answer
            each other better than all listings alike do, the classifier leans towards them, and the
            promise is about more of their kind.

        Raises
        ------
        TrainingError
            If fewer than two categories have enough listings.
        """
        if options and embedder:
            raise ValueError("An embedder has options of its own. Give it or options, not both.")
        config = config if isinstance(config, Config) else load_config(config)
        options = options or RunOptions(cache=EmbeddingCache(), progress=True)
        if embedder is None:
            config = with_framing(catalog, config, options)
            embedder = load_embedder(config, options)
        config = embedder.options.applied_to(config)
        return cls(**vars(fit_state(catalog, embedder, config, outside=outside, newest=newest)))

    @classmethod
    def load(cls, folder: str | Path, options: RunOptions | None = None, **given: Any) -> Self:
        """Load a bundle.

        Parameters
        ----------
        options
            How its encoders run; by default on the best device here, without a cache.
        given
            Fields of `options` by name: deprecated, they go with the next release.

        Raises
        ------
        BundleError
            If it was changed, is incomplete, from a newer format, or fitted on other weights.
        WeightsError
            If its encoders' weights can't be had.
        """
        options = options or RunOptions()
        if given:
            warnings.warn(
                f"ListingPipeline.load takes RunOptions({', '.join(f'{x}=...' for x in given)}) "
                "in place of keywords, which go with the next release.",
                DeprecationWarning,
                stacklevel=2,
            )
            # limits=None was allowed
            options = replace(options, **{k: v for k, v in given.items() if v is not None})
        state = load_state(Path(folder), options, lambda state: require_sound(cls(**vars(state))))
        return cls(**vars(state))

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Self:
        """Save as a bundle; what was there stays until the new one is whole.

        Returns
        -------
        ListingPipeline
            The same, with the bundle's version and its index.
        """
        with exclusive(Path(folder)):
            bundle = save_state(self, Path(folder), overwrite=overwrite)
            retrieval = self.retrieval
            if retrieval is not None:
                retrieval = with_saved_index(retrieval, bundle.read, bundle.folder)
        return replace(self, retrieval=retrieval, version=bundle.version)

    @classmethod
    def add_categories(
        cls, folder: str | Path, names: Sequence[str], options: RunOptions | None = None
    ) -> str:
        """Let a bundle know more categories by name, see `with_categories`; gives its new version.

        Whoever else changes the bundle meanwhile waits, and what they have changed stays.

        Raises
        ------
        BundleError
            As for `load`; or if others replace the bundle faster than it can be changed.
        """

        def change(state: PipelineState) -> PipelineState:
            return cls(**vars(state)).with_categories(names)

        return change_bundle(Path(folder), options or RunOptions(), change).version

    def with_categories(self, names: Sequence[str]) -> Self:
        """Know more categories by name alone; those that are known already stay as they are.

        Raises
        ------
        ConfigError
            If a name is blank, or the bundle has no zero-shot fallback.
        """
        if self.retrieval is None:
            raise ConfigError("This bundle keeps nothing of its catalogue. Train it anew.")
        return replace(self, retrieval=self.retrieval.with_categories(names))

    def predict(
        self,
        listings: Sequence[Listing],
        *,
        duplicates: bool = True,
        quality: bool = True,
        on_shift: OnShift = "review",
        on_photo_error: OnPhotoError = "reject",
        on_judged: OnJudged | None = None,
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
        on_shift
            What to do if the listings as a whole have drifted away from the training listings:
            ``review`` accepts none of them, and refuses them together where they look like
            strangers together; ``warn`` says it in each verdict, ``ignore`` doesn't look.
        on_photo_error
            Whether a listing with a title whose photo can't be used is rejected or goes by it.
        on_judged
            Called with each block of listings as vectors, and each one's own verdict, before they
            are looked at as a whole.
        """
        if not listings:
            return []
        embedded = self.embedder.embed(
            listings, description=self.config.description, quality=quality
        )
        embedded = embedded.by_title() if on_photo_error == "title" else embedded
        policy, verdicts = self.policy, list[Verdict]()
        hidden = None if self.embedder.options.progress else True
        with tqdm(total=len(listings), desc="Judging listings", disable=hidden) as bar:
            for start in range(0, len(listings), BLOCK):  # so that memory doesn't grow with them
                block = embedded.take(range(start, min(start + BLOCK, len(listings))))
                evidence = self.evidence(block, self.views(block), duplicates=duplicates)
                own = [policy.verdict(evidence, row) for row in range(len(evidence))]
                if on_judged:
                    on_judged(block, own)
                verdicts += own
                bar.update(len(evidence))
        return self.as_batch(verdicts, on_shift)

    def as_batch(
        self,
        verdicts: Sequence[Verdict],
        on_shift: OnShift,
        detector: ShiftDetector | None = None,
    ) -> list[Verdict]:
        """Look at the verdicts of one batch together: at a drift, and whether it is of strangers.

        Parameters
        ----------
        on_shift
            As for `predict`, which does this.
        detector
            Has watched what came before this batch, and goes on with it; None: nothing came.
        """
        if on_shift == "ignore":
            return list(verdicts)
        detector = detector or self.shift_detector()
        shift = detector.watch_verdicts(verdicts).shift
        held = hold(verdicts, shift, on_shift)
        if shift is None or on_shift == "warn":
            return held
        return refuse_strangers(held, self.config.retrieval.alpha)

    def shift_detector(self) -> ShiftDetector:
        """Start watching a stream of this pipeline's verdicts."""
        detector = self.retrieval and self.retrieval.ood_detector
        n_calibration = detector.n_calibration if detector else 0
        return ShiftDetector(n_calibration, self.config.retrieval.alpha)

    @property
    def policy(self) -> DecisionPolicy:
        """What decides: whoever asks for a decision gets this one's."""
        return DecisionPolicy(
            self.class_names, self.rules, self.version, self.examples, self.category_ids
        )

    @property
    def modalities(self) -> Modalities:
        """What training had enough of to learn from; the rest of a listing says nothing here."""
        return self.rules.modalities

    def views(self, embedded: EmbeddedListings) -> dict[str, View]:
        """Turn embeddings and texts into what the classifier sees."""
        return build_views(embedded, self.tfidf)

    def evidence(
        self, embedded: EmbeddedListings, views: Views, *, duplicates: bool = False
    ) -> Evidence:
        """Gather all that decides: the classifier's answers, and what the catalogue says."""
        predictions = self.predict_views(views)
        if self.retrieval is None:
            retrieved = [RetrievalResult() for _ in embedded.listings]
        else:
            retrieved = self.retrieval.query(
                embedded,
                views,
                predictions.probabilities.argmax(axis=1),
                self.class_names,
                alpha=self.config.retrieval.alpha,
                uncertainty=predictions.uncertainty,
                options=self.embedder.options if duplicates else None,
            )
        further = None
        if embedded.further is not None and PHOTO in self.modalities:
            further = np.exp(self.classifier.log_probabilities({PHOTO: embedded.further.photo}))
        return Evidence(embedded, predictions, retrieved, further)

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
