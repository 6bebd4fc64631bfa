"""A year of retraining in miniature: two drifts, weekly answers of which a tenth are wrong.

    python benchmarks/retrain.py [--weeks 20] [--seeds 0 1 2]

Listings are vectors: a title's words are drawn around its category's, and photos aren't needed.
In weeks 5 and 12 the sellers change how they write, so that the champion loses accuracy. Each week
50 listings are answered, one in ten wrongly, and `retrain` runs as it is: parts, fit, comparison,
gate; only the registry is a variable. What it prints: accuracy on new listings of the week for the
champion of the day, for one that never retrains, and for one retrained on true labels of
everything; how much of what was lost is back after 200 answers; and promotions of a bundle that is
worse on 1,000 new listings.
"""

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
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
from shelfsure.core.config import AcceptConfig, Config, RetrievalConfig
from shelfsure.embedding.embedder import Embedder
from shelfsure.embedding.run_options import RunOptions
from shelfsure.evaluation.baselines import FUSION
from shelfsure.evaluation.evaluate import evaluate
from shelfsure.monitoring.retraining.config import RetrainConfig
from shelfsure.monitoring.retraining.run import retrain
from shelfsure.pipeline.pipeline import ListingPipeline

CATEGORIES, DIM, PER_WEEK, N_TEST = 8, 48, 50, 1_000
NOISE = 1.6
TITLES: dict[str, tuple[str, int]] = {}
"""Title -> its category and season."""
DRIFTS = {5: 1, 12: 2}
CONFIG = Config(
    accept=AcceptConfig(target_precision=0.9, confidence=0.9),
    retrieval=RetrievalConfig(index=False, ood_detector="statistics"),
)


class Texts:
    """A text's vector is drawn around those of its category and of its season's way of writing."""

    fingerprint, dim = "vectors", DIM

    def encode(self, items: list[str]) -> np.ndarray:
        rows = np.array([_vector(item) for item in items], dtype=np.float32).reshape(-1, DIM)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


class NoPhotos:
    """Nobody has a photo."""

    fingerprint, dim = "none", 8

    def encode(self, items: list[Any]) -> np.ndarray:
        return np.zeros((len(items), self.dim), dtype=np.float32)


def _vector(text: str) -> np.ndarray:
    """Look a title up, whose letters say nothing; a category's name is far from all."""
    if text not in TITLES:
        return _drawn(text)
    kind, season = TITLES[text]
    centre = _drawn(f"{kind} 0")
    if season:  # the look of another category, half-way, and something new
        other = f"k{(int(kind[1:]) + season) % CATEGORIES} 0"
        centre = 0.45 * centre + 0.55 * _drawn(other) + 0.8 * _drawn(f"{kind} {season}")
    return centre + NOISE * _drawn(text)


def _drawn(name: str) -> np.ndarray:
    return np.random.default_rng(crc32(name.encode())).standard_normal(DIM)


class Registry:
    """The champion, and what was promoted."""

    def __init__(self) -> None:
        self.champion: Path | None = None
        self.n = 0

    @contextmanager
    def opened(self, *_: Any) -> Iterator[ListingPipeline]:
        yield ListingPipeline.load(self.champion or Path())


def listings(rng: np.random.Generator, n: int, season: int, name: str) -> list[Listing]:
    kinds = rng.integers(0, CATEGORIES, n)
    return [
        Listing(f"{name}-{i}", _title(f"k{kind}", season, f"{name}-{i}"), category=f"k{kind}")
        for i, kind in enumerate(kinds.tolist())
    ]


def _title(kind: str, season: int, name: str) -> str:
    title = md5(name.encode(), usedforsecurity=False).hexdigest()
    TITLES[title] = (kind, season)
    return title


def catalog_of(own: list[Listing]) -> Catalog:
    return Catalog(tuple(own), tuple(range(1, len(own) + 1)))


def accuracy(pipeline: ListingPipeline, own: list[Listing]) -> float:
    return float(evaluate(pipeline, catalog_of(own))[0].correct(FUSION).mean())


def year(seed: int, weeks: int, folder: Path) -> None:
    rng = np.random.default_rng(seed)
    registry, season = Registry(), 0
    start = catalog_of(listings(rng, 600, 0, "old"))
    answers: list[Listing] = []
    bundles = folder / "bundles"

    def register(_uri: str, _name: str, bundle: Path, **told: Any) -> str:
        registry.n += 1
        if told["alias"] == "champion":
            registry.champion = bundle.rename(bundles / str(registry.n))
            (bundle.parent / "bundle").symlink_to(registry.champion)
        return str(registry.n)

    bundles.mkdir(parents=True)
    run_module.champion_before = lambda *_: "champion" if registry.champion else ""
    run_module.opened_version = registry.opened
    run_module.register_once = register
    run_module.pull_champion = lambda *_: None
    settings = RetrainConfig(catalogue="-", out=folder / "out", winner="champion")
    losing, before, lost, first = [], 1.0, {}, None
    for week in range(1, weeks + 1):
        season = DRIFTS.get(week, season)
        fresh = listings(rng, N_TEST, season, f"test{week}")
        came = listings(rng, PER_WEEK, season, f"w{week}") if week > 1 else []
        wrong = rng.random(len(came)) < 0.1
        shift = rng.integers(1, CATEGORIES, len(came))
        for one, mistaken, step in zip(came, wrong.tolist(), shift.tolist(), strict=True):
            said = (int((one.category or "k0")[1:]) + step * mistaken) % CATEGORIES
            answers.append(Listing(one.listing_id, one.title, category=f"k{said}"))
        old = registry.champion and ListingPipeline.load(registry.champion)
        if old and week in DRIFTS:
            lost[week] = (before, accuracy(old, fresh))
        more = [Additions(Path("answers"), tuple(answers), answered=True)] if answers else []
        done = retrain(settings, lambda more=more: merge(start, more), RunOptions())
        new = ListingPipeline.load(done.bundle)
        reached = accuracy(new, fresh)
        was = accuracy(old, fresh) if old else float("nan")
        if done.alias and old and reached < was:
            losing.append((week, was, reached))
        champion = ListingPipeline.load(registry.champion) if registry.champion else new
        first = first or champion
        before = accuracy(champion, fresh)
        print(
            f"seed {seed} week {week:2d} season {season}: champion {before:.3f} "
            f"(last week's {was:.3f}, the new one {reached:.3f}, the first "
            f"{accuracy(first, fresh):.3f}) "
            f"{done.alias or 'not promoted'}: {done.gate}",
            flush=True,
        )
        for at, (high, low) in lost.items():
            if week == at + 200 // PER_WEEK - 1:
                back = (before - low) / (high - low)
                print(
                    f"seed {seed}: drift of week {at}: {high:.3f} -> {low:.3f}, after 200 answers"
                )
                print(f"seed {seed}: {back:.0%} of the loss is back", flush=True)
    print(f"seed {seed}: {len(losing)} losing promotions {losing}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weeks", type=int, default=20)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    given = parser.parse_args()

    def load(_: Config, options: RunOptions) -> Embedder:
        return Embedder(NoPhotos(), Texts(), options)

    for module in (division_module, persistence_module, pipeline_module):
        module.load_embedder = load
    training_module.fit_retrieval = lambda *_, **__: None
    config_module.load_config = lambda *_, **__: CONFIG
    for seed in given.seeds:
        with tempfile.TemporaryDirectory() as folder:
            year(seed, given.weeks, Path(folder))


if __name__ == "__main__":
    main()
