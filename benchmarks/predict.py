"""What does `predict` cost a listing beyond embedding, and how does its memory grow?

shelfsure sample shop && shelfsure train shop/catalogue.csv --out runs/shop
python benchmarks/predict.py runs/shop shop/uploads.csv [--against CHECKOUT] [--rounds 3] [--long]

Each build judges the file in a process of its own, after a first run that embeds everything; a
listing's cost is the CPU time of the whole file less that of its first quarter, so that neither the
start nor the embedding counts. The builds take turns; the ratio is of medians over rounds. With
`--long`, titles alone are judged, of 10,000 and of 40,000 rows made from the file's, and the
peak memory of both is shown.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

HERE = Path(__file__).resolve().parents[1]
LONG_ROWS = (10_000, 40_000)
MAIN = "from shelfsure.cli.main import main; main()"


@dataclass(frozen=True)
class Cost:
    """What a process took: seconds of CPU, of the clock, and its peak memory."""

    cpu_s: float
    wall_s: float
    peak_gb: float


def predict(build: Path, bundle: Path, listings: Path, *options: str) -> Cost:
    """Judge a file with a checkout's code."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "shelfsure").symlink_to(build / "src")
        out = Path(folder) / "verdicts.jsonl"
        command = [sys.executable, "-c", MAIN, "predict", bundle, listings, "--out", out]
        environment = os.environ | {"PYTHONPATH": folder}
        start = time.perf_counter()
        with subprocess.Popen([*map(str, command), *options], env=environment) as process:
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        wall_s = time.perf_counter() - start
        if process.returncode:
            sys.exit(f"{build} failed, see above.")
    return Cost(used.ru_utime + used.ru_stime, wall_s, used.ru_maxrss / 1e6)


def a_listing(build: Path, bundle: Path, files: Sequence[Path], n: int, *options: str) -> float:
    """Give the seconds of CPU that each listing beyond the small file's takes."""
    small, large = (predict(build, bundle, file, *options).cpu_s for file in files)
    return (large - small) / n


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("listings", type=Path, help="A CSV file.")
    parser.add_argument("--against", type=Path, help="Another checkout.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--long", action="store_true")
    options = parser.parse_args()
    builds = {"this build": HERE, **({"the other": options.against} if options.against else {})}
    bundle, root = options.bundle.resolve(), str(options.listings.resolve().parent)
    table = pd.read_csv(options.listings, dtype=str, keep_default_na=False)
    with tempfile.TemporaryDirectory() as folder:
        if options.long:
            for n in LONG_ROWS:
                file = Path(folder) / f"{n}.csv"
                repeated = table.iloc[[row % len(table) for row in range(n)]]
                repeated.assign(**{table.columns[0]: range(n)}).to_csv(file, index=False)
                for name, build in builds.items():
                    cost = predict(build, bundle, file, "--no-photos")
                    print(
                        f"{name}, {n:,} titles: {cost.peak_gb:.2f} GB at most, "
                        f"{1e3 * cost.cpu_s / n:.2f} ms of CPU each, {cost.wall_s:.0f} s"
                    )
            return
        files = [Path(folder) / name for name in ("quarter.csv", "whole.csv")]
        for file, n in zip(files, (len(table) // 4, len(table)), strict=True):
            table[:n].to_csv(file, index=False)
        n_more = len(table) - len(table) // 4
        for build in builds.values():
            predict(build, bundle, files[1], "--image-root", root)
        for looks in ((), ("--no-duplicates",)):
            rows = [
                [
                    a_listing(build, bundle, files, n_more, "--image-root", root, *looks)
                    for build in builds.values()
                ]
                for _ in range(options.rounds)
            ]
            medians = [statistics.median(column) for column in zip(*rows, strict=True)]
            for name, cost_s in zip(builds, medians, strict=True):
                print(
                    f"{name}, {' '.join(looks) or 'with the close look'}: {1e3 * cost_s:.1f} ms of "
                    f"CPU a listing beyond embedding, {medians[-1] / cost_s:.2f} x the last one's"
                )


if __name__ == "__main__":
    main()
