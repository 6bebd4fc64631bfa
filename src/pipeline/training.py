"""Training: a catalogue in, a calibrated pipeline out."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..catalog.catalog import Catalog
from ..catalog.listing import Listing, category_prefix
from ..catalog.splits import duplicate_groups, group_folds, split_indices
from ..core.arrays import Ints
from ..core.config import Config
from ..core.device import pick_device, pick_precision
from ..core.errors import TrainingError
from ..embedding.embedder import Embedded, Embedder, set_problems_aside
from ..embedding.fold_encoders import with_fold_encoders
from ..fusion.classifier import HeldOut
from ..fusion.storage import METHODS
from ..fusion.views import DESCRIPTION, TITLE, Modalities, Views, modality, restrict, take
from ..retrieval.fit import finest_labels, fit_retrieval
from ..text.tfidf import Tfidf
from .accept_rules import evidence, fit_rules, unseen_answers
from .features import build_views
from .pipeline import ListingPipeline

MIN_TEXTS = 30
"""Fewer texts than this can't say which words tell categories apart."""
CALIBRATION_SHARE = 0.2
NEW_SHARE = 0.5
"""With at least so many of the photos new to a fine-tuned encoder, those calibrate well enough."""
MIN_OF_KIND = 5
"""A category of so many listings is a kind of its own to the out-of-catalogue gate."""


@dataclass(frozen=True)
class TrainingResult:
    """A trained pipeline, and the catalogue as it was used (more rows may be rejected)."""

    pipeline: ListingPipeline
    catalog: Catalog


def resolve(config: Config, device: str) -> Config:
    """Replace ``auto`` by what this machine does best, so that a bundle names what it ran on."""
    place = pick_device(device)
    image, text = config.image, config.text
    return config.model_copy(
        update={
            "image": image.model_copy(update={"precision": pick_precision(image.precision, place)}),
            "text": text.model_copy(update={"precision": pick_precision(text.precision, place)}),
        }
    )


def train(
    catalog: Catalog,
    embedder: Embedder,
    config: Config,
    *,
    outside: Sequence[Listing] = (),
    device: str = "auto",
) -> TrainingResult:
    """Fit everything on a labelled catalogue.

    Parameters
    ----------
    catalog
        Read with ``need_category=True``.
    embedder
        The encoders that `config` names (see `embedding.embedder.load_embedder`).
    config
        Resolved (see `resolve`).
    outside
        Things that the catalogue doesn't sell: they sharpen the out-of-catalogue gate.
    device
        Where a CLIP model runs, if one is configured.

    Raises
    ------
    TrainingError
        If fewer than two categories have enough listings.
    """
    embedded = embedder.embed(catalog.listings, description=config.description)
    catalog, embedded = set_problems_aside(catalog, embedded)
    if embedded.photo.calibration_mask.sum() < NEW_SHARE * embedded.photo.present.sum():
        embedded = with_fold_encoders(embedded, catalog.listings, embedder)
    categories = [category_prefix(item.category or "", config.levels) for item in catalog.listings]
    counts = Counter(categories)
    class_names = tuple(sorted(name for name, n in counts.items() if n >= config.min_examples))
    left_out = {n: counts[n] for n in sorted(counts) if counts[n] < config.min_examples}
    if len(class_names) < 2:
        raise TrainingError(
            f"Training needs at least 2 categories with {config.min_examples} listings or more, "
            f"but {len(class_names)} of {len(counts)} have them. Add listings, or lower "
            f"--min-examples or --levels. {catalog.summary()}. {catalog.first_reasons()}".rstrip()
        )
    column = {name: i for i, name in enumerate(class_names)}
    kept = np.array([row for row, name in enumerate(categories) if name in column])
    labels = np.array([column[categories[row]] for row in kept])
    groups = duplicate_groups(
        embedded.photo_hashes,
        [title or None for title in embedded.titles],
        embedded.photo.dense(),
        has_photo=embedded.photo.present,
    )
    folds = group_folds(categories, groups, _n_folds(groups, config), config.seed)
    tfidf = _fit_tfidf(embedded, kept, config.text.min_listings)
    all_views = build_views(embedded, tfidf)
    views = take(all_views, kept)
    if config.calibration == "split":
        kept_names = [class_names[label] for label in labels]
        classifier, held_out = _fit_split(
            views, labels, kept_names, groups[kept], len(class_names), config
        )
    else:  # every listing calibrates once, by models that haven't seen it nor its duplicates
        method = METHODS[config.fusion]
        classifier, held_out = method.fit(views, labels, len(class_names), folds[kept])
    other = np.array([row for row, name in enumerate(categories) if name not in column], dtype=int)
    rules = fit_rules(
        held_out,
        [class_names[label] for label in labels],
        unseen_answers(classifier, take(all_views, other), held_out),
        [categories[row] for row in other],
        class_names,
        config,
    )
    facts = {
        "n_listings": len(kept),
        "n_left_out": len(catalog.listings) - len(kept),
        "n_rejected": len(catalog.rejected),
        "n_photos": int(views["photo"].present.sum()),
        "n_siblings": len(views["photo"].fold_encoders),
        "n_familiar": int((views["photo"].present & ~views["photo"].calibration_mask).sum()),
        "n_titles": int(views["title_embedding"].present.sum()),
        "n_descriptions": int(views["description_embedding"].present.sum()),
        "n_duplicates": int(len(groups) - groups.max() - 1),
        "category_counts": {name: counts[name] for name in class_names},
        "left_out": left_out,
        "evidence": evidence(held_out, labels, rules),
    }
    retrieval = fit_retrieval(
        catalog.listings,
        embedded,
        views=all_views,
        labels=finest_labels([item.category or "" for item in catalog.listings], MIN_OF_KIND),
        folds=folds,
        names=(*class_names, *left_out),
        categories=categories,
        outside=outside,
        embedder=embedder,
        config=config.retrieval,
        device=device,
    )
    pipeline = ListingPipeline(
        embedder, tfidf, classifier, class_names, rules, config, facts, retrieval
    )
    return TrainingResult(pipeline, catalog)


def _fit_tfidf(embedded: Embedded, rows: Ints, min_texts: int) -> dict[str, Tfidf]:
    fitted = {}
    for part, texts in ((TITLE, embedded.titles), (DESCRIPTION, embedded.descriptions)):
        there = [texts[row] for row in rows if texts[row]]
        if len(there) >= MIN_TEXTS and any(c.isalnum() for text in there for c in text):
            fitted[part] = Tfidf.fit(there, min_texts=min_texts)
    return fitted


def _fit_split(
    views: Views,
    labels: Ints,
    names: Sequence[str],
    groups: Ints,
    n_categories: int,
    config: Config,
) -> tuple[Any, dict[Modalities, HeldOut]]:
    """Calibrate on a fifth of the listings, which train nothing, the photo encoder included.

    Raises
    ------
    TrainingError
        If the photo encoder knows every photo.
    """
    views = {name: replace(view, fold_encoders=()) for name, view in views.items()}
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
        take(views, train), labels[train], n_categories, folds
    )
    held_out = {}
    for pattern in patterns:
        there = [v.calibration_mask for name, v in views.items() if modality(name) in pattern]
        rows = calibration[np.all(there, axis=0)[calibration]]
        if len(rows):
            seen = take(restrict(views, pattern), rows)
            held_out[pattern] = HeldOut(rows, classifier.log_probabilities(seen))
    return classifier, held_out


def _n_folds(groups: Ints, config: Config) -> int:
    n_groups = len(np.unique(groups))
    if n_groups < 3:
        raise TrainingError(
            f"Training needs at least 3 listings that aren't duplicates, got {n_groups}."
        )
    return min(config.n_folds, n_groups)
