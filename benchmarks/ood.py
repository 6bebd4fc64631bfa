"""Which out-of-catalogue score finds strangers best? The tables of docs/ood.md.

python benchmarks/ood.py FOLDER --outside FOLDER [--seeds 2] [--levels 1] [--gate-only]

FOLDER holds listings.csv (listing_id, title, description, category, image) and its photos.
Near: each first-level category in turn is left out of training, and its listings must look stranger
than held-out listings of the others. Far: photos in --outside, their file names as titles.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from shelfsure.catalog.catalog import read_catalog
from shelfsure.catalog.listing import Listing, category_prefix
from shelfsure.catalog.splits import duplicate_groups, group_folds, split_indices
from shelfsure.core.arrays import Floats, Ints
from shelfsure.core.cache import EmbeddingCache
from shelfsure.embedding.embedder import Embedder
from shelfsure.embedding.listings import EmbeddedListings
from shelfsure.embedding.run_options import RunOptions
from shelfsure.fusion.views import View, Views, take
from shelfsure.retrieval.ood.detectors import MAX_LISTINGS, evenly_spaced, ood_score
from shelfsure.retrieval.ood.fit import default_methods, fit_ood_detector
from shelfsure.text.encoder import SentenceEncoder
from shelfsure.vision.encoder import PhotoEncoder
from sklearn.metrics import roc_auc_score

from ood_detectors import METHODS

SINGLE = [(method,) for method in METHODS]
COMBINED = [
    ("vim", "mahalanobis"),
    ("vim", "knn"),
    ("vim", "whitened_knn"),
    ("vim", "knn", "mahalanobis"),
    ("vim", "knn", "whitened_knn"),
]
ARMS = {
    "photo": ("photo",),
    "title": ("title_embedding",),
    "description": ("description_embedding",),
    "photo + title": ("photo", "title_embedding"),
    "all three": ("photo", "title_embedding", "description_embedding"),
}
Raw = dict[str, dict[str, list[Floats]]]  # view -> method -> scores of own, left out, outside


def as_views(embedded: EmbeddedListings) -> dict[str, View]:
    return {
        "photo": embedded.photo,
        "title_embedding": embedded.title,
        "description_embedding": embedded.description,
    }


def auroc(own: Floats, strange: Floats) -> float:
    """Probability that a strange listing scores above one of the catalogue's own."""
    truth = np.r_[np.zeros(len(own)), np.ones(len(strange))]
    return float(roc_auc_score(truth, np.r_[own, strange]))


def left_out(first: Ints, groups: Ints, seeds: int) -> Iterator[tuple[int, Ints, Ints, Ints]]:
    """Yield a seed, training rows, held-out rows and the left-out category's rows."""
    for seed in range(seeds):
        split = split_indices([str(v) for v in first], groups, {"train": 0.75, "test": 0.25}, seed)
        for category in np.unique(first):
            rows = {name: own[first[own] != category] for name, own in split.items()}
            yield seed, rows["train"], rows["test"], np.flatnonzero(first == category)


def raw_scores(views: Views, outside: Views, labels: Ints, rows: list[Ints]) -> Raw:
    train, test, strange = rows
    train = train[evenly_spaced(len(train), MAX_LISTINGS)]
    raw: Raw = {}
    for name, view in views.items():
        far = outside[name].features if outside[name].present.all() else None
        raw[name] = {}
        for method in METHODS:
            fitted = METHODS[method].fit(view.features[train], labels[train])
            asked = [view.features[test], view.features[strange]] + [far] * (far is not None)
            raw[name][method] = [ood_score(fitted, features) for features in asked]
    return raw


def combined(raw: Raw, arm: tuple[str, ...], methods: dict[str, tuple[str, ...]]) -> list[Floats]:
    """Sum of standardised scores over methods, standardised, over views: as the gate does it."""

    def standardised(parts: list[Floats]) -> list[Floats]:
        own = parts[0]
        return [(part - own.mean()) / own.std() for part in parts]

    views = []
    for name in arm:
        each = [standardised(raw[name][method]) for method in methods[name]]
        views.append(standardised([np.sum(parts, axis=0) for parts in zip(*each, strict=True)]))
    return [np.sum(parts, axis=0) for parts in zip(*views, strict=False)]


def score_table(runs: list[Raw]) -> None:
    print("\n| mean AUROC | " + " | ".join(f"{arm}: near | far" for arm in ARMS) + " |")
    print("|---|" + "---|---|" * len(ARMS))
    by_view = {view: default_methods(view) for view in runs[0]}
    rows = [(" + ".join(m), dict.fromkeys(runs[0], m)) for m in [*SINGLE, *COMBINED]]
    rows.append(("photo: vim + knn + mahalanobis; texts: vim + whitened_knn", by_view))
    for title, methods in rows:
        cells = []
        for arm in ARMS.values():
            parts = [combined(raw, arm, methods) for raw in runs]
            cells.append(f"{np.mean([auroc(p[0], p[1]) for p in parts]):.3f}")
            far = [auroc(p[0], p[2]) for p in parts if len(p) > 2]
            cells.append(f"{np.mean(far):.4f}" if far else "-")
        print(f"| {title} | " + " | ".join(cells) + " |", flush=True)


def gate_table(
    views: Views, outside: Views, labels: Ints, first: Ints, groups: Ints, seeds: int
) -> None:
    """The whole gate, refused shares and all; half of the outside teaches, the other half asks."""
    print("\n| gate | " + " | ".join(f"{a}: near | far | own refused" for a in ARMS) + " |")
    print("|---|" + "---|---|---|" * len(ARMS))
    shuffled = np.random.default_rng(0).permutation(len(outside["photo"].present))
    shown, asked = np.array_split(shuffled, 2)
    examples = take(outside, shown)
    variants: dict[str, Views | None] = {
        "**default** (and the joint view)": None,
        "with outside photos": {"photo": examples["photo"]},
        "with outside photos and file names": examples,
    }
    for title, taught in variants.items():
        results: dict[str, list[list[float]]] = {arm: [] for arm in ARMS}
        for seed, train, test, strange in left_out(first, groups, seeds):
            folds = group_folds([str(v) for v in first[train]], groups[train], 5, seed)
            detector = fit_ood_detector(take(views, train), labels[train], folds, outside=taught)
            for arm, names in ARMS.items():
                own, near, far = (
                    {name: some[name].take(rows) for name in names}
                    for some, rows in ((views, test), (views, strange), (outside, asked))
                )
                scores, strangers = detector.ood_scores(own), detector.ood_scores(far)
                has_far = all(view.present.all() for view in far.values())
                results[arm].append(
                    [
                        auroc(scores, detector.ood_scores(near)),
                        auroc(scores, strangers) if has_far else np.nan,
                        detector.refuses(own).mean(),
                    ]
                )
        cells = [f"{v:.3f}" for arm in ARMS for v in np.mean(results[arm], axis=0)]
        print(f"| {title} | " + " | ".join(cells) + " |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--outside", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--levels", type=int, default=1, help="category levels that training sees")
    parser.add_argument("--gate-only", action="store_true")
    options = parser.parse_args()
    catalog = read_catalog(options.folder / "listings.csv")
    listings = list(catalog.listings)
    photos = sorted(options.outside.glob("*.jpg"))
    strangers = [Listing(p.stem, p.stem.replace("_", " "), p) for p in photos]
    if not listings or not strangers:
        parser.error(f"found {len(listings)} listings and {len(strangers)} outside photos")
    encoder = PhotoEncoder.load(side_px=288, crop_mode="border")
    run_options = RunOptions(cache=EmbeddingCache(), progress=True)
    embedder = Embedder(encoder, SentenceEncoder.load(), run_options)
    embedded = embedder.embed(listings)
    views, outside = as_views(embedded), as_views(embedder.embed(strangers))
    paths = [listing.category or "" for listing in listings]
    first, labels = (
        np.unique([category_prefix(path, levels) for path in paths], return_inverse=True)[1]
        for levels in (1, options.levels)
    )
    groups = duplicate_groups(
        embedded.photo_hashes,
        embedded.titles,
        embedded.photo.features,
        has_photo=embedded.photo.present,
    )
    print(f"{len(listings)} listings, {labels.max() + 1} categories, {len(photos)} outside photos")
    if not options.gate_only:
        score_table(
            [
                raw_scores(views, outside, labels, rows)
                for _, *rows in left_out(first, groups, options.seeds)
            ]
        )
    gate_table(views, outside, labels, first, groups, options.seeds)


if __name__ == "__main__":
    main()
