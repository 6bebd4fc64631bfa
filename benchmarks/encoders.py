"""Do several photo encoders together know more than the starter, and what does each ms bring?

python benchmarks/encoders.py CATALOGUE [--test FILE] [--encoders A,B,...] [--side 288] [--levels 1]

Photos only. Every encoder, every pair and all together, two ways: `one head` over their unit
vectors side by side (an ensemble as `weights: A+B` has it), and `experts`, a calibrated head for
each, pooled by weights learned on held-out answers. Without --test it cross-validates, with
duplicates (and groups that the catalogue states, or sessions that are found) kept together.
Differences are against the first encoder on the same listings, with standard errors from a
bootstrap of groups. Milliseconds are those of all cores, so that a busy machine matters little, for
the encoder alone (photos are prepared), on the fastest runtime and on PyTorch, in turns.
An ensemble costs what its members cost. Embeddings are remembered in the cache.
"""

import argparse
import time
from itertools import combinations
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import track
from rich.table import Table
from shelfsure.catalog.catalog import read_catalog
from shelfsure.catalog.listing import category_prefix
from shelfsure.catalog.splits import group_folds
from shelfsure.core.arrays import Bools, Floats, Ints, unit_rows
from shelfsure.core.cache import EmbeddingCache
from shelfsure.embedding.grouping import group_listings
from shelfsure.embedding.photos import embed_photos
from shelfsure.embedding.run_options import RunOptions
from shelfsure.evaluation.metrics import log_loss
from shelfsure.fusion.heads import LinearHead, fit_calibrated
from shelfsure.fusion.pool import fit_weights, pool
from shelfsure.fusion.views import View, have_sisters
from shelfsure.vision.encoder import PhotoEncoder

N_FOLDS, N_RESAMPLES, N_TIMED, ROUNDS = 5, 1000, 8, 7
Strings: TypeAlias = npt.NDArray[np.str_]
Ways: TypeAlias = dict[tuple[str, ...], dict[str, Floats]]
"""Members -> way of putting them together -> probabilities ``(n, n_categories)``."""


class Part(NamedTuple):
    """Listings whose photo every encoder could read; `embeddings` has a row of each for these."""

    embeddings: dict[str, Floats]
    names: list[str]
    groups: Ints

    def take(self, rows: Bools) -> "Part":
        names = [name for name, kept in zip(self.names, rows, strict=True) if kept]
        embeddings = {encoder: own[rows] for encoder, own in self.embeddings.items()}
        return Part(embeddings, names, self.groups[rows])


def read(path: Path, encoders: list[str], options: argparse.Namespace) -> Part:
    """Embed a catalogue, and group its listings by what the first encoder sees."""
    catalog = read_catalog(path, image_root=options.image_root, need_category=True)
    photos = [listing.image for listing in catalog.listings]
    run = RunOptions(cache=EmbeddingCache(), progress=True)
    views = {}
    for name in encoders:
        encoder = PhotoEncoder.load(name, side_px=options.side, crop_mode="border")
        rows = embed_photos(photos, encoder, run)
        views[name] = rows.view
    kept = np.flatnonzero(np.all([view.present for view in views.values()], axis=0))
    listings = [catalog.listings[row] for row in kept]
    names = [category_prefix(listing.category or "", options.levels) for listing in listings]
    hashes = [rows.hashes[row] for row in kept]
    titles = [listing.title or "" for listing in listings]
    found = group_listings(listings, views[encoders[0]].take(kept), hashes, titles, names)
    return Part({name: view.array[kept] for name, view in views.items()}, names, found.groups)


def view_of(features: Floats) -> View:
    return View(features, np.ones(len(features), dtype=bool))


def answers(train: Part, asked: Part, class_names: Strings, seed: int) -> Ways:
    """Fit all ways of putting encoders together, and let them answer."""
    labels, k = np.searchsorted(class_names, train.names), len(class_names)
    folds = group_folds(train.names, train.groups, N_FOLDS, seed)
    alone: dict[str, tuple[LinearHead, Floats]] = {
        name: fit_calibrated(view_of(rows), labels, k, folds)
        for name, rows in train.embeddings.items()
    }
    out: Ways = {}
    for size in range(1, len(alone) + 1):
        for names in combinations(alone, size):
            if size == 1:
                head = alone[names[0]][0]
                out[names] = {
                    "one head": np.exp(head.log_probabilities(asked.embeddings[names[0]]))
                }
                continue
            together = unit_rows(np.concatenate([train.embeddings[name] for name in names], axis=1))
            head, _ = fit_calibrated(view_of(together), labels, k, folds)
            other = unit_rows(np.concatenate([asked.embeddings[name] for name in names], axis=1))
            judged = have_sisters(labels, folds)
            weights = fit_weights([alone[name][1][judged] for name in names], labels[judged])
            experts = [alone[name][0].log_probabilities(asked.embeddings[name]) for name in names]
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
    """Time encoders in turns; name -> CPU ms a photo, and its ratio to the first's."""
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
            start = time.process_time()
            encoder.encode(photos)
            seconds[round_, column] = time.process_time() - start
    ratios = np.median(seconds / seconds[:, :1], axis=0)
    typical = np.median(seconds, axis=0) / N_TIMED * 1000
    return {name: (typical[i], ratios[i]) for i, name in enumerate(names)}


def cross_validated(whole: Part, class_names: Strings, seed: int) -> Ways:
    """Answer every listing by what the other folds have taught."""
    folds = group_folds(whole.names, whole.groups, N_FOLDS, seed)
    out: Ways = {}
    for fold in track(range(N_FOLDS), "Cross-validating"):
        told = answers(whole.take(folds != fold), whole.take(folds == fold), class_names, seed)
        for members, ways in told.items():
            for way, probabilities in ways.items():
                shape = (len(folds), len(class_names))
                room = out.setdefault(members, {}).setdefault(way, np.zeros(shape))
                room[folds == fold] = probabilities
    return out


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
    encoders, seeds = options.encoders.split(","), [int(x) for x in options.seeds.split(",")]
    known = read(options.catalogue, encoders, options)
    class_names = np.unique(known.names)
    if options.test:
        asked = read(options.test, encoders, options)
        asked = asked.take(np.isin(asked.names, class_names))
        runs = [answers(known, asked, class_names, seed) for seed in track(seeds, "Fitting")]
    else:
        asked, runs = known, [cross_validated(known, class_names, seed) for seed in seeds]
    cost: dict[str, list[str]] = {}
    for runtime in ("auto", "torch") if options.timing else ():
        timed = milliseconds(encoders, options.side, runtime)
        for members in runs[0]:
            ms, ratio = (sum(timed[name][i] for name in members) for i in (0, 1))
            cost.setdefault("+".join(members), []).append(f"{ms:.1f} ({ratio:.2f})")
    how = "other listings" if options.test else f"{N_FOLDS} folds x {len(seeds)}"
    size = f"{len(asked.names):,} photos in {len(np.unique(asked.groups)):,} groups"
    table = Table(title=f"{size}, {len(class_names)} categories, {how}, {options.side} px")
    for column in ("encoders", "way", "top-1", "against the first", "rescued", "broken",
                   "log loss", "ms (ratio), fastest", "ms (ratio), torch"):  # fmt: skip
        table.add_column(column, justify="left" if column in {"encoders", "way"} else "right")
    truth, rng = np.searchsorted(class_names, asked.names), np.random.default_rng(0)
    first = np.array([w[encoders[0],]["one head"].argmax(1) == truth for w in runs])
    for members, ways in runs[0].items():
        for way in ways:
            right = np.array([w[members][way].argmax(1) == truth for w in runs])
            gain = right.mean(0) - first.mean(0)
            name = "+".join(members)
            table.add_row(
                name, way,
                f"{right.mean():.3f} ± {standard_error(right.mean(0), asked.groups, rng):.3f}",
                f"{gain.mean():+.3f} ± {standard_error(gain, asked.groups, rng):.3f}",
                f"{(right & ~first).sum(1).mean():.0f}", f"{(first & ~right).sum(1).mean():.0f}",
                f"{np.mean([log_loss(w[members][way], truth) for w in runs]):.3f}",
                *cost.get(name, ("", "")),
            )  # fmt: skip
    Console(width=160).print(table)


if __name__ == "__main__":
    main()
