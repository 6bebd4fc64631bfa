"""How much faster is reduced JPEG decoding, and how far off are its pixels?

python benchmarks/decode.py [FOLDER] [--side 224] [--crop-fraction 0.875] [--photos 40]

Reads the folder's JPEGs, or draws 2-megapixel ones itself. Both ways run on the same photo right
after each other, so that a busy machine slows both; the ratio is the median over photos.
"""

import argparse
import io
import time
from pathlib import Path

import numpy as np
from PIL import Image
from shelfsure.vision.preprocess import Decode, load_square


def drawn_jpeg(rng: np.random.Generator) -> bytes:
    """A 1633 x 1225 photo stand-in: detail at every scale, as in photos, quality 90."""
    width, height = 1633, 1225
    layers = np.zeros((height, width, 3), np.float32)
    for cells in (4, 16, 64, 256):
        grid = rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8)
        layer = Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC)
        layers += (np.asarray(layer, np.float32) - 128) / cells**0.5
    pixels = np.clip(128 + layers, 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def timed(data: bytes, side: int, crop_fraction: float, decode: Decode) -> tuple[float, np.ndarray]:
    """Best of three, in seconds, and the pixels."""
    times_s = []
    for _ in range(3):
        start = time.perf_counter()
        pixels = load_square(data, side, crop_fraction, decode=decode)
        times_s.append(time.perf_counter() - start)
    return min(times_s), pixels.astype(np.int16)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--crop-fraction", type=float, default=0.875)
    parser.add_argument("--photos", type=int, default=40)
    options = parser.parse_args()
    if options.folder:
        paths = [
            p for p in sorted(options.folder.rglob("*")) if p.suffix.lower() in {".jpg", ".jpeg"}
        ]
        photos = [path.read_bytes() for path in paths[: options.photos]]
        if not photos:
            parser.error(f"the folder must hold JPEG photos, found none in {options.folder}.")
    else:
        rng = np.random.default_rng(0)
        photos = [drawn_jpeg(rng) for _ in range(options.photos)]
    rows = []
    for data in photos:
        plain_s, plain = timed(data, options.side, options.crop_fraction, "full")
        draft_s, draft = timed(data, options.side, options.crop_fraction, "fast")
        rows.append((plain_s, draft_s, draft_s / plain_s, np.abs(plain - draft).mean()))
    plain_s, draft_s, ratio, difference = np.median(rows, axis=0)
    print(f"{len(rows)} photos to {options.side} px, medians:")
    print(f"plain {plain_s * 1e3:.1f} ms   draft {draft_s * 1e3:.1f} ms   ratio {ratio:.2f}")
    print(f"mean absolute pixel difference {difference:.2f} of 255")


if __name__ == "__main__":
    main()
