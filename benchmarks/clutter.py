"""Draw phone-like photos of real products, as a harder task for fine-tuning.

python benchmarks/clutter.py FOLDER --outside OUTSIDE --out OUT [--items 81] [--photos 32]

FOLDER has listings.csv and images/, OUTSIDE other photos. Products on a white background are cut
out, tilted, shrunk, blurred, badly lit and half hidden before OUTSIDE's photos; each product is a
category. OUT gets train.csv, test.csv (other backgrounds, a third as many photos) and img/. Then:

shelfsure finetune OUT/train.csv --out OUT/ft --max-minutes 40
shelfsure train OUT/train.csv --out OUT/frozen [--image-encoder OUT/ft]
shelfsure evaluate OUT/frozen OUT/test.csv --out OUT/report
"""

import argparse
import csv
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from shelfsure.catalog.catalog import read_catalog
from shelfsure.catalog.listing import category_prefix
from shelfsure.core.errors import PhotoError
from shelfsure.vision.preprocess import load_square

SIDE, WIDTH, HEIGHT = 400, 360, 480


class Product(NamedTuple):
    category: str
    pixels: np.ndarray
    mask: np.ndarray


def products(folder: Path, n: int, rng: np.random.Generator) -> list[Product]:
    """Cut out products that stand alone on white, of as few first-level categories as can be."""
    found = []
    listings = read_catalog(folder / "listings.csv", image_root=folder, need_category=True).listings
    for row in rng.permutation(len(listings)):
        try:
            pixels = load_square(listings[row].image or b"", SIDE, 1.0, "border")
        except PhotoError:
            continue
        coloured = (pixels.min(axis=2) < 238).astype(np.uint8)
        closed = cv2.morphologyEx(coloured, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8))
        outlines, _ = cv2.findContours(closed, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        mask = cv2.drawContours(np.zeros_like(closed), outlines, -1, 255, cv2.FILLED)
        edges = np.concatenate([mask[:4].ravel(), mask[-4:].ravel()])
        if 0.1 < mask.mean() / 255 < 0.6 and edges.mean() < 13:
            found.append(Product(category_prefix(listings[row].category or "", 1), pixels, mask))
    names, counts = np.unique([product.category for product in found], return_counts=True)
    rank = {name: place for place, name in enumerate(names[np.argsort(-counts)])}
    return sorted(found, key=lambda product: rank[product.category])[:n]


def scene(
    product: Product, other: Product, background: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Take one photo, shape ``(HEIGHT, WIDTH, 3)``."""
    top, left = (int(rng.integers(max(1, side - 200))) for side in background.shape[:2])
    part = background[top : top + rng.integers(200, 350), left : left + rng.integers(200, 350)]
    photo = cv2.resize(part, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC).astype(np.float32)
    photo = paste(photo, product, rng, centre=rng.normal((WIDTH / 2, HEIGHT / 2), (35, 45)))
    if rng.random() < 0.5:
        beside = (rng.choice([0.0, 1.0]) * WIDTH, rng.uniform(0.2, 0.8) * HEIGHT)
        photo = paste(photo, other, rng, centre=np.array(beside))
    photo *= rng.uniform(0.6, 1.1) * rng.uniform(0.85, 1.12, 3)
    photo += rng.normal(0, 5, photo.shape)
    if rng.random() < 0.5:
        photo = cv2.GaussianBlur(photo, (0, 0), rng.uniform(0.4, 1.8))
    return np.clip(photo, 0, 255).astype(np.uint8)


def paste(
    photo: np.ndarray, product: Product, rng: np.random.Generator, centre: np.ndarray
) -> np.ndarray:
    """Lay a product over a photo as a camera would see it from somewhere."""
    corners = np.array([(0, 0), (SIDE, 0), (SIDE, SIDE), (0, SIDE)], dtype=float) - SIDE / 2
    angle, scale = rng.normal(0, 0.3), rng.uniform(0.45, 0.95) * WIDTH / SIDE
    turn = np.array([(np.cos(angle), np.sin(angle)), (-np.sin(angle), np.cos(angle))])
    seen = (corners * rng.uniform(0.8, 1, 2) * scale) @ turn + rng.normal(0, 16, (4, 2)) + centre
    view = cv2.getPerspectiveTransform(
        (corners + SIDE / 2).astype(np.float32), seen.astype(np.float32)
    )
    pixels = cv2.warpPerspective(product.pixels, view, (WIDTH, HEIGHT))
    mask = cv2.warpPerspective(product.mask, view, (WIDTH, HEIGHT))
    share = cv2.GaussianBlur(mask, (3, 3), 0)[..., None] / 255
    return np.asarray(photo * (1 - share) + pixels * share)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--outside", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--items", type=int, default=81)
    parser.add_argument("--photos", type=int, default=32)
    options = parser.parse_args()
    rng = np.random.default_rng(3)
    paths = sorted(options.outside.glob("*.jpg"))
    backgrounds = [cv2.imread(str(path))[..., ::-1] for path in rng.permutation(paths)]
    half = len(backgrounds) // 2
    if not half:
        parser.error(f"--outside must hold two photos (*.jpg) or more, got {options.outside}.")
    items = products(options.folder, options.items, rng)
    (options.out / "img").mkdir(parents=True, exist_ok=True)
    for part, behind, n in (
        ("train", backgrounds[:half], options.photos),
        ("test", backgrounds[half:], max(1, options.photos // 3)),
    ):
        rows = []
        for number, product in enumerate(items):
            for shot in range(n):
                other = items[rng.integers(len(items))]
                photo = scene(product, other, behind[rng.integers(len(behind))], rng)
                name = f"img/{part}-{number:03}-{shot:02}.jpg"
                quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(60, 92))]
                cv2.imwrite(str(options.out / name), photo[..., ::-1], quality)
                rows.append((name, name, f"{product.category} > item {number:03}"))
        with (options.out / f"{part}.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("listing_id", "image", "category"), *rows])
        print(f"{part}: {len(rows)} photos of {len(items)} products")


if __name__ == "__main__":
    main()
