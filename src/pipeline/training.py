"""Training in stages: the data laid out, a classifier, its accept rules, the catalogue's model."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..catalog.catalog import Catalog
from ..catalog.listing import Listing, category_prefix
from ..catalog.splits import group_folds, split_indices
from ..core.arrays import Bools, Ints
from ..core.config import Config
from ..core.errors import TrainingError
from ..embedding.embedder import Embedder
from ..embedding.fold_encoders import with_fold_encoders
from ..embedding.grouping import Holds, group_listings
from ..embedding.listings import EmbeddedListings
from ..embedding.training_data import TrainingData
from ..fusion.accept_rule import Examples, Rules
from ..fusion.calibration import held_out_fraction, some_rows
from ..fusion.classifier import FusionClassifier
from ..fusion.held_out import HeldOut
from ..fusion.storage import METHODS
from ..fusion.views import DESCRIPTION, TITLE, Modalities, modality, restrict, take
from ..retrieval.fit import fit_retrieval
from ..text.tfidf import Tfidf
from .accept_rules import evidence, fit_rules, forecast, uncertainty, unseen_answers
from .category_rules import CategoryRule, fit_category_rules
from .features import build_views, embed_names
from .newest import lean_to_newest
from .state import PipelineState

MIN_TEXTS = 30
"""Fewer texts than this can't say which words tell categories apart."""
CALIBRATION_SHARE = 0.2
NEW_SHARE = 0.5
"""With at least so many of the photos new to a fine-tuned encoder, those calibrate well enough."""


def fit_state(
    catalog: Catalog,
    embedder: Embedder,
    config: Config,
    *,
    outside: Sequence[Listing] = (),
    newest: Sequence[str] = (),
) -> PipelineState:
    """Fit everything on a labelled catalogue; see `ListingPipeline.fit`.

    Parameters
    ----------
    embedder
        The encoders that `config` names.
    config
        With precisions that this machine has; see `RunOptions.applied_to`.
    """
    catalog, data, tfidf = prepare(catalog, embedder, config)
    n, known, others = len(data.categories), data.trained_rows, data.other_rows
    fraction = held_out_fraction(len(known), len(data.class_names))
    asked, others = some_rows(len(known), fraction), others[some_rows(len(others), fraction)]
    classifier, held_out = fit_classifier(data, config, asked)
    unseen = unseen_answers(classifier, take(data.views, others), held_out)
    unsure = uncertainty(n, known, held_out, others, unseen)
    place = {catalog.listings[row].listing_id: n for n, row in enumerate(known)}
    of_newest = np.array([place[name] for name in newest if name in place], dtype=int)
    leaning = lean_to_newest(data, config, of_newest, held_out)
    if leaning:
        classifier, held_out = leaning.classifier, dict(leaning.held_out)
        unseen = unseen_answers(classifier, take(data.views, others), held_out)
        for pattern, own in uncertainty(n, known, held_out, others, unseen).items():
            unsure[pattern] = np.where(np.isnan(own), unsure[pattern], own)
    rules, by_category = fit_accept_rules(data, held_out, others, unseen, config)
    retrieval = fit_retrieval(data, embedder, config.retrieval, outside, unsure)
    facts = _facts(data, catalog) | {
        "evidence": evidence(held_out, data.labels, rules),
        "forecast": _forecast(data, held_out, rules, config, asked, alone=leaning is not None),
        "category_rules": [each.to_json() for each in by_category],
    }
    if leaning:
        facts["newest"] = {"n_listings": leaning.n_listings, "gain_nats": leaning.gain}
    if retrieval and retrieval.joint_facts:
        facts["joint_space"] = dict(retrieval.joint_facts)
    return PipelineState(
        embedder, tfidf, classifier, data.class_names, rules, config, facts, retrieval, catalog
    )


def prepare(
    catalog: Catalog, embedder: Embedder, config: Config, *, quality: bool = False
) -> tuple[Catalog, TrainingData, dict[str, Tfidf]]:
    """Embed a catalogue, weigh its words, group its listings, and cut it into folds.

    Parameters
    ----------
    quality
        Measure the photos as well.

    Raises
    ------
    TrainingError
        If fewer than two categories have enough listings.
    """
    catalog, embedded = embedder.embed_catalog(
        catalog, description=config.description, quality=quality
    )
    if embedded.photo.calibration_mask.sum() < NEW_SHARE * embedded.photo.present.sum():
        embedded = with_fold_encoders(embedded, embedder)
    categories = [category_prefix(item.category or "", config.levels) for item in catalog.listings]
    counts = Counter(categories)
    class_names = tuple(sorted(name for name, n in counts.items() if n >= config.min_examples))
    if len(class_names) < 2:
        raise TrainingError(
            f"Training needs at least 2 categories with {config.min_examples} listings or more, "
            f"but {len(class_names)} of {len(counts)} have them. Add listings, or lower "
            f"--min-examples or --levels. {catalog.summary()}. {catalog.first_reasons()}".rstrip()
        )
    grouping = group_listings(
        catalog.listings,
        embedded.photo,
        embedded.photo_hashes,
        embedded.titles,
        categories,
        n_folds=config.n_folds,
        seed=config.seed,
        known=getattr(embedder.photos, "sessions", None),
        further=embedded.further,
    ).announced()
    groups = grouping.of(config.accept.holds_for)
    data = TrainingData(
        embedded=embedded,
        views={},
        categories=categories,
        class_names=class_names,
        left_out={n: counts[n] for n in sorted(counts) if counts[n] < config.min_examples},
        grouping=grouping,
        groups=groups,
        folds=group_folds(categories, groups, _n_folds(groups, config), config.seed),
        names=embed_names(class_names, embedder),
    )
    tfidf = _fit_tfidf(embedded, data.trained_rows, config.text.min_listings)
    return catalog, replace(data, views=build_views(embedded, tfidf)), tfidf


def fit_classifier(
    data: TrainingData, config: Config, asked: Bools | None = None
) -> tuple[FusionClassifier, dict[Modalities, HeldOut]]:
    """Fit the classifier, and gather its answers to listings that it hadn't seen.

    With ``calibration: cross`` every listing gives one, by models that have seen neither it nor its
    duplicates; or those that are `asked`, shape ``(n_trained_rows,)``.
    """
    if config.calibration == "split":
        return _fit_split(data, config)
    method, folds = METHODS[config.fusion], data.folds[data.trained_rows]
    n_categories = len(data.class_names)
    return method.fit(data.trained_views, data.labels, n_categories, folds, data.names, asked)


def _fit_split(
    data: TrainingData, config: Config
) -> tuple[FusionClassifier, dict[Modalities, HeldOut]]:
    """Calibrate on a fifth of the listings, which train nothing, the photo encoder included.

    Raises
    ------
    TrainingError
        If the photo encoder knows every photo.
    """
    views = {name: replace(view, fold_encoders=()) for name, view in data.trained_views.items()}
    names = [data.categories[row] for row in data.trained_rows]
    groups = data.groups[data.trained_rows]
    if views["photo"].present.any() and not views["photo"].calibration_mask.any():
        raise TrainingError(
            "`calibration: split` needs photos that the encoder wasn't fine-tuned on, but it has "
            "learned all of them. Use `calibration: cross`, or fine-tune with `n_parts: 1`."
        )
    shares = {"train": 1 - CALIBRATION_SHARE, "calibration": CALIBRATION_SHARE}
    parts = split_indices(names, groups, shares, config.seed)
    train, calibration = parts["train"], parts["calibration"]
    own = [names[row] for row in train]
    folds = group_folds(own, groups[train], _n_folds(groups[train], config), config.seed)
    classifier, patterns = METHODS[config.fusion].fit(
        take(views, train), data.labels[train], len(data.class_names), folds, data.names
    )
    held_out = {}
    for pattern in patterns:
        there = [v.calibration_mask for name, v in views.items() if modality(name) in pattern]
        rows = calibration[np.all(there, axis=0)[calibration]]
        if len(rows):
            seen = take(restrict(views, pattern), rows)
            held_out[pattern] = HeldOut(rows, classifier.log_probabilities(seen))
    return classifier, held_out


def fit_accept_rules(
    data: TrainingData,
    held_out: Mapping[Modalities, HeldOut],
    others: Ints,
    unseen: Mapping[Modalities, HeldOut],
    config: Config,
) -> tuple[Rules, list[CategoryRule]]:
    """Fit when an answer is accepted, on `held_out`, and on listings of categories left out.

    And what each category's own cut-off would be, which decides nothing. `others` are the rows that
    `unseen` is about.
    """
    trained = data.trained_rows
    names = [[data.categories[row] for row in rows] for rows in (trained, others)]
    given = (held_out, names[0], unseen, names[1], data.class_names, config)
    options: dict[str, Any] = {
        "examples": _examples(data, config),
        "groups": data.groups[trained],
        "unseen_groups": data.groups[others],
    }
    return fit_rules(*given, **options), fit_category_rules(*given, **options)


def _forecast(
    data: TrainingData,
    held_out: Mapping[Modalities, HeldOut],
    rules: Rules,
    config: Config,
    asked: Bools,
    *,
    alone: bool,
) -> dict[Holds, dict[str, float]]:
    """Say what to expect of listings of groups that training knows, and of new ones.

    Parameters
    ----------
    alone
        Say it of what `held_out` is about, and nothing else.

    Returns
    -------
    dict
        ``same_groups`` and ``new_groups``; only the latter where no groups are known, or `alone`.
    """
    holds_for = config.accept.holds_for
    examples = _examples(data, config)
    known = {holds_for: forecast(held_out, data.labels, rules, data.trained_views, examples)}
    if alone or not data.grouping.coarser:
        return {"new_groups": known[holds_for]}
    other: Holds = "same_groups" if holds_for == "new_groups" else "new_groups"
    groups = data.grouping.of(other)
    folds = group_folds(data.categories, groups, _n_folds(groups, config), config.seed)
    _, answers = fit_classifier(replace(data, groups=groups, folds=folds), config, asked)
    return known | {other: forecast(answers, data.labels, rules, data.trained_views, examples)}


def _examples(data: TrainingData, config: Config) -> Examples:
    counts = np.bincount(data.labels, minlength=len(data.class_names))
    return Examples(counts, config.accept.min_examples)


def _fit_tfidf(embedded: EmbeddedListings, rows: Ints, min_texts: int) -> dict[str, Tfidf]:
    fitted = {}
    for part, texts in ((TITLE, embedded.titles), (DESCRIPTION, embedded.descriptions)):
        there = [texts[row] for row in rows if texts[row]]
        if len(there) >= MIN_TEXTS and any(c.isalnum() for text in there for c in text):
            fitted[part] = Tfidf.fit(there, min_texts=min_texts)
    return fitted


def _n_folds(groups: Ints, config: Config) -> int:
    n_groups = len(np.unique(groups))
    if n_groups < 3:
        raise TrainingError(
            f"Training needs at least 3 listings that aren't duplicates, got {n_groups}."
        )
    return min(config.n_folds, n_groups)


def _facts(data: TrainingData, catalog: Catalog) -> dict[str, Any]:
    photo, counts = data.trained_views["photo"], Counter(data.categories)
    return {
        "n_listings": len(data.trained_rows),
        "n_left_out": len(data.other_rows),
        "n_rejected": len(catalog.rejected),
        "n_photos": int(photo.present.sum()),
        "n_fold_encoders": len(photo.fold_encoders),
        "n_in_encoder_train_set": int((photo.present & ~photo.calibration_mask).sum()),
        "n_titles": int(data.trained_views["title_embedding"].present.sum()),
        "n_descriptions": int(data.trained_views["description_embedding"].present.sum()),
        "n_duplicates": int(len(data.groups) - data.grouping.duplicates.max() - 1),
        "grouping": {
            "source": data.grouping.source,
            "n_groups": len(np.unique(data.groups[data.trained_rows])),
            **data.grouping.found,
        },
        "category_counts": {name: counts[name] for name in data.class_names},
        "left_out": dict(data.left_out),
    }
