"""Which way of fusing photo and text is right most often, also where one of them is missing?

python benchmarks/fusion.py CATALOGUE [--image-root FOLDER] [--levels 1] [--folds 5] [--seed 0]

Cross-validates the methods on a labelled catalogue, duplicates kept together: the pool (the
default), the same experts pooled with equal weights, concatenation, stacking. Every fold trains on
all that the other folds have; it is answered as it is, without photos, and without texts. Only
listings that have a photo and a text are counted. The first run embeds, later ones find the
embeddings in the cache.
"""

import argparse
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table
from shelfsure.catalog.catalog import read_catalog
from shelfsure.catalog.listing import category_prefix
from shelfsure.catalog.splits import duplicate_groups, group_folds
from shelfsure.core.arrays import Bools, Floats, Ints
from shelfsure.core.cache import EmbeddingCache
from shelfsure.core.config import load_config
from shelfsure.embedding.embedder import load_embedder
from shelfsure.embedding.listings import EmbeddedListings
from shelfsure.embedding.run_options import RunOptions
from shelfsure.evaluation.intervals import wilson_interval
from shelfsure.evaluation.metrics import expected_calibration_error, log_loss
from shelfsure.fusion.alternatives import Concatenation, Stacking
from shelfsure.fusion.classifier import FusionClassifier, LateFusion
from shelfsure.fusion.views import (
    DESCRIPTION,
    PHOTO,
    TITLE,
    Views,
    all_patterns,
    modality,
    restrict,
    take,
)
from shelfsure.pipeline.features import build_views
from shelfsure.pipeline.training import MIN_TEXTS
from shelfsure.text.tfidf import Tfidf

INPUTS = {
    "all": {PHOTO, TITLE, DESCRIPTION},
    "no photo": {TITLE, DESCRIPTION},
    "no text": {PHOTO},
}
Fit = Callable[[Views, Ints, int, Ints], FusionClassifier]
FITS: dict[str, Fit] = {
    "pool": lambda *training: LateFusion.fit(*training)[0],
    "concatenation": Concatenation.fit_only,
    "stacking": Stacking.fit_only,
}
EQUAL = "equal weights"


def read(options: argparse.Namespace) -> tuple[EmbeddedListings, list[str]]:
    """Embed the listings of every category that has enough of them."""
    config = load_config()
    catalog = read_catalog(options.catalogue, image_root=options.image_root, need_category=True)
    embedder = load_embedder(config, RunOptions(cache=EmbeddingCache(), progress=True))
    catalog, embedded = embedder.embed_catalog(catalog)
    names = [category_prefix(item.category or "", options.levels) for item in catalog.listings]
    counts = Counter(names)
    kept = [row for row, name in enumerate(names) if counts[name] >= config.min_examples]
    return embedded.take(kept), [names[row] for row in kept]


def views_for(embedded: EmbeddedListings, training: Bools) -> Views:
    """Views of all listings, with words weighed by those of the training part."""
    tfidf = {}
    for part, texts in ((TITLE, embedded.titles), (DESCRIPTION, embedded.descriptions)):
        own = [text for text, trains in zip(texts, training, strict=True) if trains and text]
        if len(own) >= MIN_TEXTS:
            tfidf[part] = Tfidf.fit(own)
    return build_views(embedded, tfidf)


def with_equal_weights(pool: LateFusion) -> LateFusion:
    """Keep the experts, forget what was learned about their worth."""
    weights = {}
    for pattern in all_patterns(pool.heads):
        names = [name for name in pool.heads if modality(name) in pattern]
        weights[pattern] = dict.fromkeys(names, 1 / len(names))
    return replace(pool, weights=weights)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("catalogue", type=Path)
    parser.add_argument("--image-root", type=Path)
    parser.add_argument("--levels", type=int, default=1)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    embedded, names = read(options)
    class_names, labels = np.unique(names, return_inverse=True)
    n, k = len(labels), len(class_names)
    groups = duplicate_groups(
        embedded.photo_hashes,
        [title or None for title in embedded.titles],
        embedded.photo.dense(),
        has_photo=embedded.photo.present,
    )
    folds = group_folds(names, groups, options.folds, options.seed)
    answers: dict[tuple[str, str], Floats] = {}
    seconds: Counter[str] = Counter()
    for fold in track(range(options.folds), "Cross-validating"):
        training, out = folds != fold, folds == fold
        views = views_for(embedded, training)
        own = [name for name, trains in zip(names, training, strict=True) if trains]
        inner = group_folds(own, groups[training], options.folds, options.seed)
        fitted: dict[str, FusionClassifier] = {}
        for method, fit in FITS.items():
            start = time.perf_counter()
            fitted[method] = fit(take(views, training), labels[training], k, inner)
            seconds[method] += time.perf_counter() - start
            if isinstance(pool := fitted[method], LateFusion):
                fitted[EQUAL] = with_equal_weights(pool)
        for method, classifier in fitted.items():
            for given, modalities in INPUTS.items():
                seen = restrict(take(views, out), modalities)
                whole = answers.setdefault((given, method), np.zeros((n, k)))
                whole[out] = np.exp(classifier.log_probabilities(seen))
    counted = embedded.photo.present & (embedded.title.present | embedded.description.present)
    table = Table(title=f"{counted.sum():,} listings, {k} categories, {options.folds} folds")
    for column in ("input", "method", "top-1", "95 %", "log loss", "ECE", "s a fit"):
        table.add_column(column, justify="left" if column in {"input", "method"} else "right")
    for (given, method), whole in sorted(
        answers.items(), key=lambda a: list(INPUTS).index(a[0][0])
    ):
        probabilities, truth = whole[counted], labels[counted]
        right = probabilities.argmax(axis=1) == truth
        low, high = wilson_interval(int(right.sum()), len(truth))
        cost = f"{seconds[method] / options.folds:.1f}" if method in seconds else ""
        table.add_row(
            given, method, f"{right.mean():.3f}", f"{low:.3f}-{high:.3f}",
            f"{log_loss(probabilities, truth):.3f}",
            f"{expected_calibration_error(probabilities, truth):.3f}", cost,
            end_section=method == "stacking",
        )  # fmt: skip
    Console().print(table)


if __name__ == "__main__":
    main()
