"""Do the regions and words that an explanation names make the difference? The tables of explain.md.

python benchmarks/explanation.py BUNDLE CATALOGUE --image-root FOLDER --listings 20

Takes away what an explanation ranks highest, then the next, and so on, and measures how far the
log-odds of the answer have fallen on average over the steps: the area over the deletion curve, in
nats; more is better. A region is taken away by blurring, as Owen values do it, and by the photo's
mean colour, which none of the methods knows. Also counts seconds of this process's CPU.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table
from shelfsure.catalog.catalog import read_catalog
from shelfsure.catalog.listing import Listing
from shelfsure.core.arrays import Bools, Floats
from shelfsure.embedding.run_options import RunOptions
from shelfsure.fusion.parts_game import PartsGame
from shelfsure.fusion.views import PHOTO, TITLE, View
from shelfsure.pipeline.account_details import region_values, text_variants, word_values
from shelfsure.pipeline.explanation import photo_coefficients
from shelfsure.pipeline.pipeline import ListingPipeline
from shelfsure.text.contributions import without, word_contributions, word_pieces
from shelfsure.vision.gradcam import category_heatmap
from shelfsure.vision.regions import GRID, blurred, framing, region_numbers, with_regions
from tqdm import tqdm

N_REGIONS = GRID[0] * GRID[1]
N_RANDOM = 2
FUSED, ALONE = "answer", "photo alone"
Areas = dict[tuple[str, str], list[float]]
"""What was measured, by what ranking -> one area a listing."""


def kept_after_each_step(values: Floats) -> Bools:
    """Who is left after 0, 1, ... but the last step, the highest value taken first.

    >>> kept_after_each_step(np.array([1.0, 3.0, 2.0])).tolist()
    [[True, True, True], [True, False, True], [True, False, False]]
    """
    ranks = np.argsort(np.argsort(-values, kind="stable"))
    return np.asarray(ranks[None, :] >= np.arange(len(values))[:, None])


def area_over_deletion_curve(odds: Floats) -> float:
    """Average how far log-odds, shape ``(n_steps,)``, are below the first."""
    return float(np.mean(odds[0] - odds[1:]))


def measure_photo(
    pipeline: ListingPipeline, listing: Listing, game: PartsGame, rng: np.random.Generator
) -> tuple[Areas, float]:
    """Delete regions by Owen values, Grad-CAM and at random; also give the seconds of the first."""
    encoder = pipeline.embedder.photos
    start = time.process_time()
    found = region_values(game, pipeline.embedder, listing, game.values()[PHOTO])
    took_s = time.process_time() - start
    photo = encoder.decode(listing.image, pipeline.embedder.options.limits)
    pixels = encoder.prepare(photo)
    inside, _ = framing(encoder.preprocessing, (photo.width_px, photo.height_px))
    numbers = region_numbers(len(pixels), inside)
    coefficients = photo_coefficients(pipeline.classifier)
    heat = category_heatmap(encoder, pixels, coefficients, game.column)
    fine = cv2.resize(heat, pixels.shape[:2], interpolation=cv2.INTER_LINEAR)
    warmth = np.bincount(numbers.ravel(), fine.ravel()) / np.bincount(numbers.ravel())
    rankings = {"owen": [found.nats.ravel()], "grad-cam": [warmth]}
    rankings["random"] = [rng.random(N_REGIONS) for _ in range(N_RANDOM)]
    colour = np.broadcast_to(pixels.mean(axis=(0, 1)).astype(np.uint8), pixels.shape)
    others = frozenset(game.players) - {PHOTO}
    areas: Areas = defaultdict(list)
    for how, background in (("blurred", blurred(pixels, inside)), ("mean colour", colour)):
        for name, values in rankings.items():
            each: dict[str, list[float]] = {FUSED: [], ALONE: []}
            for own in values:
                kept = kept_after_each_step(own)
                vectors = encoder.encode(list(with_regions(pixels, background, numbers, kept)))
                seen = {PHOTO: View(vectors, np.ones(len(kept), dtype=bool))}
                for what, there in ((FUSED, others), (ALONE, frozenset())):
                    each[what].append(area_over_deletion_curve(game.odds(PHOTO, seen, there)))
            for what, got in each.items():
                areas[f"{what}, {how}", name].append(float(np.mean(got)))
    return areas, took_s


def measure_title(
    pipeline: ListingPipeline, embedded: object, game: PartsGame, rng: np.random.Generator
) -> tuple[Areas, float]:
    """Delete a title's words by Owen values, by leaving one out, and at random."""
    embedder, tfidf = pipeline.embedder, pipeline.tfidf
    others = frozenset(game.players) - {TITLE}
    text = embedded.titles[0]
    pieces = word_pieces(text, 32)

    def odds(texts: Sequence[str]) -> Floats:
        return game.odds(TITLE, text_variants(embedder, tfidf, embedded, TITLE, texts), others)

    start = time.process_time()
    own = word_values(game, embedder, tfidf, embedded, TITLE, game.values()[TITLE])
    took_s = time.process_time() - start
    rankings = {
        "owen": [np.array([word.nats for word in own.words])],
        "leave one out": [
            np.array([w.nats for w in word_contributions(text, odds, max_pieces=32).words])
        ],
        "random": [rng.random(len(pieces)) for _ in range(N_RANDOM)],
    }
    areas: Areas = defaultdict(list)
    for name, values in rankings.items():
        got = []
        for each in values:
            left = [
                without(text, [p for p, stays in zip(pieces, row, strict=True) if not stays])
                for row in kept_after_each_step(each)
            ]
            got.append(area_over_deletion_curve(odds(left)))
        areas["answer, words cut out", name].append(float(np.mean(got)))
    return areas, took_s


def show(areas: Areas) -> None:
    """Print a row for each measure: every ranking's mean, and how far it is above random."""
    table = Table("taken away", "by", "area, nats", "above random (± s.e.)")
    for (what, name), values in areas.items():
        above = np.array(values) - np.array(areas[what, "random"])
        error = above.std(ddof=1) / np.sqrt(len(above)) if len(above) > 1 else float("nan")
        said = "" if name == "random" else f"{above.mean():+.2f} ± {error:.2f}"
        table.add_row(what, name, f"{np.mean(values):.2f}", said)
    Console().print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("catalogue", type=Path)
    parser.add_argument("--image-root", type=Path)
    parser.add_argument("--listings", type=int, default=20)
    parser.add_argument("--runtime", default="auto")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    catalog = read_catalog(options.catalogue, image_root=options.image_root)
    whole = [
        x for x in catalog.listings if x.image is not None and len((x.title or "").split()) > 2
    ]
    rng = np.random.default_rng(options.seed)
    chosen = rng.permutation(len(whole))[: options.listings]
    pipeline = ListingPipeline.load(options.bundle, RunOptions(runtime=options.runtime))
    areas: Areas = defaultdict(list)
    seconds: dict[str, list[float]] = defaultdict(list)
    measures: dict[str, Callable[..., tuple[Areas, float]]] = {
        "regions": measure_photo,
        "words": measure_title,
    }
    for place in tqdm(chosen, desc="Explaining"):
        embedded = pipeline.embedder.embed([whole[place]])
        views = pipeline.views(embedded)
        column = int(pipeline.classifier.log_probabilities(views)[0].argmax())
        start = time.process_time()
        game = PartsGame.of(pipeline.classifier, views, column)
        game.values()
        seconds["parts"].append(time.process_time() - start)
        for name, measure in measures.items():
            subject = whole[place] if name == "regions" else embedded
            found, took_s = measure(pipeline, subject, game, rng)
            seconds[name].append(took_s)
            for key, values in found.items():
                areas[key] += values
    show(areas)
    for name, took in seconds.items():
        print(f"{name}: {1e3 * np.median(took):,.1f} ms of CPU a listing (median)")


if __name__ == "__main__":
    main()
