"""What does training cost once everything is embedded, and how does that grow?

python benchmarks/training.py [--sizes 2000x100 4000x100] [--large] [--against CHECKOUT]
    [--curve FILE.png]

Draws embeddings (1,280 numbers a photo, 384 a title) and TF-IDF rows of listings that are separable
but not trivially so, and runs what training does with arrays: grouping look-alike photos, fitting
the experts, the accept rules and the out-of-catalogue detector. With more than 1,000 categories
most of them are small. Each size runs in a process of its own. Prints CPU seconds (all cores added
up, so a busy machine changes little), the exponent with which they grew since the size before of as
many categories, peak memory, log loss and top-1 on 2,000 other listings, what experts and detector
weigh in a bundle, and CPU milliseconds that they take to judge a listing. --large adds the sizes
that take long, up to 150,000 x 150 and 142,000 x 9,691. With --against it runs the same on an older
build, in the same call, and prints ratios.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.sparse import csr_matrix

N_ASKED = 2000
N_FOLDS = 5
PHOTO_DIM, TITLE_DIM, N_GRAMS = 1280, 384, 30_000
N_WORDS, GRAMS_PER_WORD, WORDS_PER_TITLE, WORDS_PER_CATEGORY = 8_000, 12, 8, 40
STAGES = ("grouping", "experts", "accept rules", "detector")
SMALL = ("2000x100", "4000x100")
LARGE = (
    "12000x150", "50000x150", "150000x150", "20000x1000", "20000x2000", "50000x2000", "142000x9691"
)  # fmt: skip
MANY, SIZES_SPREAD, BLOCK = 1_000, 1.0, 500


def columns(rng: np.random.Generator, n: int, k: int) -> np.ndarray:
    """Draw each listing's category: all of one size, or of many categories most small."""
    if k <= MANY:
        return rng.permutation(np.arange(n) % k)
    weights = np.exp(SIZES_SPREAD * rng.standard_normal(k))
    drawn = rng.choice(k, n - k, p=weights / weights.sum())
    return rng.permutation(np.concatenate([np.arange(k), drawn]))


def embeddings(rng: np.random.Generator, labels: np.ndarray, dim: int, spread: float) -> np.ndarray:
    """Draw unit vectors around their category's centre; few directions hold most of the spread."""
    scale = (np.arange(1, dim + 1) ** -0.5).astype(np.float32)
    centres = rng.standard_normal((labels.max() + 1, dim), dtype=np.float32) * scale
    rows = np.empty((len(labels), dim), dtype=np.float32)
    for start in range(0, len(labels), 10_000):
        own = labels[start : start + 10_000]
        noise = rng.standard_normal((len(own), dim), dtype=np.float32) * scale
        block = 1.0 * scale[0] + centres[own] + spread * noise  # a mean of its own, as ReLUs give
        rows[start : start + len(own)] = block / np.linalg.norm(block, axis=1, keepdims=True)
    return rows


def grams(rng: np.random.Generator, labels: np.ndarray) -> csr_matrix:
    """Draw TF-IDF rows: a few words of the category's own, others common; each has its grams."""
    of_word = rng.integers(0, N_GRAMS, (N_WORDS, GRAMS_PER_WORD))
    own = rng.integers(0, N_WORDS, (labels.max() + 1, WORDS_PER_CATEGORY))
    common = np.minimum(rng.zipf(1.3, (len(labels), WORDS_PER_TITLE)) - 1, N_WORDS - 1)
    chosen = own[labels[:, None], rng.integers(0, WORDS_PER_CATEGORY, common.shape)]
    words = np.where(rng.random(common.shape) < 0.25, chosen, common)
    columns = of_word[words].reshape(len(labels), -1)
    indptr = np.arange(len(labels) + 1) * columns.shape[1]
    counts = csr_matrix(
        (np.ones(columns.size, np.float32), columns.ravel(), indptr), (len(labels), N_GRAMS)
    )
    counts.sum_duplicates()
    carriers = np.bincount(counts.indices, minlength=N_GRAMS) + 1.0
    idf = (1 + np.log((len(labels) + 1) / carriers)).astype(np.float32)
    counts.data = (1 + np.log(counts.data)) * idf[counts.indices]
    length = np.sqrt(np.asarray(counts.multiply(counts).sum(axis=1)).ravel())
    counts.data /= np.repeat(length, np.diff(counts.indptr)).astype(np.float32)
    return counts


Measured: TypeAlias = tuple[str, int, int, dict[str, float]]
"""Build, listings, categories, what was found."""


@contextmanager
def measured(seconds: dict[str, float], stage: str) -> Iterator[None]:
    start = time.process_time()
    yield
    seconds[stage] = time.process_time() - start


def train(n: int, k: int) -> dict[str, float]:
    """Run every stage on n drawn listings in k categories, with whichever build is imported."""
    from shelfsure.catalog.groups import similar_links
    from shelfsure.catalog.splits import group_folds
    from shelfsure.core.config import Config
    from shelfsure.fusion import calibration
    from shelfsure.fusion.accept_rule import Examples
    from shelfsure.fusion.calibration import entropy, log_loss
    from shelfsure.fusion.classifier import LateFusion
    from shelfsure.fusion.storage import save_classifier
    from shelfsure.fusion.views import View, restrict, take
    from shelfsure.pipeline.accept_rules import fit_rules
    from shelfsure.pipeline.category_rules import fit_category_rules
    from shelfsure.retrieval import fit
    from shelfsure.retrieval.ood.fit import fit_ood_detector

    rng = np.random.default_rng(0)
    labels = columns(rng, n + N_ASKED, k)
    everyone = np.ones(len(labels), dtype=bool)
    spread = 4.0 * (n / k / 20) ** 0.25  # more examples make it easier
    features = {
        "photo": embeddings(rng, labels, PHOTO_DIM, spread),
        "title_embedding": embeddings(rng, labels, TITLE_DIM, spread),
        "title_tfidf": grams(rng, labels),
    }
    every = {name: View(drawn, everyone) for name, drawn in features.items()}
    views, asked = take(every, np.arange(n)), take(every, np.arange(n, n + N_ASKED))
    truth, labels = labels[n:], labels[:n]
    del every, features
    class_names = [f"department {i % 10} > kind {i:05d}" for i in range(k)]
    categories, groups = [class_names[i] for i in labels], np.arange(n)
    folds, config = group_folds(categories, groups, N_FOLDS, 0), Config(levels=2)
    drawn_gb = peak_gb()

    seconds: dict[str, float] = {}
    with measured(seconds, "grouping"):
        similar_links(views["photo"].features, 0.97)
    with measured(seconds, "experts"):
        some = getattr(calibration, "some_rows", None)  # older builds ask about all
        chosen = {"asked": some(n, calibration.held_out_fraction(n, k))} if some else {}
        classifier, held_out = LateFusion.fit(views, labels, k, folds, **chosen)
    with measured(seconds, "accept rules"):
        given = (held_out, categories, {}, [], class_names, config)
        examples = Examples(np.bincount(labels, minlength=k), config.accept.min_examples)
        grouped = {"groups": groups, "unseen_groups": groups[:0]}
        fit_rules(*given, examples=examples, **grouped)
        fit_category_rules(*given, examples=examples, **grouped)
    with measured(seconds, "detector"):
        unsure = {}
        for pattern, held in held_out.items():
            unsure[pattern] = np.full(n, np.nan)
            unsure[pattern][held.rows] = entropy(np.exp(held.log_probabilities))
        dense = {name: view for name, view in views.items() if name != "title_tfidf"}
        least = fit.min_of_kind(n) if hasattr(fit, "min_of_kind") else fit.MIN_OF_KIND
        kinds = fit.finest_labels(categories, least)
        detector = fit_ood_detector(dense, kinds, folds, groups=groups, uncertainty=unsure)
    peak = peak_gb()
    start = time.process_time()
    for first in range(0, N_ASKED, BLOCK):
        block = take(asked, np.arange(first, first + BLOCK))
        answers = classifier.log_probabilities(block)
        for part in ("photo", "title"):
            classifier.log_probabilities(restrict(block, {part}))
        seen = {name: block[name] for name in dense}
        detector.p_values(seen, answers.argmax(axis=1), entropy(np.exp(answers)))
    judging_ms = (time.process_time() - start) / N_ASKED * 1000
    answers = classifier.log_probabilities(asked)
    alone = {
        name: float((head.logits(asked[name].features).argmax(axis=1) == truth).mean())
        for name, head in classifier.heads.items()
        if name in asked  # a view's prototypes go by another name
    }
    return seconds | {
        "all": sum(seconds.values()),
        "drawn_gb": drawn_gb,
        "peak_gb": peak,
        "bundle_mb": saved_mb(classifier, detector, save_classifier),
        "judging_ms": judging_ms,
        "log_loss": log_loss(answers, truth),
        "top1": float((answers.argmax(axis=1) == truth).mean()),
        **{f"top1 of {name}": share for name, share in alone.items()},
    }


def saved_mb(classifier: Any, detector: Any, save: Callable[[Any, Path], object]) -> float:
    """Tell what experts and detector weigh in a bundle."""
    with tempfile.TemporaryDirectory() as folder:
        save(classifier, Path(folder))
        n_bytes = sum(path.stat().st_size for path in Path(folder).iterdir())
    return (n_bytes + sum(array.nbytes for array in detector.to_parts()[0].values())) / 1e6


def peak_gb() -> float:
    """Most memory that this process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def in_process(checkout: Path, size: str) -> dict[str, float]:
    """Train with a checkout's own code, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "shelfsure").symlink_to(checkout.resolve() / "src")
        environment = os.environ | {"PYTHONPATH": folder, "OMP_NUM_THREADS": "1"}
        command = [sys.executable, __file__, "--sizes", size, "--json"]
        done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE)
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def growth(results: list[Measured], build: str, n: int, k: int, seconds: float) -> str:
    """Tell the exponent of the time over the next smaller size of as many categories."""
    smaller = [(m, found["all"]) for b, m, j, found in results if b == build and j == k and m < n]
    if not smaller:
        return ""
    before, took = max(smaller)
    return f"{np.log(seconds / took) / np.log(n / before):.2f}"


def draw_curve(results: list[Measured], path: Path) -> None:
    """Draw CPU seconds and memory over the number of listings, all axes logarithmic."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(11, 4.5))
    for (key, label), axis in zip((("all", "CPU seconds"), ("peak_gb", "GB")), axes, strict=True):
        for build, k in dict.fromkeys((build, k) for build, _, k, _ in results):
            points = sorted((n, found[key]) for b, n, j, found in results if (b, j) == (build, k))
            axis.loglog(*zip(*points, strict=True), marker="o", label=f"{k} categories, {build}")
        axis.set(xlabel="listings", ylabel=label)
        axis.legend()
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="+", default=list(SMALL))
    parser.add_argument("--large", action="store_true", help=f"also {', '.join(LARGE)}")
    parser.add_argument("--against", type=Path, help="an older build's checkout")
    parser.add_argument("--curve", type=Path, help="draw time and memory to this picture")
    parser.add_argument("--json", action="store_true", help="run one size here, print JSON")
    options = parser.parse_args()
    sizes = [*options.sizes, *(LARGE if options.large else ())]
    if options.json:
        n, k = map(int, sizes[0].split("x"))
        print(json.dumps(train(n, k)))
        return
    builds = {"this": Path(__file__).parent.parent}
    if options.against:
        builds = {"before": options.against, **builds}
    table = Table(
        "listings", "build", *STAGES, "all", "ratio", "growth", "GB", "drawn", "log loss", "top-1",
        "MB", "ms",
    )  # fmt: skip
    results: list[Measured] = []
    for size in sizes:
        before = None
        n, k = map(int, size.split("x"))
        for build, checkout in builds.items():
            found = in_process(checkout, size)
            before = before or found
            table.add_row(
                size, build, *(f"{found[stage]:.1f}" for stage in (*STAGES, "all")),
                f"{found['all'] / before['all']:.3f}", growth(results, build, n, k, found["all"]),
                f"{found['peak_gb']:.2f}", f"{found['drawn_gb']:.2f}",
                f"{found['log_loss']:.4f}", f"{found['top1']:.3f}",
                f"{found['bundle_mb']:.0f}", f"{found['judging_ms']:.2f}",
            )  # fmt: skip
            results.append((build, n, k, found))
            print(size, build, json.dumps(found), file=sys.stderr)
    Console(width=160).print(table)
    if options.curve:
        draw_curve(results, options.curve)


if __name__ == "__main__":
    main()
