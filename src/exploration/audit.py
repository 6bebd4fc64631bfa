"""What to repair in a catalogue before training on it, in one call."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from ..catalog.catalog import Catalog
from ..core.arrays import Bools
from ..core.cache import EmbeddingCache
from ..core.config import Config
from ..embedding.embedder import Embedder, load_embedder
from ..embedding.run_options import RunOptions
from ..embedding.training_data import TrainingData
from ..fusion.classifier import LateFusion
from ..fusion.views import modality, take, with_prototypes
from ..pipeline.training import fit_classifier, prepare
from ..retrieval.duplicates.detail_store import DetailStore
from ..retrieval.duplicates.match import match_listings
from ..retrieval.duplicates.verdict import DuplicatePair
from . import pairs as duplicate_pairs
from .findings import Finding, ranked
from .judged_labels import JudgedLabels, judge_labels, label_findings
from .learning_curve import Forecast, forecast_gains, subset_answers
from .listing_checks import photo_findings, title_findings
from .overlap import CategoryPair, category_pairs, mistaken_for

MAX_PAIRS = 20
MIN_EXAMPLES = 5
"""Of a category whose labels are judged, unless a configuration says otherwise: of fewer, nobody
can tell a wrong one from a rare one."""


@dataclass(frozen=True)
class CategoryAdvice:
    """What is known of one category.

    Parameters
    ----------
    name
        Its path, as many levels as are predicted.
    n_wrong
        Labels that are more likely wrong than right.
    forecast
        What more examples would bring; None where it was not asked for.
    mistaken_for, n_mistaken
        The category that its listings are most often taken for, and how many are; empty and 0
        where none is.
    """

    name: str
    n_wrong: int
    forecast: Forecast | None
    mistaken_for: str
    n_mistaken: int


@dataclass(frozen=True)
class Audit:
    """What an audit found.

    Parameters
    ----------
    catalog
        The catalogue as it was used (more rows may be rejected).
    findings
        What to repair, the most harmful kind first, within a kind the strongest first.
    categories
        Each trained category, in the order of the alphabet.
    pairs
        The most confused pairs of categories, by column in `categories`; 20 at most.
    left_out
        Categories with too few listings to be judged, and how many each has.
    levels
        Of the category path, that were looked at.
    n_judged
        Listings whose label was judged.
    wrong_fraction
        Share of the labels that is wrong, as estimated; findings name the surest of them.
    right
        Share of the listings whose label the held-out answer gives.
    n_duplicates
        Pairs of listings that are one product.
    groups
        What was kept together: ``column``, ``sessions`` or ``duplicates``.
    """

    catalog: Catalog
    findings: tuple[Finding, ...]
    categories: tuple[CategoryAdvice, ...]
    pairs: tuple[CategoryPair, ...]
    left_out: Mapping[str, int]
    levels: int
    n_judged: int
    wrong_fraction: float
    right: float
    n_duplicates: int
    groups: str


def audit_catalog(
    catalog: Catalog,
    config: Config | None = None,
    options: RunOptions | None = None,
    *,
    embedder: Embedder | None = None,
    test: Catalog | None = None,
    part: Mapping[int, str] | None = None,
    learning_curve: bool = True,
) -> Audit:
    """Find what to repair in a labelled catalogue.

    Parameters
    ----------
    config
        As for training; by default the starter profile, with `MIN_EXAMPLES`. Fusion is always the
        pool, calibrated by cross-fitting: models that haven't seen a listing answer it.
    options
        How the encoders run; by default with the user's cache.
    embedder
        Encoders with their options; None loads those of `config`.
    test
        Listings to be measured on later: those that `catalog` has, too, are leaks.
    part
        Data row -> the part (train, test) it is in, where `catalog` holds several.
    learning_curve
        Whether to forecast what more examples bring; takes about as long as the rest.

    Raises
    ------
    TrainingError
        If fewer than two categories have enough listings.
    """
    if options and embedder:
        raise ValueError("An embedder has options of its own. Give it or options, not both.")
    config = config or Config(min_examples=MIN_EXAMPLES)
    config = config.model_copy(update={"fusion": "pool", "calibration": "cross"})
    options = options or RunOptions(cache=EmbeddingCache())
    embedder = embedder or load_embedder(config, options)
    catalog, data, _ = prepare(catalog, embedder, config, quality=True)
    classifier, held_out = fit_classifier(data, config)
    judged = judge_labels(data, held_out)
    own_pairs, test_pairs = _duplicates(catalog, data, embedder, test)
    probability = judged.by_listing_id(data)
    findings = [
        *label_findings(judged, catalog, data),
        *duplicate_pairs.conflicts(own_pairs, catalog, config.levels, probability),
        *photo_findings(catalog, data.embedded),
        *title_findings(judged, catalog, data),
    ]
    if part:
        findings += duplicate_pairs.part_leaks(own_pairs, catalog, part)
        if data.grouping.coarser:
            findings += duplicate_pairs.group_leaks(data.grouping.groups.tolist(), catalog, part)
    if test:
        findings += duplicate_pairs.measured_leaks(test_pairs, catalog, test.listings)
    groups = data.groups[data.trained_rows]
    pairs = category_pairs(judged.fused, judged.labels, groups, ~judged.wrong)
    findings += [_overlap(pair, data.class_names) for pair in pairs if pair.overlaps]
    answers = judged.fused.argmax(axis=1)
    forecasts = None
    if learning_curve and isinstance(classifier, LateFusion):
        forecasts = _forecasts(data, classifier, ~judged.wrong, config, embedder.options.progress)
    return Audit(
        catalog=catalog,
        findings=ranked(findings),
        categories=_advice(judged, data, forecasts),
        pairs=tuple(pairs[:MAX_PAIRS]),
        left_out=data.left_out,
        levels=config.levels,
        n_judged=len(judged.labels),
        wrong_fraction=judged.noise.noise_fraction,
        right=float((answers == judged.labels).mean()),
        n_duplicates=sum(pair.mergeable for pair in own_pairs),
        groups=data.grouping.source,
    )


def _duplicates(
    catalog: Catalog, data: TrainingData, embedder: Embedder, test: Catalog | None
) -> tuple[list[DuplicatePair], list[DuplicatePair]]:
    """Compare the listings with each other, and with those of the test file."""
    limits, progress = embedder.options.limits, embedder.options.progress
    cache = embedder.options.cache
    store = DetailStore(cache.path.parent, limits) if cache else None
    columns = [catalog.product_columns.get(row, {}) for row in catalog.rows]
    compare = partial(
        match_listings, data.embedded, embedder.photos, limits=limits, progress=progress
    )
    own = compare(columns=columns, stores=(store, None)).pairs
    if test is None:
        return own, []
    _, others = embedder.embed_catalog(test, description=False)
    return own, compare(against=others, stores=(store, store)).pairs


def _forecasts(
    data: TrainingData, classifier: LateFusion, keep: Bools, config: Config, progress: bool
) -> list[Forecast]:
    """Draw the learning curve through the listings whose label isn't wrong."""
    rows = data.trained_rows[keep]
    labels, groups, n_categories = data.labels[keep], data.groups[rows], len(data.class_names)
    views = with_prototypes(data.views)
    views = take({name: views[name] for name in classifier.heads}, rows)
    weights = classifier.weights_for(frozenset(map(modality, views)))
    right = subset_answers(
        views,
        classifier.heads,
        weights,
        labels,
        groups,
        data.folds[rows],
        n_categories,
        seed=config.seed,
        progress=progress,
    )
    return forecast_gains(right, labels, groups, n_categories, seed=config.seed)


def _advice(
    judged: JudgedLabels, data: TrainingData, forecasts: list[Forecast] | None
) -> tuple[CategoryAdvice, ...]:
    names, keep = data.class_names, ~judged.wrong
    answers = judged.fused.argmax(axis=1)
    mistaken = mistaken_for(answers[keep], judged.labels[keep], len(names))
    n_wrong = np.bincount(judged.labels[judged.wrong], minlength=len(names))
    return tuple(
        CategoryAdvice(
            name,
            int(n_wrong[column]),
            forecasts[column] if forecasts else None,
            names[taken[0]] if (taken := mistaken[column]) else "",
            taken[1] if taken else 0,
        )
        for column, name in enumerate(names)
    )


def _overlap(pair: CategoryPair, names: tuple[str, ...]) -> Finding:
    return Finding(
        "overlapping_categories",
        2 * pair.confusion,
        f"Of as many listings of each, {pair.confusion:.0%} ({pair.low:.0%} to {pair.high:.0%}) "
        "look more like the other one; of categories that are the same, half would. Merge them, or "
        "say what tells them apart.",
        names[pair.a],
        names[pair.b],
    )
