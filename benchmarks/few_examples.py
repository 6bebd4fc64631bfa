"""What is a category of few listings worth? The tables of docs/few_examples.md.

python benchmarks/few_examples.py CATALOGUE --levels 2 --min-examples 1 5
python benchmarks/few_examples.py CATALOGUE --levels 3 --examples 1 2 4

The first cross-validates a catalogue, with categories below so many listings left out of training,
and counts all. The second trains on so many listings of each category, and asks about the others.
Look-alikes are never on both sides. The first run embeds, later ones find it in the cache.
"""

import argparse
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

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
from shelfsure.fusion.views import DESCRIPTION, PHOTO, TITLE, restrict
from shelfsure.pipeline.features import build_views
from shelfsure.pipeline.training import fit_classifier, prepare
from sklearn.metrics import f1_score

SMALL = 7
"""A category with fewer training listings than this is a small one."""
ARMS = {
    "photo": frozenset({PHOTO}),
    "text": frozenset({TITLE, DESCRIPTION}),
    "fusion": frozenset({PHOTO, TITLE, DESCRIPTION}),
}
Split = tuple[Ints, Ints]


def few_of_each(categories: list[str], groups: Ints, n: int, seed: int) -> Iterator[Split]:
    """Take n listings of each category, of n groups; ask about all other groups."""
    seen: Counter[str] = Counter()
    used: dict[int, int] = {}
    for row in np.random.default_rng(seed).permutation(len(groups)):
        if seen[categories[row]] < n and groups[row] not in used:
            seen[categories[row]] += 1
            used[groups[row]] = row
    yield np.sort(list(used.values())), np.flatnonzero(~np.isin(groups, list(used)))


def folds_of(categories: list[str], groups: Ints, seed: int) -> Iterator[Split]:
    folds = group_folds(categories, groups, 3, seed)
    for fold in np.unique(folds):
        yield np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)


def measured(
    catalog: Catalog, embedder: Embedder, config: Config, splits: Iterator[Split]
) -> list[str]:
    """Train on each split's first rows, ask about its others: the cells of one line."""
    _, embedded = embedder.embed_catalog(catalog)
    listings = catalog.listings
    own = np.array([category_prefix(str(x.category), config.levels) for x in listings])
    truth, said, sizes = [], {arm: [] for arm in ARMS}, []
    for train, test in splits:
        part = Catalog.from_listings([listings[row] for row in train])
        _, data, tfidf = prepare(part, embedder, config)
        classifier, _ = fit_classifier(data, config)
        views = build_views(embedded.take(list(test)), tfidf)
        names = np.array(data.class_names)
        for arm, parts in ARMS.items():
            answers = classifier.log_probabilities(restrict(views, parts))
            said[arm].append(names[answers.argmax(axis=1)])
        counts = Counter(own[train])
        truth.append(own[test])
        sizes.append(np.array([counts[name] for name in own[test]]))
    wanted, size = np.concatenate(truth), np.concatenate(sizes)
    answered = {arm: np.concatenate(parts) for arm, parts in said.items()}
    fused, small = answered["fusion"], (size > 0) & (size < SMALL)
    return [
        *(f"{(found == wanted).mean():.3f}" for found in answered.values()),
        f"{f1_score(wanted, fused, average='macro', zero_division=0):.3f}",
        f"{(fused == wanted)[small].mean():.3f}" if small.any() else "",
        f"{len(wanted):,}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("catalogue", type=Path)
    parser.add_argument("--levels", type=int, default=1)
    parser.add_argument("--min-examples", type=int, nargs="+", default=[1])
    parser.add_argument("--examples", type=int, nargs="+", default=[])
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    catalog = read_catalog(options.catalogue, need_category=True)
    embedder = load_embedder(Config(), RunOptions(cache=EmbeddingCache(), progress=True))
    catalog, embedded = embedder.embed_catalog(catalog)
    titles = [title or None for title in embedded.titles]
    photo = embedded.photo
    groups = duplicate_groups(
        embedded.photo_hashes, titles, np.asarray(photo.features), has_photo=photo.present
    )
    own = [category_prefix(str(x.category), options.levels) for x in catalog.listings]
    headings = ("", *ARMS, "macro-F1", f"right of fewer than {SMALL}", "asked")
    table = Table(*headings, title=f"{options.catalogue}: {len(set(own))} categories")
    for n in options.examples:
        splits = few_of_each(own, groups, n, options.seed)
        config = Config(levels=options.levels)
        table.add_row(f"{n} of each", *measured(catalog, embedder, config, splits))
    for least in [] if options.examples else options.min_examples:
        config = Config(levels=options.levels, min_examples=least)
        splits = folds_of(own, groups, options.seed)
        table.add_row(f"{least} or more", *measured(catalog, embedder, config, splits))
    Console().print(table)


if __name__ == "__main__":
    main()
