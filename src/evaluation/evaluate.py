"""Evaluate a pipeline on labelled listings: every arm on the same rows."""

from collections.abc import Callable, Sequence

import numpy as np
from scipy.special import softmax

from ..catalog.catalog import Catalog
from ..catalog.listing import Listing, category_prefix
from ..core.arrays import Floats
from ..core.errors import CatalogError
from ..embedding.grouping import stated_groups
from ..fusion.views import DESCRIPTION, PHOTO, TITLE, Views, patterns, restrict
from ..pipeline.decision import Evidence
from ..pipeline.pipeline import ListingPipeline
from ..pipeline.shift import OnShift
from ..retrieval.index.store import Neighbour
from ..retrieval.model import RetrievalModel
from ..vision.thumbnails import thumbnail_uri
from .compare import ArmPredictions, EvaluationInput
from .ood import measure_ood

ARMS = {
    "fusion": {PHOTO, TITLE, DESCRIPTION},
    "image_only": {PHOTO},
    "title_only": {TITLE},
    "text_only": {TITLE, DESCRIPTION},
}
SHARPNESS = 20.0
"""Logits per unit of cosine: a neighbour 0.1 nearer counts seven times as much."""
UNSURE = 0.05
"""Share of the vote that goes to all categories alike, so that none is impossible."""


def evaluate(
    pipeline: ListingPipeline,
    catalog: Catalog,
    *,
    outside: Sequence[Listing] = (),
    on_shift: OnShift = "review",
) -> tuple[EvaluationInput, Catalog]:
    """Answer every listing by fusion, by each kind of evidence alone, and by its neighbours.

    Whether a listing is in the bundle's catalogue already isn't looked for, though `predict` holds
    such: the promise is about the category, and how many a test file shares with the training
    listings says nothing of the uploads to come.

    Parameters
    ----------
    catalog
        Read with ``need_category=True``.
    outside
        Photos of what the catalogue doesn't sell; the detector is measured with them.
    on_shift
        As for `ListingPipeline.predict`: what is accepted is what users get of new listings.

    Returns
    -------
    EvaluationInput, Catalog
        For `compare` and `report.write_report`; without the rows whose photo couldn't be used.

    Raises
    ------
    CatalogError
        If no row is left.
    """
    embedder, description = pipeline.embedder, pipeline.config.description
    catalog, embedded = embedder.embed_catalog(catalog, description=description)
    if not catalog.listings:
        raise CatalogError(
            f"Evaluation needs at least one usable row with a category, but {catalog.source} has "
            f"none ({catalog.summary()}). {catalog.first_reasons()}"
        )
    views = pipeline.views(embedded)
    levels = pipeline.config.levels
    evidence = pipeline.evidence(embedded, views)
    baselines = _arms(pipeline, views)
    ood = None
    if (retrieval := pipeline.retrieval) is not None:
        baselines |= retrieval_baselines(retrieval, evidence, pipeline.class_names, levels)
        if outside and retrieval.ood_detector is not None:
            seen = pipeline.views(embedder.embed(outside))
            own, strangers = evidence.predictions, pipeline.predict_views(seen)
            ood = measure_ood(
                retrieval.ood_detector, views, seen, own.probabilities, strangers.probabilities
            )
    shift = None
    if on_shift != "ignore":
        shift = pipeline.shift_detector().watch(r.p_value for r in evidence.retrieved).shift
    decisions = pipeline.policy.decisions(evidence)
    held = shift is not None and on_shift == "review"
    grouping = stated_groups(
        catalog.listings,
        embedded.photo,
        embedded.photo_hashes,
        embedded.titles,
        pipeline.config.n_folds,
        embedded.further,
    )
    evaluation = EvaluationInput(
        listing_ids=[listing.listing_id for listing in catalog.listings],
        titles=[listing.title or "" for listing in catalog.listings],
        categories=[category_prefix(item.category or "", levels) for item in catalog.listings],
        class_names=pipeline.class_names,
        baselines=baselines,
        accepted=np.array([said == "accept" and not held for said in decisions]),
        levels=levels,
        target_precision=pipeline.config.accept.target_precision,
        ood=ood,
        shift=shift,
        groups=grouping.groups,
    )
    return evaluation, catalog


def _arms(pipeline: ListingPipeline, views: Views) -> dict[str, ArmPredictions]:
    """One arm each that at least one row can answer."""
    baselines = {}
    for name, modalities in ARMS.items():
        seen = restrict(views, modalities & pipeline.modalities)
        answered = np.array([bool(pattern) for pattern in patterns(seen)])
        if answered.any():
            probabilities = np.exp(pipeline.classifier.log_probabilities(seen))
            baselines[name] = ArmPredictions(probabilities.astype(np.float64), answered)
    return baselines


def retrieval_baselines(
    retrieval: RetrievalModel,
    evidence: Evidence,
    class_names: Sequence[str],
    levels: int,
) -> dict[str, ArmPredictions]:
    """Answer by neighbours in the index and by zero-shot, where the bundle has them."""
    baselines = {}
    if retrieval.index is not None:
        near = [each.neighbours for each in evidence.retrieved]
        votes = neighbour_votes(near, class_names, levels)
        baselines["knn"] = ArmPredictions(votes, np.array([len(row) > 0 for row in near]))
    if retrieval.zero_shot is not None:
        zero_shot = retrieval.zero_shot.take(class_names)
        said = zero_shot.classify(*retrieval.in_text_space(evidence.embedded))
        answered = evidence.embedded.photo.present | evidence.embedded.title.present
        baselines["zero_shot"] = ArmPredictions(said.astype(np.float64), answered)
    return baselines


def neighbour_votes(
    neighbours: Sequence[Sequence[Neighbour]], class_names: Sequence[str], levels: int
) -> Floats:
    """Let neighbours vote for their categories, nearer ones more.

    Of shape ``(n, n_categories)``, rows sum to 1.
    """
    column = {name: i for i, name in enumerate(class_names)}
    votes = np.full((len(neighbours), len(column)), UNSURE / len(column))
    for row, near in enumerate(neighbours):
        known = [
            (column[name], each.similarity)
            for each in near
            if (name := category_prefix(each.category or "", levels)) in column
        ]
        if not known:
            votes[row] = 1.0 / len(column)
            continue
        columns, similarities = zip(*known, strict=True)
        weights = softmax(SHARPNESS * np.array(similarities))
        np.add.at(votes[row], list(columns), (1.0 - UNSURE) * weights)
    return votes


def thumbnails(catalog: Catalog) -> Callable[[int], str | None]:
    """Give a function that shows a listing's photo small, as a data URI; None where it has none."""
    return lambda row: thumbnail_uri(catalog.listings[row].image)
