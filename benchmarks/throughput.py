"""How many photos a second does Shelfsure embed and judge, against the script one would write?

python benchmarks/throughput.py [FOLDER] [--photos 256] [--rounds 3] [--bundle runs/shop]

Reads the folder's photos, or the sample catalogue's, enlarged to 1.9 megapixels. The naive
script (timm, PIL, a DataLoader, PyTorch, in batches of 32 and of 1) and Shelfsure's two modes see
the same photos in turns, so that a busy machine slows all of them; a ratio is the median over
rounds. With --bundle, `predict` is timed too, from file to verdict: without titles, without the
search for duplicates, without and with the look at the photo's quality.
"""

import argparse
import io
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import timm
import torch
from PIL import Image, ImageOps
from shelfsure import Listing, ListingPipeline
from shelfsure.catalog.sample import unpack_sample
from shelfsure.core.errors import RuntimeUnusableError
from shelfsure.core.runtimes.benchmark import machine, versions
from shelfsure.embedding.embedder import Embedder
from shelfsure.embedding.run_options import RunOptions
from shelfsure.text.encoder import SentenceEncoder
from shelfsure.vision.encoder import PhotoEncoder
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms.functional import normalize, to_tensor

SIDE = 288
MEGAPIXELS = 1.9
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}


class Photos(Dataset[torch.Tensor]):
    """What the naive script reads: PIL, in full, and the same frame as Shelfsure's."""

    def __init__(self, paths: list[Path]) -> None:
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, row: int) -> torch.Tensor:
        photo = Image.open(self.paths[row]).convert("RGB")
        photo = ImageOps.pad(photo, (SIDE, SIDE), Image.Resampling.BICUBIC, color="white")
        return normalize(to_tensor(photo), [0.5] * 3, [0.5] * 3)


def naive(model: torch.nn.Module, paths: list[Path], batch_size: int) -> np.ndarray:
    """The script one would write."""
    batches = DataLoader(Photos(paths), batch_size=batch_size, num_workers=0)
    with torch.inference_mode():
        rows = [torch.nn.functional.normalize(model(batch), dim=1) for batch in batches]
    return torch.cat(rows).numpy()


def starter_as_a_script_has_it(encoder: PhotoEncoder) -> torch.nn.Module:
    """The same weights in timm's plain model, laid out in memory as timm does."""
    model = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    model.load_state_dict(encoder.backbone.state_dict())
    model.reset_classifier(0)
    return model.eval()


def embedding(encoder: PhotoEncoder, texts: SentenceEncoder) -> Callable[[list[Path]], np.ndarray]:
    """Files to embeddings as `predict` does it, the cache left out."""
    embedder = Embedder(encoder, texts)

    def run(paths: list[Path]) -> np.ndarray:
        embedded = embedder.embed([Listing(image=path) for path in paths])
        if embedded.problems:
            raise SystemExit(f"Every photo must be readable, but: {embedded.problems}")
        return embedded.photo.features

    return run


def predicting(pipeline: ListingPipeline, *, quality: bool) -> Callable[[list[Path]], None]:
    def run(paths: list[Path]) -> None:
        listings = [Listing(str(path), image=path) for path in paths]
        pipeline.predict(listings, duplicates=False, quality=quality)

    return run


def enlarged_sample(folder: Path, n_photos: int) -> list[Path]:
    """Unpack the sample catalogue, and enlarge its photos to what phones upload, grain added."""
    unpack_sample(folder / "shop")
    rng = np.random.default_rng(0)
    paths = []
    for number, source in enumerate(sorted((folder / "shop").rglob("*.jpg"))[:n_photos]):
        photo = Image.open(source).convert("RGB")
        scale = (MEGAPIXELS * 1e6 / (photo.width * photo.height)) ** 0.5
        size = round(photo.width * scale), round(photo.height * scale)
        pixels = np.asarray(photo.resize(size, Image.Resampling.BICUBIC), dtype=np.float32)
        pixels = np.clip(pixels + rng.normal(0, 4, (*pixels.shape[:2], 1)), 0, 255)
        buffer = io.BytesIO()
        Image.fromarray(pixels.astype(np.uint8)).save(buffer, "JPEG", quality=90)
        paths.append(folder / f"{number}.jpg")
        paths[-1].write_bytes(buffer.getvalue())
    return paths


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--photos", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--runtime", default="auto")
    parser.add_argument("--bundle", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        if options.folder:
            found = sorted(p for p in options.folder.rglob("*") if p.suffix.lower() in SUFFIXES)
            paths = found[: options.photos]
        else:
            paths = enlarged_sample(Path(temporary), options.photos)
        if not paths:
            parser.error(f"the folder must hold photos, found none in {options.folder}.")
        compare(paths, options.rounds, options.runtime, options.bundle)


def compare(paths: list[Path], rounds: int, runtime: str, bundle: Path | None) -> None:
    texts = SentenceEncoder.load()
    frame = {"side_px": SIDE, "crop_mode": "border", "device": "cpu"}
    normal = PhotoEncoder.load(runtime=runtime, **frame)
    normal.engine.select_runtime()
    model = starter_as_a_script_has_it(normal)
    contenders: dict[str, Callable[[list[Path]], np.ndarray | None]] = {
        "naive, batch 32": lambda paths: naive(model, paths, 32),
        "naive, batch 1": lambda paths: naive(model, paths, 1),
        f"normal ({normal.engine.name})": embedding(normal, texts),
    }
    try:
        fast = PhotoEncoder.load(decode="fast", precision="openvino-bfloat16", **frame)
        contenders["fast (openvino, bfloat16)"] = embedding(fast, texts)
    except RuntimeUnusableError as error:
        print(f"fast mode left out: {error}")
    if bundle:
        pipeline = ListingPipeline.load(bundle, RunOptions(device="cpu", runtime=runtime))
        pipeline.embedder.select_runtime()
        contenders["predict"] = predicting(pipeline, quality=False)
        contenders["predict, photo quality"] = predicting(pipeline, quality=True)
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    results: dict[str, np.ndarray | None] = {}
    for name, run in contenders.items():
        run(paths[:8])  # warm
        results[name] = run(paths)
    for _ in range(rounds):
        for name, run in contenders.items():
            start = time.perf_counter()
            run(paths)
            seconds[name].append(time.perf_counter() - start)
    reference = results["naive, batch 32"]
    mean_kb = np.mean([path.stat().st_size for path in paths]) / 1e3
    print(f"{machine()}; {versions()}")
    print(f"{len(paths)} photos of {mean_kb:.0f} kB on average, {rounds} rounds in turns, medians")
    print(f"{'':28}photos/s  ms/photo  x batch 32  x batch 1  cosine mean / min")
    for name, times_s in seconds.items():
        ratios = [
            np.median(np.divide(seconds[f"naive, batch {size}"], times_s)) for size in (32, 1)
        ]
        each_s = np.median(times_s) / len(paths)
        vectors = results[name]
        cosines = None if vectors is None else (vectors * reference).sum(axis=1)
        said = "" if cosines is None else f"{cosines.mean():.5f} / {cosines.min():.5f}"
        print(
            f"{name:28}{1 / each_s:8.1f}{each_s * 1e3:10.1f}"
            f"{ratios[0]:11.1f}{ratios[1]:11.1f}    {said}"
        )


if __name__ == "__main__":
    main()
