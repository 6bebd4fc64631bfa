"""Does the promise hold on sellers that training hasn't seen, and what do labels of theirs bring?

python benchmarks/new_sellers.py TRAIN.csv TEST.csv [--levels 3] [--labels 100 200 300 400]

TEST.csv has listings of other sellers (shops, sessions, seasons). Prints what training forecast and
what came true, then the same after `recalibrate` on a random part of TEST.csv, measured on the
rest; three draws each.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from shelfsure.catalog.catalog import Catalog, read_catalog
from shelfsure.catalog.listing import Listing, category_prefix
from shelfsure.core.cache import EmbeddingCache
from shelfsure.core.config import load_config
from shelfsure.embedding.run_options import RunOptions
from shelfsure.evaluation.metrics import expected_calibration_error
from shelfsure.pipeline.pipeline import ListingPipeline
from shelfsure.pipeline.recalibration import recalibrate

N_DRAWS = 3


def measure(pipeline: ListingPipeline, listings: Sequence[Listing]) -> str:
    """Judge listings with known categories, and put in a line how it went."""
    verdicts = pipeline.predict(listings, duplicates=False, quality=False)
    levels, column = pipeline.config.levels, list(pipeline.class_names)
    true = [category_prefix(listing.category or "", levels) for listing in listings]
    right = np.array([v.category == name for v, name in zip(verdicts, true, strict=True)])
    accepted = np.array([v.decision == "accept" for v in verdicts])
    refused = np.mean([v.decision == "out_of_catalogue" for v in verdicts])
    views = pipeline.views(pipeline.embedder.embed(listings))
    known = np.array([name in column for name in true])
    ece = expected_calibration_error(
        pipeline.predict_views(views).probabilities[known],
        np.array([column.index(name) for name in true if name in column]),
    )
    precision = f"{right[accepted].mean():.3f}" if accepted.any() else "-"
    shift = f"p {verdicts[0].shift.p_value:.1g}" if verdicts[0].shift else "none"
    return (
        f"right {right.mean():.3f}  ECE {ece:.3f}  accepted {accepted.mean():.3f}  "
        f"right of accepted {precision}  refused {refused:.3f}  shift {shift}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("train", type=Path)
    parser.add_argument("test", type=Path)
    parser.add_argument("--levels", type=int, default=3)
    parser.add_argument("--labels", type=int, nargs="*", default=[100, 200, 300, 400])
    given = parser.parse_args()
    options = RunOptions(cache=EmbeddingCache())
    catalog = read_catalog(given.train, need_category=True)
    config = load_config("starter", levels=given.levels)
    pipeline = ListingPipeline.fit(catalog, config, options)
    listings = read_catalog(given.test, need_category=True).listings
    print("grouping", pipeline.facts["grouping"])
    print("forecast", pipeline.facts["forecast"])
    print("truth   ", measure(pipeline, listings))
    for n_labels in given.labels:
        for draw in range(N_DRAWS):
            order = np.random.default_rng(draw).permutation(len(listings))
            new, rest = ([listings[i] for i in part] for part in np.split(order, [n_labels]))
            calibrated = recalibrate(pipeline, Catalog.from_listings(new, need_category=True))
            print(f"{n_labels} labels, draw {draw}: {measure(calibrated, rest)}", flush=True)


if __name__ == "__main__":
    main()
