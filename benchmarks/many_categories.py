"""How good are the experts for many categories, where softmax regression can be had as well?

python benchmarks/many_categories.py CATALOGUE [CATALOGUE ...] --levels 2 [--folds 3] [--seeds 0 1]

Cross-validates each labelled catalogue, categories of one listing included, once with the experts
that training uses up to `many_categories.MANY` categories and once with those above, on the same
splits; look-alikes are never on both sides. Accepted is what the accept rules of each let through,
an answer to a listing of a category that training never saw being wrong. Seconds are CPU seconds of
fitting the experts once; size is what they take in a bundle. The first run embeds, later ones find
it in the cache.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import numpy as np
from rich.console import Console
from rich.table import Table
from shelfsure.catalog.catalog import Catalog, read_catalog
from shelfsure.catalog.groups import duplicate_groups
from shelfsure.catalog.listing import category_prefix
from shelfsure.catalog.splits import group_folds
from shelfsure.core.arrays import Ints
from shelfsure.core.cache import EmbeddingCache
from shelfsure.core.config import Config
from shelfsure.embedding.embedder import Embedder, load_embedder
from shelfsure.embedding.run_options import RunOptions
from shelfsure.evaluation.metrics import expected_calibration_error, log_loss
from shelfsure.fusion import classifier as fusion
from shelfsure.fusion.accept_rule import Examples
from shelfsure.fusion.storage import save_classifier
from shelfsure.fusion.views import DESCRIPTION, PHOTO, TITLE, patterns, restrict, take
from shelfsure.pipeline.accept_rules import unseen_answers
from shelfsure.pipeline.decision import DecisionPolicy, Predictions
from shelfsure.pipeline.features import build_views
from shelfsure.pipeline.training import fit_accept_rules, fit_classifier, prepare
from sklearn.metrics import f1_score

ARMS = {
    "fusion": frozenset({PHOTO, TITLE, DESCRIPTION}),
    "photo": frozenset({PHOTO}),
    "title": frozenset({TITLE}),
}
BUILDS = {"softmax": fusion.MANY, "closed form": 1}
"""Up to how many categories softmax regression is used."""
UNKNOWN = -1
Found = dict[str, list[np.ndarray]]


def splits_of(
    categories: list[str], groups: Ints, n: int, seed: int
) -> Iterator[tuple[Ints, Ints]]:
    folds = group_folds(categories, groups, n, seed)
    for fold in np.unique(folds):
        yield np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)


def measured(
    catalog: Catalog, embedder: Embedder, config: Config, train: Ints, test: Ints
) -> dict[str, Found]:
    """Train on some rows with each build, ask about the others."""
    _, embedded = embedder.embed_catalog(catalog)
    part = Catalog.from_listings([catalog.listings[row] for row in train])
    _, data, tfidf = prepare(part, embedder, config)
    views = build_views(embedded.take(test.tolist()), tfidf)
    column = {name: i for i, name in enumerate(data.class_names)}
    paths = [str(catalog.listings[row].category) for row in test]
    truth = np.array([column.get(category_prefix(p, config.levels), UNKNOWN) for p in paths])
    examples = Examples(np.bincount(data.labels), config.accept.min_examples)
    results: dict[str, Found] = {}
    for build, most in BUILDS.items():
        with patch.object(fusion, "MANY", most):
            start = time.process_time()
            classifier, held_out = fit_classifier(data, config)
            seconds = time.process_time() - start
        others = take(data.views, data.other_rows)
        unseen = unseen_answers(classifier, others, held_out)
        rules, _ = fit_accept_rules(data, held_out, data.other_rows, unseen, config)
        said = {
            arm: np.exp(classifier.log_probabilities(restrict(views, parts)))
            for arm, parts in ARMS.items()
        }
        alone = {part: said[part] for part in (PHOTO, TITLE)}
        predictions = Predictions(said["fusion"], alone, patterns(views))
        policy = DecisionPolicy(data.class_names, rules, examples=examples)
        accepted = [policy.accepts(predictions, row) for row in range(len(test))]
        with tempfile.TemporaryDirectory() as folder:
            save_classifier(classifier, Path(folder))
            n_bytes = sum(path.stat().st_size for path in Path(folder).iterdir())
        known = truth != UNKNOWN
        results[build] = {
            "right": [answers.argmax(axis=1) == truth for answers in said.values()],
            "said": [np.array(data.class_names)[said["fusion"].argmax(axis=1)]],
            "true": [np.array([category_prefix(path, config.levels) for path in paths])],
            "log loss": [np.array([log_loss(own[known], truth[known])]) for own in said.values()],
            "ece": [np.array([expected_calibration_error(said["fusion"][known], truth[known])])],
            "accepted": [np.array(accepted)],
            "seconds": [np.array([seconds])],
            "mb": [np.array([n_bytes / 1e6])],
        }
    return results


def cells(found: list[Found]) -> list[str]:
    """Pool what was found on all splits into one line."""

    def pooled(key: str, arm: int = 0) -> np.ndarray:
        return np.concatenate([each[key][arm] for each in found])

    accepted, right = pooled("accepted"), pooled("right")
    return [
        *(f"{pooled('right', arm).mean():.3f}" for arm in range(len(ARMS))),
        f"{f1_score(pooled('true'), pooled('said'), average='macro', zero_division=0):.3f}",
        *(f"{pooled('log loss', arm).mean():.3f}" for arm in range(len(ARMS))),
        f"{pooled('ece').mean():.3f}",
        f"{accepted.mean():.3f}",
        f"{right[accepted].mean():.3f}" if accepted.any() else "",
        f"{pooled('seconds').mean():.1f}",
        f"{pooled('mb').mean():.1f}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("catalogues", type=Path, nargs="+")
    parser.add_argument("--levels", type=int, default=1)
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    options = parser.parse_args()
    embedder = load_embedder(Config(), RunOptions(cache=EmbeddingCache(), progress=True))
    config = Config(levels=options.levels)
    for path in options.catalogues:
        catalog, embedded = embedder.embed_catalog(read_catalog(path, need_category=True))
        own = [category_prefix(str(x.category), options.levels) for x in catalog.listings]
        titles = [title or None for title in embedded.titles]
        photo = embedded.photo
        groups = duplicate_groups(
            embedded.photo_hashes, titles, np.asarray(photo.features), has_photo=photo.present
        )
        found: dict[str, list[Found]] = {build: [] for build in BUILDS}
        for seed in options.seeds:
            for train, test in splits_of(own, groups, options.folds, seed):
                for build, each in measured(catalog, embedder, config, train, test).items():
                    found[build].append(each)
        headings = [
            "", *(f"{arm} top-1" for arm in ARMS), "macro-F1", *(f"{arm} log loss" for arm in ARMS),
            "ECE", "accepted", "right", "CPU s", "MB",
        ]  # fmt: skip
        table = Table(
            *headings, title=f"{path.parent.name}: {len(set(own))} categories, {len(own)} listings"
        )
        for build, each in found.items():
            table.add_row(build, *cells(each))
        Console(width=150).print(table)


if __name__ == "__main__":
    main()
