"""What every test may lean on: no network, a seeded generator, fake encoders, a tiny catalogue,
the real photos where they are.
"""

import csv
import os
import socket
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image, ImageDraw
from shelfsure.catalog.catalog import read_catalog
from shelfsure.core.arrays import Floats
from shelfsure.core.cache import EmbeddingCache
from shelfsure.core.config import AcceptConfig, Config
from shelfsure.embedding.embedder import Embedder
from shelfsure.embedding.run_options import RunOptions
from shelfsure.pipeline.pipeline import ListingPipeline
from shelfsure.text.encoder import SentenceEncoder
from shelfsure.vision.encoder import PhotoEncoder
from shelfsure.vision.load import DecodedPhoto, PhotoLimits
from shelfsure.vision.preprocess import decode_for_square, square
from torch.cuda import is_available

# a busy machine is no failure; and CI repeats the same examples, while people try new ones
settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

REAL_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not REAL_DATA.is_dir():
        skip = pytest.mark.skip(reason="the real photos aren't beside this checkout")
        for item in items:
            if "realdata" in item.keywords:
                item.add_marker(skip)


@pytest.fixture(autouse=True, scope="session")
def _no_network() -> Iterator[None]:
    """Refuse every connection that would leave this machine."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: object) -> None:
        host = address[0] if isinstance(address, tuple) else "local"
        if self.family != socket.AF_UNIX and host not in {"127.0.0.1", "::1", "localhost"}:
            raise OSError(f"tests use no network, but something connects to {address}")
        connect(self, address)  # type: ignore[arg-type]

    socket.socket.connect = guarded  # type: ignore[assignment, method-assign]
    yield
    socket.socket.connect = connect  # type: ignore[method-assign]


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep the tests' embeddings out of the user's cache."""
    os.environ["SHELFSURE_CACHE_DIR"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20261120)


@pytest.fixture
def failing_rename(
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[Path], AbstractContextManager[None]]:
    """Let no new folder take a name, and expect that to be said; what was there may come back."""

    @contextmanager
    def failing(out: Path) -> Iterator[None]:
        rename = Path.rename

        def refuse(self: Path, target: Path) -> Path:
            if Path(target) == out and ".partial-" in self.name:
                raise OSError("no rename today")
            return rename(self, target)

        with monkeypatch.context() as patched:
            patched.setattr(Path, "rename", refuse)
            with pytest.raises(OSError, match="no rename today"):
                yield

    return failing


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder with ``flipkart/`` and ``outside/``; tests that use it are marked ``realdata``."""
    return REAL_DATA


def _unit(rows: Floats) -> Floats:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, 1e-9), dtype=np.float32)


@dataclass
class FakePhotos:
    """Really decodes photos; a photo's vector is its 8 x 8 pixels."""

    fingerprint: str = "fake-photos"
    dim: int = 192
    n_decoded: int = 0
    n_encoded: int = 0

    def decode(self, source: str | Path | bytes, limits: PhotoLimits) -> DecodedPhoto:
        self.n_decoded += 1
        return decode_for_square(
            source,
            8,
            1.0,
            max_pixels=limits.max_pixels,
            allow_truncated=limits.allow_truncated,
        )

    def prepare(self, photo: DecodedPhoto) -> np.ndarray:
        return square(photo, 8, 1.0)

    def encode(self, items: Sequence[np.ndarray]) -> Floats:
        self.n_encoded += len(items)
        return _unit(np.reshape(items, (len(items), self.dim)) / 255.0 - 0.5)


@dataclass
class FakeTexts:
    """A text's vector is the sum of its words', each drawn from the word's hash."""

    fingerprint: str = "fake-texts"
    dim: int = 48
    encoded: list[str] = field(default_factory=list)

    def encode(self, items: Sequence[str]) -> Floats:
        self.encoded += items
        rows = [sum(map(self._word, item.lower().split()), np.zeros(self.dim)) for item in items]
        return _unit(np.reshape(rows, (len(items), self.dim)))

    def _word(self, word: str) -> Floats:
        return np.random.default_rng(zlib.crc32(word.encode())).standard_normal(self.dim)


@pytest.fixture(scope="session")
def fake_embedder() -> Callable[..., Embedder]:
    """Make an embedder of new fake encoders: ``fake_embedder(cache, limits)``."""

    def make(cache: EmbeddingCache | None = None, limits: PhotoLimits | None = None) -> Embedder:
        options = RunOptions(cache=cache, limits=limits or PhotoLimits())
        return Embedder(FakePhotos(), FakeTexts(), options)

    return make


@pytest.fixture(scope="session")
def naming_embedder(fake_embedder: Callable[..., Embedder]) -> Callable[..., Embedder]:
    """Make fake encoders that know ImageNet's class names, as ConSE needs; its weights are 0."""
    import torch

    layer = torch.nn.Linear(FakePhotos.dim, 1000)
    torch.nn.init.zeros_(layer.weight)
    torch.nn.init.zeros_(layer.bias)
    backbone = SimpleNamespace(num_classes=1000, get_classifier=lambda: layer)

    def make(cache: EmbeddingCache | None = None, limits: PhotoLimits | None = None) -> Embedder:
        embedder = fake_embedder(cache, limits)
        embedder.photos.backbone = backbone  # type: ignore[attr-defined]
        return embedder

    return make


@pytest.fixture(
    params=[
        "cpu",
        pytest.param("cuda", marks=pytest.mark.skipif(not is_available(), reason="needs a GPU")),
    ]
)
def device(request: pytest.FixtureRequest) -> str:
    """Name each device that this machine has."""
    return str(request.param)


@pytest.fixture(scope="session")
def starter_photos() -> PhotoEncoder:
    """The starter backbone at a size that is quick, not good."""
    return PhotoEncoder.load(side_px=64, crop_mode="border", device="cpu")


@pytest.fixture(scope="session")
def starter_texts() -> SentenceEncoder:
    return SentenceEncoder.load(device="cpu")


TINY = {
    "Home > Lamps": ((220, 200, 60), ("lamp", "light", "bulb")),
    "Home > Rugs": ((60, 90, 200), ("rug", "carpet", "mat")),
    "Toys > Kites": ((200, 60, 60), ("kite", "flyer", "glider")),
}


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with ``catalogue.csv``: 3 x 20 good listings, 2 of a rare category, 2 bad rows."""
    folder = tmp_path_factory.mktemp("tiny")
    (folder / "photos").mkdir()
    rng = np.random.default_rng(3)
    rows = []
    for number in range(60):
        category, (colour, nouns) = list(TINY.items())[number % 3]
        noise = rng.normal(0, 50, (8, 8, 3))
        pixels = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
        photo = Image.fromarray(pixels).resize((48, 48), Image.Resampling.NEAREST)
        photo.save(folder / f"photos/{number}.png")
        title = f"{rng.choice(nouns)} by Brand{number % 7} model X{number}"
        about = f"A {rng.choice(nouns)} for home use number {number}"
        rows.append([f"t{number:02d}", title, about, category, f"photos/{number}.png"])
    rows += [[f"r{i}", f"garden hose {i}", "", "Garden > Hoses", ""] for i in range(2)]
    (folder / "photos/bad.png").write_bytes(b"no photo at all")
    rows.insert(5, ["bad-photo", "lamp with a bad photo", "", "Home > Lamps", "photos/bad.png"])
    rows.insert(9, ["t00", "lamp whose id was there before", "", "Home > Lamps", ""])
    with (folder / "catalogue.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["listing_id", "title", "description", "category", "image"])
        writer.writerows(rows)
    return folder


@pytest.fixture(scope="session")
def tiny_config() -> Config:
    """Two levels, and a promise that sixty listings can prove."""
    return Config(levels=2, accept=AcceptConfig(target_precision=0.8, confidence=0.8))


@pytest.fixture(scope="session")
def tiny_trained(
    tiny_folder: Path, tiny_config: Config, fake_embedder: Callable[..., Embedder]
) -> ListingPipeline:
    """The tiny catalogue, trained with fake encoders."""
    catalog = read_catalog(tiny_folder / "catalogue.csv", need_category=True)
    return ListingPipeline.fit(catalog, tiny_config, embedder=fake_embedder())


SHOP = {
    "Home > Lamps": (220, 190, 40, "lamps", "glow"),
    "Home > Rugs": (40, 70, 220, "rugs", "woven"),
    "Toys > Kites": (220, 40, 60, "kites", "flying"),
}


@pytest.fixture(scope="session")
def drawn_shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with ``catalogue.csv`` (3 x 14 listings with prints that differ, 2 of
    ``Garden > Hammocks``), ``spare/`` (12 photos like the catalogue's) and ``outside/`` (12 of
    noise, one in a folder of its own).
    """
    folder = tmp_path_factory.mktemp("shop")
    for part in ("photos", "spare", "outside/more"):
        (folder / part).mkdir(parents=True)
    rng = np.random.default_rng(5)
    rows = [["listing_id", "title", "category", "image"]]
    for number in range(56):
        rare, spare = number in (42, 43), number >= 44
        category = "Garden > Hammocks" if rare else list(SHOP)[number % 3]
        *tint, noun, word = (60, 180, 60, "hammocks", "hanging") if rare else SHOP[category]
        photo = Image.new("RGB", (320, 280), "white")
        pen = ImageDraw.Draw(photo)
        pen.rounded_rectangle((20, 20, 300, 260), 30, fill=(235, 232, 225), outline="grey")
        for _ in range(60):
            x, y, width, height = *rng.uniform((30, 30), (260, 220)), *rng.uniform(8, 40, 2)
            shape = pen.rectangle if rng.random() < 0.5 else pen.ellipse
            shade = rng.uniform(0.3, 1.2)
            fill = tuple(int(min(255, shade * channel)) for channel in tint)
            shape((x, y, min(290, x + width), min(250, y + height)), fill=fill)
        if spare:
            photo.save(folder / f"spare/{number - 44}.png")
            continue
        photo.save(folder / f"photos/{number}.png")
        title = f"{noun} {word} Brand{number % 5} X{number}"
        rows.append([f"s{number:02d}", title, category, f"photos/{number}.png"])
    for number in range(12):
        noise = rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)
        place = "outside/more" if number == 0 else "outside"
        Image.fromarray(noise).save(folder / f"{place}/noise {number:02d}.png")
    with (folder / "catalogue.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    return folder
