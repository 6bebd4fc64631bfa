"""How well do category names alone sort listings, and what does each correction bring?

python benchmarks/zero_shot.py CATALOGUE.csv [--levels 1 2] [--leaf] [--open-clip WEIGHTS]

The names are the categories' paths, cut to each number of levels (with --leaf only the last part);
no listing trains anything. Printed by photo, by title and by both: top-1 accuracy, the same over
categories ("balanced"), and mean log loss in nats, with the slopes that the joint space comes with.
The last line of a table fits the slopes on every second listing and measures the others.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from shelfsure.catalog.catalog import read_catalog
from shelfsure.catalog.listing import SEPARATOR, category_levels, category_prefix
from shelfsure.core.cache import EmbeddingCache
from shelfsure.embedding.embedder import Embedder
from shelfsure.embedding.run_options import RunOptions
from shelfsure.retrieval.zero_shot.classifier import ZeroShot
from shelfsure.retrieval.zero_shot.conse import ConSE
from shelfsure.retrieval.zero_shot.image_text_space import ImageTextSpace
from shelfsure.retrieval.zero_shot.open_clip import OpenClip
from shelfsure.retrieval.zero_shot.prototypes import Prototypes, embed_categories, embed_paths
from shelfsure.text.encoder import SentenceEncoder
from shelfsure.vision.encoder import PhotoEncoder


def scores(zero_shot: ZeroShot, photo: np.ndarray, title: np.ndarray, labels: np.ndarray) -> str:
    """Top-1, balanced top-1 and log loss by photo, by title, and by both."""
    cells = []
    for views in ((photo, None), (None, title), (photo, title)):
        probabilities = zero_shot.classify(*views)
        right = probabilities.argmax(axis=1) == labels
        balanced = np.mean([right[labels == label].mean() for label in np.unique(labels)])
        loss = -np.log(probabilities[np.arange(len(labels)), labels]).mean()
        cells.append(f"{right.mean():6.3f} {balanced:6.3f} {loss:6.3f}")
    return " |".join(cells)


def steps(names: list[str], space: ImageTextSpace) -> dict[str, ZeroShot]:
    """The same categories with one correction after the other."""
    full = embed_categories(names, None, space)
    nothing = np.zeros(len(names), dtype=np.float32)
    vectors = embed_paths([category_levels(name) for name in names], space)
    return {
        "names only": ZeroShot(Prototypes(full.names, vectors, nothing, nothing), space.slopes),
        "+ neighbours": ZeroShot(
            replace(full, photo_baseline=nothing, title_baseline=nothing), space.slopes
        ),
        "+ photo baseline": ZeroShot(replace(full, title_baseline=nothing), space.slopes),
        "+ title baseline": ZeroShot(full, space.slopes),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("catalogue", type=Path)
    parser.add_argument("--levels", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--leaf", action="store_true")
    parser.add_argument("--open-clip", metavar="WEIGHTS")
    options = parser.parse_args()
    listings = [item for item in read_catalog(options.catalogue).listings if item.category]
    cache = EmbeddingCache()
    space: ImageTextSpace
    if options.open_clip:
        space = OpenClip.load(options.open_clip)
    else:
        photos = PhotoEncoder.load("starter", side_px=288, crop_mode="border")
        space = ConSE.from_encoders(photos, SentenceEncoder.load(), cache)
    embedder = Embedder(space.photos, space.texts, RunOptions(cache=cache, progress=True))
    embedded = embedder.embed(listings, description=False)
    photo, title = space.to_text_space(embedded.photo.features), embedded.title.features
    even, odd = slice(0, None, 2), slice(1, None, 2)
    for levels in options.levels:
        paths = [category_prefix(item.category, levels) for item in listings]
        if options.leaf:
            paths = [path.split(SEPARATOR)[-1] for path in paths]
        names = sorted(set(paths))
        labels = np.array([names.index(path) for path in paths])
        print(f"{len(listings)} listings, {len(names)} categories; top-1, balanced, log loss")
        print(f"{'':16} {'photo':>20} |{'title':>20} |{'both':>20}")
        for step, zero_shot in steps(names, space).items():
            print(f"{step:16} {scores(zero_shot, photo, title, labels)}")
        fitted = zero_shot.fitted(photo[even], title[even], labels[even])
        print(f"{'+ fitted':16} {scores(fitted, photo[odd], title[odd], labels[odd])}")
        print(fitted.slopes)


if __name__ == "__main__":
    main()
