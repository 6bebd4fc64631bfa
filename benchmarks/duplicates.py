"""How many edited copies are found, and how many strangers with them? Shelfsure and imagededup.

python benchmarks/duplicates.py FOLDER [--sources 150] [--fit] [--model PAIR_MODEL.json]

Every edit copies a sample of the folder's photos; each copy is looked up among all photos of the
folder. Right is its original, or a photo of the same bytes; everything else that is found counts
as wrong, look-alikes too. imagededup's hashes each get the distance that gives them the best F1 on
these very queries, which flatters them; Shelfsure keeps the threshold that its model came with.
With --fit the model is fitted first, to photos of the folder that no copy is made of.
"""

import argparse
import hashlib
import io
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from shelfsure.catalog.listing import Listing
from shelfsure.core.errors import PhotoError
from shelfsure.embedding.listings import EmbeddedListings
from shelfsure.fusion.views import View
from shelfsure.retrieval.duplicates.edits import EDITS, encode_jpeg
from shelfsure.retrieval.duplicates.fit import fit_pair_model
from shelfsure.retrieval.duplicates.match import match_listings
from shelfsure.retrieval.duplicates.pair_model import PairModel
from shelfsure.vision.encoder import PhotoEncoder
from shelfsure.vision.load import PhotoLimits, decode_photo

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp"}
MAX_HASH_DISTANCE = 20
Found = dict[str, set[str]]  # copy -> photos of the folder taken for its original


def embedded(encoder: PhotoEncoder, photos: dict[str, bytes]) -> EmbeddedListings:
    squares = [encoder.prepare(encoder.decode(data, PhotoLimits())) for data in photos.values()]
    vectors = encoder.encode(squares)
    return EmbeddedListings.of_photos(
        [Listing(listing_id=name, image=data) for name, data in photos.items()],
        View(vectors, np.ones(len(photos), dtype=bool)),
        [hashlib.sha256(data).hexdigest() for data in photos.values()],
    )


def readable(folder: Path) -> dict[str, bytes]:
    """Photos by their path; what can't be decoded is left out and named."""
    photos = {}
    for path in sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES):
        try:
            decode_photo(path)
            photos[path.relative_to(folder).as_posix()] = path.read_bytes()
        except PhotoError as error:
            print(f"left out: {error}")
    return photos


def edited_copies(photos: dict[str, bytes], sources: Iterable[str]) -> dict[str, bytes]:
    """Name -> copy; the name is ``edit/source``. The same folder gives the same copies."""
    copies = {}
    for number, name in enumerate(sources):
        image = decode_photo(photos[name]).image
        for kind, (edit, apply) in enumerate(EDITS.items()):
            rng = np.random.default_rng([20261120, number, kind])
            copies[f"{edit}/{name}"] = encode_jpeg(apply(image, rng), int(rng.integers(60, 95)))
    return copies


def ours(
    encoder: PhotoEncoder, copies: dict[str, bytes], catalogue: EmbeddedListings, model: PairModel
) -> tuple[Found, float]:
    start = time.perf_counter()
    queries = embedded(encoder, copies)
    result = match_listings(queries, encoder, model, against=catalogue)
    seconds = time.perf_counter() - start
    found: Found = {}
    for pair in result.pairs:
        found.setdefault(pair.a.listing_id, set()).add(pair.b.listing_id)
    return found, seconds


def hash_distances(
    method: Any, photos: dict[str, bytes], copies: dict[str, bytes]
) -> tuple[dict[str, list[tuple[str, int]]], float]:
    """For each copy every photo within MAX_HASH_DISTANCE bits, by imagededup's own search."""
    with tempfile.TemporaryDirectory() as folder:
        paths = {}
        for number, (name, data) in enumerate({**photos, **copies}.items()):
            path = Path(folder) / f"{number}.png"
            Image.open(io.BytesIO(data)).convert("RGB").save(path, compress_level=1)
            paths[name] = str(path)
        start = time.perf_counter()
        hashes = {name: method.encode_image(image_file=path) for name, path in paths.items()}
        bits = {name: int(value, 16) for name, value in hashes.items()}
        near = {
            copy: [
                (photo, distance)
                for photo in photos
                if (distance := (bits[copy] ^ bits[photo]).bit_count()) <= MAX_HASH_DISTANCE
            ]
            for copy in copies
        }
        return near, time.perf_counter() - start


def measured(
    found: Found, copies: Iterable[str], same: dict[str, set[str]]
) -> tuple[float, float, float]:
    """Precision, recall and F1; recall: copies whose original, or a twin of it, is found."""
    right = wrong = recalled = total = 0
    for copy in copies:
        total += 1
        twins = same[copy.split("/", 1)[1]]
        hits = found.get(copy, set())
        recalled += bool(hits & twins)
        right += bool(hits & twins)
        wrong += len(hits - twins)
    precision = right / (right + wrong) if right + wrong else 0.0
    recall = recalled / total
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return precision, recall, f1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sources", type=int, default=150)
    parser.add_argument("--fit", action="store_true")
    parser.add_argument("--model", type=Path)
    options = parser.parse_args()
    try:
        from imagededup.methods import AHash, DHash, PHash, WHash
    except ImportError:
        parser.error("imagededup must be installed to compare with. Run: pip install imagededup")
    photos = readable(options.folder)
    if len(photos) < 20:
        parser.error(f"the folder must hold 20 photos or more, found {len(photos)}.")
    names = list(photos)
    order = np.random.default_rng(20261120).permutation(len(names))
    sources = [names[place] for place in order[: options.sources]]
    by_bytes: dict[bytes, set[str]] = {}
    for name, data in photos.items():
        by_bytes.setdefault(data, set()).add(name)
    same = {name: by_bytes[data] for name, data in photos.items()}
    copies = edited_copies(photos, sources)

    encoder = PhotoEncoder.load("starter", side_px=288, crop_mode="border")
    catalogue = embedded(encoder, photos)
    model = PairModel.load(options.model) if options.model else PairModel.load()
    if options.fit:
        rest = order[options.sources :]
        own = catalogue.take(rest)
        model = fit_pair_model(own, prior=model)
    results = {"Shelfsure": ours(encoder, copies, catalogue, model)}
    for kind in (PHash, DHash, WHash, AHash):
        near, seconds = hash_distances(kind(verbose=False), photos, copies)
        best = max(
            (
                {copy: {p for p, d in hits if d <= limit} for copy, hits in near.items()}
                for limit in range(MAX_HASH_DISTANCE + 1)
            ),
            key=lambda found: measured(found, copies, same)[2],
        )
        results[f"imagededup {kind.__name__}"] = (best, seconds)

    print(f"{len(copies)} copies of {len(sources)} photos, looked up among {len(photos)}")
    for name, (found, seconds) in results.items():
        rate = 1000 * seconds / len(copies)
        print(f"\n{name}: {rate:.1f} s per 1,000 photos")
        print(f"{'edit':<14}{'precision':>10}{'recall':>10}{'F1':>10}")
        for edit in [*EDITS, "all"]:
            chosen = [copy for copy in copies if edit in ("all", copy.split("/", 1)[0])]
            cells = "".join(f"{value:>10.3f}" for value in measured(found, chosen, same))
            print(f"{edit:<14}{cells}")


if __name__ == "__main__":
    main()
