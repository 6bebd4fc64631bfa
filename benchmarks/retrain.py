"""A year of retraining in miniature: two drifts, weekly answers of which a tenth are wrong.

    python benchmarks/retrain.py [--weeks 20] [--seeds 0 1 2] [--winner challenger]

Listings are vectors: a title's words are drawn around its category's, and photos aren't needed.
In week 5 the sellers change how they write, and in week 12 again, half as far. Each week 50
listings come and are answered, one in ten wrongly. First the challenger, if there is one, is
compared with the champion on them, by the rule of `shelfsure ab report`, and takes over if it is
better. Then `retrain` runs as it is: parts, fit, comparison, gate; only the registry is a variable.
What it prints: right answers on new listings of the week by the champion of the day and the first
one; how much of what was lost is back after 200 answers; and each bundle that took over, with its
gain on 2,000 new listings and the interval of that.
"""

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from hashlib import md5
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import shelfsure.monitoring.retraining.config as config_module
import shelfsure.monitoring.retraining.division as division_module
import shelfsure.monitoring.retraining.run as run_module
import shelfsure.pipeline.persistence as persistence_module
import shelfsure.pipeline.pipeline as pipeline_module
import shelfsure.pipeline.training as training_module
from shelfsure.catalog.catalog import Catalog
from shelfsure.catalog.listing import Listing
from shelfsure.catalog.merging import Additions, merge
from shelfsure.core.arrays import Bools, Floats
from shelfsure.core.config import AcceptConfig, Config, RetrievalConfig
from shelfsure.embedding.embedder import Embedder
from shelfsure.embedding.run_options import RunOptions
from shelfsure.evaluation.intervals import paired_bootstrap
from shelfsure.monitoring.comparison import difference_interval
from shelfsure.monitoring.retraining.config import RetrainConfig
from shelfsure.monitoring.retraining.run import retrain
from shelfsure.pipeline.pipeline import ListingPipeline

CATEGORIES, DIM, PER_WEEK, N_TEST = 8, 48, 50, 2_000
NOISE, WRONG = 1.6, 0.1
N_ANSWERS = 200
"""Answers after which what was lost should be back."""
DRIFTS = {5: 1, 12: 2}
"""Week -> season from then on."""
FAR = {1: 1.0, 2: 0.5}
TITLES: dict[str, tuple[str, int]] = {}
"""Title -> its category and season."""
CONFIG = Config(
    accept=AcceptConfig(target_precision=0.9, confidence=0.9),
    retrieval=RetrievalConfig(index=False, ood_detector="statistics"),
)


class Texts:
    """A text's vector is drawn around those of its category and of its season's way of writing."""

    fingerprint, dim = "vectors", DIM

    def encode(self, items: list[str]) -> Floats:
        rows = np.array([_vector(item) for item in items], dtype=np.float32).reshape(-1, DIM)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


class NoPhotos:
    """Nobody has a photo."""

    fingerprint, dim = "none", 8

    def encode(self, items: list[Any]) -> Floats:
        return np.zeros((len(items), self.dim), dtype=np.float32)


def _vector(text: str) -> Floats:
    """Look a title up, whose letters say nothing; a category's name is far from all."""
    if text not in TITLES:
        return _drawn(text)
    return _centre(*TITLES[text]) + NOISE * _drawn(text)


@cache
def _centre(kind: str, season: int) -> Floats:
    """Start from the season before: the look of another category, in part, and something new."""
    if not season:
        return _drawn(f"{kind} 0")
    seed, number = kind.split("k")
    other, far = f"{seed}k{(int(number) + season) % CATEGORIES}", FAR[season]
    before = (1 - 0.55 * far) * _centre(kind, season - 1)
    return before + 0.55 * far * _centre(other, season - 1) + 0.8 * far * _drawn(f"{kind} {season}")


def _drawn(name: str) -> Floats:
    return np.random.default_rng(crc32(name.encode())).standard_normal(DIM)


class Registry:
    """The champion and the challenger, as folders."""

    def __init__(self, home: Path) -> None:
        self.home, self.n = home, 0
        self.champion: Path | None = None
        self.challenger: Path | None = None
        home.mkdir(parents=True)

    @contextmanager
    def opened(self, *_: Any) -> Iterator[ListingPipeline]:
        yield ListingPipeline.load(self.champion or Path())

    def register(self, _uri: str, _name: str, bundle: Path, **told: Any) -> str:
        """Keep a bundle, and leave a link in its place."""
        self.n += 1
        kept = bundle.rename(self.home / str(self.n))
        bundle.symlink_to(kept)
        if told["alias"] == "champion":
            self.champion, self.challenger = kept, None
        elif told["alias"]:
            self.challenger = kept
        return str(self.n)


def listings(rng: np.random.Generator, n: int, season: int, seed: int, name: str) -> list[Listing]:
    kinds = rng.integers(0, CATEGORIES, n).tolist()
    return [
        Listing(f"{name}-{i}", _title(kind, season, f"{seed}-{name}-{i}"), category=kind)
        for i, kind in enumerate(f"{seed}k{number}" for number in kinds)
    ]


def _title(kind: str, season: int, name: str) -> str:
    title = md5(name.encode(), usedforsecurity=False).hexdigest()
    TITLES[title] = (kind, season)
    return title


def answered(rng: np.random.Generator, came: list[Listing]) -> list[Listing]:
    """Let somebody name the categories, one in ten wrongly."""
    wrong = (rng.random(len(came)) < WRONG) * rng.integers(1, CATEGORIES, len(came))
    said = []
    for one, step in zip(came, wrong.tolist(), strict=True):
        seed, number = str(one.category).split("k")
        kind = f"{seed}k{(int(number) + step) % CATEGORIES}"
        said.append(Listing(one.listing_id, one.title, category=kind))
    return said


def catalog_of(own: list[Listing]) -> Catalog:
    return Catalog(tuple(own), tuple(range(1, len(own) + 1)))


def right(bundle: Path, own: list[Listing]) -> Bools:
    """Tell which answers are right; shape ``(n,)``."""
    pipeline = ListingPipeline.load(bundle)
    views = pipeline.views(pipeline.embedder.embed(own))
    best = pipeline.classifier.log_probabilities(views).argmax(axis=1)
    return np.array([pipeline.class_names[n] == x.category for n, x in zip(best, own, strict=True)])


def year(seed: int, weeks: int, winner: Any, folder: Path) -> None:
    rng = np.random.default_rng(seed)
    registry, season, said = Registry(folder / "bundles"), 0, f"seed {seed}"
    start = catalog_of(listings(rng, 600, 0, seed, "old"))
    answers: list[Listing] = []
    run_module.champion_before = lambda *_: str(registry.champion or "")
    run_module.opened_version = registry.opened
    run_module.register_once = registry.register
    run_module.pull_champion = lambda *_: None
    run_module.copy_bundle = lambda *_, **__: None
    settings = RetrainConfig(catalogue="-", out=folder / "out", winner=winner)
    before, lost, first = 1.0, {}, None
    for week in range(1, weeks + 1):
        season = DRIFTS.get(week, season)
        fresh = listings(rng, N_TEST, season, seed, f"test{week}")
        came = answered(rng, listings(rng, PER_WEEK, season, seed, f"w{week}")) if first else []
        answers += came
        champion, trial = registry.champion, registry.challenger
        if champion and week in DRIFTS:
            lost[week] = (before, right(champion, fresh).mean())
        if champion and trial:
            paired = difference_interval(list(right(trial, came)), list(right(champion, came)))
            if paired.low >= 0:
                registry.champion = trial
            registry.challenger = None
        more = [Additions(Path("answers"), tuple(answers), answered=True)] if answers else []
        done = retrain(settings, lambda more=more: merge(start, more), RunOptions())
        now = registry.champion
        assert now is not None  # noqa: S101 (the first bundle becomes champion)
        first = first or now
        before = right(now, fresh).mean()
        print(
            f"{said} week {week:2d} season {season}: champion {before:.3f}, the new bundle "
            f"{right(done.bundle, fresh).mean():.3f}, the first {right(first, fresh).mean():.3f}; "
            f"{done.alias or 'not handed on'}: {done.gate}",
            flush=True,
        )
        if champion and now != champion:
            d = paired_bootstrap(right(now, fresh), right(champion, fresh))
            told = "LOSING promotion" if d.difference < 0 else "promotion"
            where = f"{said} week {week:2d}"
            print(f"{where}: {told} {d.difference:+.3f} ({d.low:+.3f} to {d.high:+.3f})")
        for at, (high, low) in lost.items():
            if week == at + N_ANSWERS // PER_WEEK - 1:
                back = (before - low) / (high - low)
                change = f"{high:.3f} -> {low:.3f} -> {before:.3f}"
                print(f"{said}: drift of week {at}: {change}, {back:.0%} back", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weeks", type=int, default=20)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--winner", choices=("challenger", "champion"), default="challenger")
    given = parser.parse_args()

    def load(_: Config, options: RunOptions) -> Embedder:
        return Embedder(NoPhotos(), Texts(), options)

    for module in (division_module, persistence_module, pipeline_module):
        module.load_embedder = load
    training_module.fit_retrieval = lambda *_, **__: None
    training_module._fit_tfidf = lambda *_: {}
    config_module.load_config = lambda *_, **__: CONFIG
    for seed in given.seeds:
        with tempfile.TemporaryDirectory() as folder:
            year(seed, given.weeks, given.winner, Path(folder))


if __name__ == "__main__":
    main()
