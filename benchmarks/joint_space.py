"""What do a catalogue's own pairs of photo and title teach? The tables of docs/joint_space.md.

python benchmarks/joint_space.py CATALOGUE.csv [--levels 2] [--seeds 2]

Retrieval and alert: a third of the groups of duplicates is left out at a time, and searched among
itself. Names: a third of the categories is left out at a time, with all listings and all their
duplicates, and a fifth of the other listings; nothing is fitted or chosen on them. Then they are
sorted into the names of all categories. The first run embeds, later ones find it in the cache.
"""

import argparse
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from shelfsure.catalog.catalog import read_catalog
from shelfsure.catalog.groups import duplicate_groups
from shelfsure.catalog.listing import category_prefix
from shelfsure.catalog.splits import group_folds
from shelfsure.core.cache import EmbeddingCache
from shelfsure.core.config import RetrievalConfig, load_config
from shelfsure.embedding.embedder import load_embedder
from shelfsure.embedding.grouping import Grouping
from shelfsure.embedding.listings import EmbeddedListings
from shelfsure.embedding.run_options import RunOptions
from shelfsure.embedding.training_data import TrainingData
from shelfsure.fusion.views import View
from shelfsure.retrieval.duplicates.pair_model import PairModel
from shelfsure.retrieval.fit import with_joint_space
from shelfsure.retrieval.model import RetrievalModel
from shelfsure.retrieval.ood.conformal import p_values
from shelfsure.retrieval.zero_shot.alignment import Alignment
from shelfsure.retrieval.zero_shot.classifier import ZeroShot
from shelfsure.retrieval.zero_shot.conse import ConSE
from shelfsure.retrieval.zero_shot.held_out_gain import hits
from shelfsure.retrieval.zero_shot.image_text_space import ImageTextSpace

ALPHAS = (0.01, 0.02, 0.05)
N_PARTS, N_FOLDS = 3, 5


def training_data(
    embedded: EmbeddedListings, categories: Sequence[str], groups: np.ndarray
) -> TrainingData:
    """Lay listings out as `fit_retrieval` gets them."""
    _, groups = np.unique(groups, return_inverse=True)
    folds = group_folds(categories, groups, N_FOLDS, 0)
    names, grouping = tuple(sorted(set(categories))), Grouping(groups, groups, "duplicates")
    return TrainingData(embedded, {}, categories, names, {}, grouping, groups, folds)


def retrieval(embedded: EmbeddedListings, groups: np.ndarray, old: np.ndarray, seed: int) -> None:
    """Print how often the own counterpart is among the first 10, and whom the alert catches."""
    photo, title = embedded.photo.array, embedded.title.array
    rng = np.random.default_rng(seed)
    folds = rng.permutation(groups.max() + 1)[groups] % N_PARTS
    found, alerts = defaultdict(list), defaultdict(list)
    for fold in range(N_PARTS):
        new, taught = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        fitted = Alignment.fit(photo[taught], title[taught])
        own = groups[new]
        found["photo to title, before"].append(hits(old[new], title[new], own))
        found["photo to title, after"].append(hits(fitted.as_titles(photo[new]), title[new], own))
        found["title to photo, before"].append(hits(title[new], old[new], own))
        found["title to photo, after"].append(hits(fitted.as_photos(title[new]), photo[new], own))
        # usual similarities: of thirds that an inner alignment hasn't seen
        inner = rng.permutation(groups.max() + 1)[groups[taught]] % N_FOLDS
        usual = np.zeros(len(taught), np.float32)
        for part in range(N_FOLDS):
            there, others = taught[inner == part], taught[inner != part]
            aligned = Alignment.fit(photo[others], title[others])
            usual[inner == part] = aligned.similarity(photo[there], title[there])
        shuffled = new[rng.permutation(len(new))]
        for what, titles in (("own", title[new]), ("another's", title[shuffled])):
            strange = -fitted.similarity(photo[new], titles)
            alerts[what].append(p_values(-usual, strange))
    for what, each in found.items():
        print(f"seed {seed}: {what:24} R@10 {np.concatenate(each).mean():.3f}")
    for what, each in alerts.items():
        p = np.concatenate(each)
        shares = ", ".join(f"{(p <= alpha).mean():.3f} at {alpha}" for alpha in ALPHAS)
        print(f"seed {seed}: alert for a photo with {what:9} title: {shares}")


def names(
    embedded: EmbeddedListings,
    categories: Sequence[str],
    groups: np.ndarray,
    space: ImageTextSpace,
    seeds: int,
) -> None:
    """Print how many listings are sorted rightly into all names, those of left-out ones first."""
    everything = ZeroShot.from_names(sorted(set(categories)), None, space)
    labels = np.array([everything.names.index(name) for name in categories])
    model = RetrievalModel(None, None, space, PairModel.load())
    right, stolen, kept = defaultdict(list), defaultdict(list), []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(everything.names))
        folds = rng.permutation(groups.max() + 1)[groups] % N_FOLDS
        for part in range(N_PARTS):
            left = np.isin(labels, order[part::N_PARTS])
            others = ~left & ~np.isin(groups, groups[left])
            taught = np.flatnonzero(others & (folds != part)).tolist()
            data = training_data(
                embedded.take(taught), [categories[row] for row in taught], groups[taught]
            )
            own = ZeroShot.from_names(data.taxonomy, None, space)
            place = {name: column for column, name in enumerate(own.names)}
            own_labels = np.array([place[name] for name in data.categories])
            seen = model.in_text_space(data.embedded)
            own = own.fitted(*seen, own_labels)
            alone = replace(model, zero_shot=own)
            fitted = with_joint_space(alone, data, RetrievalConfig(), seen)
            kept.append(fitted.joint is not None and fitted.joint.known is not None)
            arms = {
                "names, slopes of the space": (everything, None),
                "names, slopes of known names": (replace(everything, slopes=own.slopes), None),
                "joint space": (replace(everything, slopes=own.slopes), fitted.joint),
            }
            for who, rows in (("left out", left), ("known", others & (folds == part))):
                for views in (("photo",), ("title",), ("photo", "title")):
                    some = embedded.take(np.flatnonzero(rows).tolist())
                    for view in {"photo", "title"} - set(views):
                        seen = getattr(some, view)
                        some = replace(some, **{view: View(seen.array * 0, seen.present & False)})
                    for arm, (zero_shot, joint) in arms.items():
                        asked = replace(model, zero_shot=zero_shot, joint=joint)
                        best = asked.name_probabilities(some).argmax(axis=1)
                        right[who, " + ".join(views), arm].append((best == labels[rows]).mean())
                        if (who, len(views)) == ("known", 2):
                            stolen[arm].append(np.isin(best, order[part::N_PARTS]).mean())
    print(f"{len(everything.names)} names; kept in {sum(kept)} of {len(kept)} splits")
    for (who, views, arm), shares in right.items():
        print(f"{who:9} by {views:14} {arm:30} {np.mean(shares):.3f}")
    for arm, shares in stolen.items():
        print(f"known listings that a left-out name takes: {arm:30} {np.mean(shares):.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("catalogue", type=Path)
    parser.add_argument("--levels", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=2)
    options = parser.parse_args()
    catalog = read_catalog(options.catalogue)
    embedder = load_embedder(load_config(), RunOptions(cache=EmbeddingCache(), progress=True))
    space = ConSE.from_encoders(embedder.photos, embedder.texts, embedder.options.cache)
    catalog, embedded = embedder.embed_catalog(catalog, description=False)
    both = np.flatnonzero(embedded.photo.present & embedded.title.present).tolist()
    embedded = embedded.take(both)
    groups = duplicate_groups(
        embedded.photo_hashes, embedded.titles, embedded.photo.array, has_photo=None
    )
    old = space.to_text_space(embedded.photo.array)
    print(f"{len(both)} listings, {groups.max() + 1} groups")
    for seed in range(options.seeds):
        retrieval(embedded, groups, old, seed)
    categories = [category_prefix(one.category or "", options.levels) for one in embedded.listings]
    names(embedded, categories, groups, space, options.seeds)


if __name__ == "__main__":
    main()
