"""How many planted wrong labels an audit finds, and whether its forecasts come true.

python benchmarks/audit.py flipkart/listings.csv --levels 1 --seeds 3
"""

import argparse
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from shelfsure.catalog.catalog import Catalog, read_catalog
from shelfsure.catalog.listing import category_prefix
from shelfsure.core.cache import EmbeddingCache
from shelfsure.core.config import load_config
from shelfsure.embedding.embedder import Embedder, load_embedder
from shelfsure.embedding.listings import EmbeddedListings
from shelfsure.embedding.run_options import RunOptions
from shelfsure.exploration.audit import MIN_EXAMPLES
from shelfsure.exploration.judged_labels import JudgedLabels, judge_labels, label_findings
from shelfsure.exploration.labels import pruned
from shelfsure.exploration.learning_curve import forecast_gains, subset_answers
from shelfsure.fusion.views import modality, take, with_prototypes
from shelfsure.pipeline.training import fit_classifier, prepare

PLANTED = 0.05
CURVE = (0.125, 0.25, 0.5, 1.0)


@dataclass(frozen=True)
class Known:
    """Stands in for an embedder: a catalogue whose labels change is embedded once."""

    photos: object
    texts: object
    embedded: EmbeddedListings

    def embed_catalog(self, catalog: Catalog, **_: object) -> tuple[Catalog, EmbeddedListings]:
        return catalog, replace(self.embedded, listings=catalog.listings)


def plant(
    catalog: Catalog, embedded: EmbeddedListings, levels: int, similar: bool, seed: int, least: int
) -> tuple[Catalog, set[int]]:
    """Give some listings another category: any, or the one whose listings are most alike."""
    rng = np.random.default_rng(seed)
    named = [category_prefix(one.category or "", levels) for one in catalog.listings]
    names, labels, counts = np.unique(named, return_inverse=True, return_counts=True)
    usable = counts >= least
    vectors = np.hstack([embedded.photo.array, embedded.title.array])
    means = np.stack([vectors[labels == c].mean(axis=0) for c in range(len(names))])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    likeness = means @ means.T
    np.fill_diagonal(likeness, -2.0)
    likeness[:, ~usable] = -2.0
    places = np.flatnonzero(usable[labels])
    chosen = rng.choice(places, round(PLANTED * len(labels)), replace=False)
    listings = list(catalog.listings)
    for place in chosen.tolist():
        own = labels[place]
        others = np.flatnonzero(usable & (np.arange(len(names)) != own))
        to = int(likeness[own].argmax()) if similar else int(rng.choice(others))
        listings[place] = replace(listings[place], category=str(names[to]))
    return replace(catalog, listings=tuple(listings)), {catalog.rows[i] for i in chosen.tolist()}


def judge(catalog: Catalog, known: Known, levels: int) -> tuple[dict[str, set[int]], JudgedLabels]:
    """Give the rows that are found, by kind; ``cleanlab``: what it finds by itself."""
    config = load_config("starter", levels=levels, min_examples=MIN_EXAMPLES)
    catalog, data, _ = prepare(catalog, known, config)  # type: ignore[arg-type]
    judged = judge_labels(data, fit_classifier(data, config)[1])
    found: dict[str, set[int]] = {"wrong_label": set(), "doubtful_label": set(), "cleanlab": set()}
    for finding in label_findings(judged, catalog, data):
        found[finding.kind].add(finding.row or 0)
    alone = data.trained_rows[pruned(judged.fused, judged.labels)]
    found["cleanlab"] = {catalog.rows[row] for row in alone.tolist()}
    return found, judged


def report(name: str, found: set[int], planted: set[int], before: set[int]) -> None:
    n_hit = len(found & planted)
    new = len(found - (before - planted))
    print(
        f"  {name:12} {len(found):4} found, recall {n_hit / len(planted):.3f}, precision "
        f"{n_hit / max(len(found), 1):.3f}, without what was found before planting "
        f"{n_hit / max(new, 1):.3f}",
        flush=True,
    )


def curves(catalog: Catalog, known: Known, levels: int) -> None:
    """Forecast from half of the listings what all of them bring, and compare."""
    config = load_config("starter", levels=levels, min_examples=MIN_EXAMPLES)
    _, data, _ = prepare(catalog, known, config)  # type: ignore[arg-type]
    classifier, _ = fit_classifier(data, config)
    rows, n_categories = data.trained_rows, len(data.class_names)
    views = take({name: with_prototypes(data.views)[name] for name in classifier.heads}, rows)
    right = subset_answers(
        views,
        classifier.heads,
        classifier.weights_for(frozenset(map(modality, views))),  # type: ignore[attr-defined]
        data.labels,
        data.groups[rows],
        data.folds[rows],
        n_categories,
        CURVE,
    )
    told = forecast_gains(right[:3], data.labels, data.groups[rows], n_categories, (0.25, 0.5, 1.0))
    shares = np.bincount(data.labels) / len(data.labels)
    forecast = float(np.sum(shares * [each.gain for each in told]))
    came = [
        float((right[3] * 1.0 - right[2])[data.labels == c].mean()) for c in range(n_categories)
    ]
    misses = np.abs([each.gain - own for each, own in zip(told, came, strict=True)])
    print(
        f"  twice the examples: forecast {forecast:+.3f}, came {np.sum(shares * came):+.3f}; by "
        f"category the forecast misses by {np.mean(misses):.3f} on average",
        flush=True,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("catalogue", type=Path)
    parser.add_argument("--levels", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args(arguments)
    logging.disable(logging.WARNING)
    catalog = read_catalog(given.catalogue, need_category=True)
    config = load_config("starter", levels=given.levels, min_examples=MIN_EXAMPLES)
    embedder: Embedder = load_embedder(config, RunOptions(cache=EmbeddingCache(), progress=True))
    catalog, embedded = embedder.embed_catalog(catalog)
    known = Known(embedder.photos, embedder.texts, embedded)
    before, judged = judge(catalog, known, given.levels)
    counts = {name: len(rows) for name, rows in before.items()}
    print(f"{given.catalogue}, {given.levels} levels, {judged.fused.shape}; as it is: {counts}")
    curves(catalog, known, given.levels)
    for similar in (False, True):
        for seed in range(given.seeds):
            spoilt, planted = plant(
                catalog, embedded, given.levels, similar, seed, config.min_examples
            )
            found, judged = judge(spoilt, known, given.levels)
            kind = "similar" if similar else "random"
            noise = judged.noise.noise_fraction
            print(f"{kind} {seed}: {len(planted)} planted, share wrong estimated {noise:.3f}")
            ours = before["wrong_label"] | before["doubtful_label"]
            report("wrong", found["wrong_label"], planted, ours)
            both = found["wrong_label"] | found["doubtful_label"]
            report("and doubtful", both, planted, ours)
            report("cleanlab", found["cleanlab"], planted, before["cleanlab"])


if __name__ == "__main__":
    main()
