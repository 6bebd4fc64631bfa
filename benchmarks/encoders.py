"""Do several photo encoders together know more than the starter, and what does each ms bring?

python benchmarks/encoders.py CATALOGUE [--test FILE] [--encoders A,B,...] [--levels 1] [--seeds 0,1]

Photos only. Every encoder, every pair and all together, two ways: `one head` over their unit
vectors side by side (an ensemble as `weights: A+B` has it), and `experts`, a calibrated head for
each, pooled by weights learned on held-out answers. Without --test it cross-validates, with
duplicates (and groups that the catalogue states, or sessions that are found) kept together.
Differences are against the first encoder on the same listings, with standard errors from a
bootstrap of groups. Milliseconds are of the encoder alone, on its fastest runtime and on PyTorch,
photos prepared, timed in turns with the first encoder. Embeddings are remembered in the cache.
"""

import argparse
import time
from itertools import combinations
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table
from shelfsure.catalog.catalog import Catalog, read_catalog
from shelfsure.catalog.listing import category_prefix
from shelfsure.catalog.splits import group_folds
from shelfsure.core.arrays import Floats, Ints, unit_rows
from shelfsure.core.cache import EmbeddingCache
from shelfsure.embedding.grouping import group_listings
from shelfsure.embedding.photos import embed_photos
from shelfsure.embedding.run_options import RunOptions
from shelfsure.evaluation.metrics import log_loss
from shelfsure.fusion.heads import LinearHead, fit_calibrated
from shelfsure.fusion.pool import fit_weights, pool
from shelfsure.fusion.views import View, have_sisters
from shelfsure.vision.encoder import PhotoEncoder

N_FOLDS, N_RESAMPLES, N_TIMED, ROUNDS = 5, 1000, 32, 7
Ways = dict[tuple[str, ...], dict[str, Floats]]
"""Members -> way of putting them together -> probabilities ``(n, n_categories)``."""


def embedded(catalog: Catalog, names: list[str], side: int) -> tuple[dict[str, View], list]:
    options = RunOptions(cache=EmbeddingCache(), progress=True)
    found, photos = {}, [listing.image for listing in catalog.listings]
    for name in names:
        encoder = PhotoEncoder.load(name, side_px=side, crop_mode="border")
        rows = embed_photos(photos, encoder, options)
        found[name] = rows.view
    return found, rows.hashes


def view_of(features: Floats) -> View:
    return View(features, np.ones(len(features), dtype=bool))


def answers(
    train: dict[str, Floats], labels: Ints, folds: Ints, asked: dict[str, Floats], k: int
) -> Ways:
    """Fit all ways of putting encoders together, and let them answer."""
    alone: dict[str, tuple[LinearHead, Floats]] = {
        name: fit_calibrated(view_of(rows), labels, k, folds) for name, rows in train.items()
    }
    out: Ways = {}
    for size in range(1, len(train) + 1):
        for names in combinations(train, size):
            if size == 1:
                head = alone[names[0]][0]
                out[names] = {"one head": np.exp(head.log_probabilities(asked[names[0]]))}
                continue
            together = unit_rows(np.concatenate([train[name] for name in names], axis=1))
            head, _ = fit_calibrated(view_of(together), labels, k, folds)
            other = unit_rows(np.concatenate([asked[name] for name in names], axis=1))
            judged = have_sisters(labels, folds)
            weights = fit_weights([alone[name][1][judged] for name in names], labels[judged])
            experts = [alone[name][0].log_probabilities(asked[name]) for name in names]
            out[names] = {
                "one head": np.exp(head.log_probabilities(other)),
                "experts": np.exp(pool(experts, weights.tolist())),
            }
    return out


def standard_error(values: Floats, groups: Ints, rng: np.random.Generator) -> float:
    """Of a mean over listings, whole groups drawn with replacement."""
    own = np.unique(groups, return_inverse=True)[1]
    sums, sizes = np.bincount(own, weights=values), np.bincount(own)
    drawn = rng.multinomial(len(sizes), np.full(len(sizes), 1 / len(sizes)), size=N_RESAMPLES)
    return float(np.std((drawn @ sums) / (drawn @ sizes)))


def milliseconds(names: list[str], side: int, runtime: str) -> dict[str, tuple[float, float]]:
    """Time encoders in turns; name -> ms a photo, and its ratio to the first's."""
    rng = np.random.default_rng(0)
    photos = list(rng.integers(0, 256, (N_TIMED, side, side, 3), dtype=np.uint8))
    encoders = [
        PhotoEncoder.load(name, side_px=side, crop_mode="border", runtime=runtime)  # type: ignore[arg-type]
        for name in names
    ]
    seconds = np.zeros((ROUNDS, len(names)))
    for encoder in encoders:
        encoder.engine.select_runtime()
        encoder.encode(photos)
    for round_ in track(range(ROUNDS), f"Timing on {encoders[0].engine.name}"):
        for column, encoder in enumerate(encoders):
            start = time.perf_counter()
            encoder.encode(photos)
            seconds[round_, column] = time.perf_counter() - start
    ratios = np.median(seconds / seconds[:, :1], axis=0)
    typical = np.median(seconds, axis=0) / N_TIMED * 1000
    return {name: (typical[i], ratios[i]) for i, name in enumerate(names)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("catalogue", type=Path)
    parser.add_argument("--test", type=Path, help="listings to answer, else it cross-validates")
    parser.add_argument("--encoders", default="starter,efficientnet-lite1,efficientnet-lite2")
    parser.add_argument("--image-root", type=Path)
    parser.add_argument("--side", type=int, default=288)
    parser.add_argument("--levels", type=int, default=1)
    parser.add_argument("--seeds", default="0,1")
    parser.add_argument("--timing", action=argparse.BooleanOptionalAction, default=True)
    options = parser.parse_args()
    names = options.encoders.split(",")
    seeds = [int(seed) for seed in options.seeds.split(",")]
    files = [options.catalogue, *([options.test] if options.test else [])]
    catalogs = [read_catalog(f, image_root=options.image_root, need_category=True) for f in files]
    parts, labels, groups = [], [], []
    for catalog in catalogs:
        views, hashes = embedded(catalog, names, options.side)
        kept = np.flatnonzero(np.all([view.present for view in views.values()], axis=0))
        listings = [catalog.listings[row] for row in kept]
        labels.append([category_prefix(x.category or "", options.levels) for x in listings])
        found = group_listings(
            listings, views[names[0]].take(kept), [hashes[row] for row in kept],
            [x.title or "" for x in listings], labels[-1],
        )  # fmt: skip
        groups.append(found.groups)
        parts.append({name: view.array[kept] for name, view in views.items()})
    class_names, own = np.unique(labels[0], return_inverse=True)
    k = len(class_names)
    results: Ways = {}
    if options.test:
        known = np.isin(labels[1], class_names)
        truth, asked_groups = (
            np.searchsorted(class_names, np.array(labels[1])[known]),
            groups[1][known],
        )
        asked = {name: rows[known] for name, rows in parts[1].items()}
        each = []
        for seed in track(seeds, "Fitting"):
            folds = group_folds(labels[0], groups[0], N_FOLDS, seed)
            each.append(answers(parts[0], own, folds, asked, k))
    else:
        truth, asked_groups, each = own, groups[0], []
        for seed in seeds:
            folds = group_folds(labels[0], groups[0], N_FOLDS, seed)
            whole: Ways = {}
            for fold in track(range(N_FOLDS), "Cross-validating"):
                train, out = folds != fold, folds == fold
                inner_labels = [name for name, kept in zip(labels[0], train, strict=True) if kept]
                inner = group_folds(inner_labels, groups[0][train], N_FOLDS, seed)
                told = answers(
                    {name: rows[train] for name, rows in parts[0].items()}, own[train], inner,
                    {name: rows[out] for name, rows in parts[0].items()}, k,
                )  # fmt: skip
                for members, ways in told.items():
                    for way, probabilities in ways.items():
                        room = whole.setdefault(members, {})
                        room.setdefault(way, np.zeros((len(own), k)))[out] = probabilities
            each.append(whole)
    results = each[0]
    cost: dict[str, list[tuple[float, float]]] = {}
    if options.timing:
        for runtime in ("auto", "torch"):
            for name, own_cost in milliseconds(
                ["+".join(members) for members in results], options.side, runtime
            ).items():
                cost.setdefault(name, []).append(own_cost)
    how = "other listings" if options.test else f"{N_FOLDS} folds x {len(seeds)}"
    n_groups = len(np.unique(asked_groups))
    table = Table(
        title=f"{len(truth):,} photos in {n_groups:,} groups, {k} categories, {how}, {options.side} px"
    )
    for column in ("encoders", "way", "top-1", "against the first", "rescued", "broken",
                   "log loss", "ms (ratio), fastest", "ms (ratio), torch"):  # fmt: skip
        table.add_column(column, justify="left" if column in {"encoders", "way"} else "right")
    rng = np.random.default_rng(0)
    first = np.array([w[names[0],]["one head"].argmax(1) == truth for w in each])
    for members in results:
        name = "+".join(members)
        for way in results[members]:
            right = np.array([w[members][way].argmax(1) == truth for w in each])
            loss = np.mean([log_loss(w[members][way], truth) for w in each])
            gain = right.mean(0) - first.mean(0)
            spent = [f"{ms:.1f} ({ratio:.2f})" for ms, ratio in cost.get(name, [])] or ["", ""]
            table.add_row(
                name, way,
                f"{right.mean():.3f} ± {standard_error(right.mean(0), asked_groups, rng):.3f}",
                f"{gain.mean():+.3f} ± {standard_error(gain, asked_groups, rng):.3f}",
                f"{(right & ~first).sum(1).mean():.0f}", f"{(first & ~right).sum(1).mean():.0f}",
                f"{loss:.3f}", *spent,
            )  # fmt: skip
    Console(width=160).print(table)


if __name__ == "__main__":
    main()
