"""Calibrate a trained pipeline anew, on labelled listings of a kind that it wasn't trained on."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..catalog.catalog import Catalog
from ..catalog.listing import category_prefix
from ..catalog.splits import group_folds
from ..core.arrays import Floats, Ints
from ..core.errors import ConfigError, TrainingError
from ..embedding.grouping import stated_groups
from ..fusion.adaptation import MAX_TRAINING, N_FOLDS, Labelled
from ..fusion.classifier import LateFusion
from ..fusion.held_out import MIN_ROWS
from ..fusion.views import PHOTO, TITLE, Modalities, Views, take
from ..retrieval.model import RetrievalModel, dense
from .accept_rules import evidence, fit_rules, forecast, uncertainty, unseen_answers
from .category_rules import fit_category_rules
from .pipeline import ListingPipeline


def recalibrate(pipeline: ListingPipeline, catalog: Catalog) -> ListingPipeline:
    """Give a pipeline new temperatures, pool weights, cut-offs and detector calibration.

    The experts move towards these listings, from where training left them; where the bundle keeps
    an index, fitting them anew on training listings and these together is tried as well. So some
    hundred suffice. The promise is then about more listings of this kind: of these sellers and
    sessions, unless a group column tells them apart. A kind of evidence (photo, title, description
    and their combinations) that too few of them have isn't accepted on any more.

    Parameters
    ----------
    catalog
        Labelled listings of the new kind, none of which was trained on; read with
        ``need_category=True``.

    Raises
    ------
    ConfigError
        If the pipeline's way of fusing can't be calibrated by itself.
    TrainingError
        If fewer than `MIN_ROWS` listings are of categories that it knows.
    """
    classifier, config = pipeline.classifier, pipeline.config
    if not isinstance(classifier, LateFusion):
        raise ConfigError(
            f"Only `fusion: pool` can be calibrated anew, but this bundle has {config.fusion}. "
            "Train it with the new listings among the others."
        )
    catalog, embedded = pipeline.embedder.embed_catalog(catalog, description=config.description)
    categories = [category_prefix(item.category or "", config.levels) for item in catalog.listings]
    column = {name: i for i, name in enumerate(pipeline.class_names)}
    known = np.array([row for row, name in enumerate(categories) if name in column], dtype=int)
    others = np.array([n for n, name in enumerate(categories) if name not in column], dtype=int)
    if len(known) < MIN_ROWS:
        raise TrainingError(
            f"Calibrating anew needs {MIN_ROWS} listings of categories that the bundle knows, got "
            f"{len(known)} of {len(categories)}. Label more. {catalog.summary()}"
        )
    grouping = stated_groups(
        catalog.listings,
        embedded.photo,
        embedded.photo_hashes,
        embedded.titles,
        config.n_folds,
        embedded.further,
    )
    groups = grouping.groups
    views, labels = pipeline.views(embedded), np.array([column[categories[row]] for row in known])
    n_folds = min(N_FOLDS, len(np.unique(groups[known])))
    folds = group_folds([categories[row] for row in known], groups[known], n_folds, config.seed)
    classifier, held_out = classifier.recalibrated(
        take(views, known), labels, folds, training_listings(pipeline, column)
    )
    unseen = unseen_answers(classifier, take(views, others), held_out)
    names = [[categories[row] for row in rows] for rows in (known, others)]
    given = (held_out, names[0], unseen, names[1], pipeline.class_names, config)
    grouped = {"groups": groups[known], "unseen_groups": groups[others]}
    rules = fit_rules(*given, examples=pipeline.examples, **grouped)
    by_category = fit_category_rules(*given, examples=pipeline.examples, **grouped)
    unsure = uncertainty(len(categories), known, held_out, others, unseen)
    calibrated = replace(pipeline, classifier=classifier, rules=rules, catalog=catalog, version="")
    counts = Counter(categories)
    facts: dict[str, Any] = dict(pipeline.facts) | {
        "evidence": evidence(held_out, labels, rules),
        "forecast": {
            "new_groups": forecast(held_out, labels, rules, take(views, known), pipeline.examples)
        },
        "category_rules": [each.to_json() for each in by_category],
        "grouping": {
            "source": grouping.source,
            "n_groups": len(np.unique(groups[known])),
        },
        "recalibrated": {
            "from": pipeline.version,
            "n_listings": len(known),
            "category_counts": {name: counts[name] for name in column if counts[name]},
        },
    }
    retrieval = _recalibrated(calibrated, views, groups, unsure)
    return replace(calibrated, facts=facts, retrieval=retrieval)


def training_listings(pipeline: ListingPipeline, column: Mapping[str, int]) -> dict[str, Labelled]:
    """Take photos and titles of training listings, `MAX_TRAINING` at most, if they were kept."""
    kept = pipeline.retrieval and pipeline.retrieval.some_listings(MAX_TRAINING)
    if not kept:
        return {}
    levels = pipeline.config.levels
    names = [category_prefix(listing.category or "", levels) for listing in kept.listings]
    labels = np.array([column.get(name, -1) for name in names])
    found = {}
    for name, view in ((PHOTO, kept.photo), (f"{TITLE}_embedding", kept.title)):
        there = view.present & (labels >= 0)
        if len(np.unique(labels[there])) > 1:
            found[name] = Labelled(view.array[there], labels[there])
    return found


def _recalibrated(
    pipeline: ListingPipeline,
    views: Views,
    groups: Ints,
    unsure: dict[Modalities, Floats],
) -> RetrievalModel | None:
    retrieval = pipeline.retrieval
    if retrieval is None or retrieval.ood_detector is None:
        return retrieval
    predicted = pipeline.predict_views(views).probabilities.argmax(axis=1)
    detector = retrieval.ood_detector.recalibrated(dense(views), predicted, groups, unsure)
    return replace(retrieval, ood_detector=detector)
