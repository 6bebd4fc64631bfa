"""What every test may lean on: no network, a seeded generator, fake encoders, a tiny catalogue,
the real photos where they are.
"""

import csv
import functools
import gc
import multiprocessing
import os
import shutil
import socket
import threading
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import shelfsure.pipeline.training as training
from filelock import FileLock
from hypothesis import settings
from PIL import Image, ImageDraw
from shelfsure.catalog.catalog import read_catalog
from shelfsure.core.arrays import Floats
from shelfsure.core.cache import EmbeddingCache
from shelfsure.core.config import AcceptConfig, Config
from shelfsure.core.spark_client import import_client
from shelfsure.embedding.embedder import Embedder
from shelfsure.embedding.run_options import RunOptions
from shelfsure.pipeline.export import export_encoders
from shelfsure.pipeline.pipeline import ListingPipeline
from shelfsure.retrieval.duplicates import photo_detail
from shelfsure.retrieval.duplicates.photo_detail import PhotoDetail
from shelfsure.text.encoder import SentenceEncoder
from shelfsure.vision.encoder import PhotoEncoder
from shelfsure.vision.load import DecodedPhoto, PhotoLimits
from shelfsure.vision.preprocess import decode_for_square, square
from torch.cuda import is_available

# a busy machine is no failure; and CI repeats the same examples, while people try new ones
settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")

# what is imported stays: looking through it for garbage takes a third of the imports' time
gc.set_threshold(50_000, 20, 20)

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
import_client()  # MLflow asks for a session, and a worker of these tests has no file

FORKED = multiprocessing.get_context("forkserver")
FORKED.set_forkserver_preload(
    [
        "timm",
        "lightning.pytorch",
        "sentence_transformers",
        "shelfsure.finetuning.run",
        "shelfsure.pipeline.bundle",
        "shelfsure.retrieval.index.store",
        "shelfsure.serving.rest.api",
        "shelfsure.serving.review.store",
        "shelfsure.serving.serve",
    ]
)
STARTS_PROCESSES = {"start_process", "demo_url"}
"""Fixtures whose tests are `slow`."""

LONGEST_FILES = (
    "finetuning/test_run.py",
    "pipeline/test_ensemble.py",
    "test_realdata.py",
    "serving/demo/test_tab_check.py",
    "core/test_extras.py",
    "core/runtimes/test_sessions.py",
    "serving/demo/test_tab_duplicates.py",
    "test_reference.py",
    "core/test_weights.py",
    "cli/test_catalogue.py",
    "core/test_tracking.py",
    "serving/rest/test_schemathesis.py",
    "test_walk.py",
    "retrieval/duplicates/test_match.py",
    "retrieval/duplicates/test_candidates.py",
    "pipeline/test_framing.py",
)
"""They come first, then those with the most tests: a long one at the end would leave the other
worker with nothing to do."""
TESTS = Path(__file__).resolve().parent
REAL_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    place = {TESTS / name: number for number, name in enumerate(LONGEST_FILES)}
    n_tests = Counter(item.path for item in items)
    items.sort(key=lambda item: (place.get(item.path, len(place)), -n_tests[item.path]))
    for item in items:
        if STARTS_PROCESSES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)
    if not REAL_DATA.is_dir():
        skip = pytest.mark.skip(reason="the real photos aren't beside this checkout")
        for item in items:
            if "realdata" in item.keywords:
                item.add_marker(skip)


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    gc.unfreeze()


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


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all workers of this run."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(autouse=True, scope="session")
def _own_cache(shared_folder: Path) -> None:
    """Keep the tests' embeddings out of the user's cache, and let all workers share theirs."""
    os.environ["SHELFSURE_CACHE_DIR"] = str(shared_folder / "cache")


@pytest.fixture(autouse=True, scope="session")
def _small_photos_described_once() -> Iterator[None]:
    """Recall what is found on a small photo: hundreds of tests compare the same few dozen.

    It depends on nothing but the photo, and takes 25 ms each time.
    """
    describe = photo_detail.describe_photo
    described: dict[tuple[object, ...], PhotoDetail] = {}

    def recall(photo: DecodedPhoto) -> PhotoDetail:
        if photo.width_px * photo.height_px > 400**2 or len(described) > 200:
            return describe(photo)
        key = (photo.image.tobytes(), photo.image.size, photo.width_px, photo.height_px, photo.box)
        if key not in described:
            described[key] = describe(photo)
        return described[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(photo_detail, "describe_photo", recall)
        yield


BuildOnce = Callable[[str, Callable[[Path], object]], Path]


@pytest.fixture(scope="session")
def build_once(shared_folder: Path) -> Iterator[BuildOnce]:
    """Fill a folder by whichever worker needs it first: ``build_once(name, fill)``.

    It is there whole or not at all, and never changed: who wants to change it copies it.
    """
    built: dict[Path, dict[str, int]] = {}

    def build(name: str, fill: Callable[[Path], object]) -> Path:
        folder, staging = shared_folder / name, shared_folder / f".{name}"
        with FileLock(shared_folder / f".{name}.lock"):
            if not folder.exists():
                shutil.rmtree(staging, ignore_errors=True)
                staging.mkdir()
                fill(staging)
                staging.rename(folder)
        built.setdefault(folder, _files(folder))
        return folder

    yield build
    assert built == {folder: _files(folder) for folder in built}, "a test changed what all share"


def _files(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


class StartedProcess:
    """A process that runs Python code; `output` is the end of a pipe that it prints into."""

    def __init__(self, code: str, arguments: Sequence[object], environment: dict[str, str]) -> None:
        reading, writing = FORKED.Pipe(duplex=False)
        given = {"__name__": "__main__", "_given": (writing, [*map(str, arguments)], environment)}
        self._process = FORKED.Process(target=exec, args=(_TAKE_GIVEN + code, given))
        self._process.start()
        writing.close()
        self.output = os.fdopen(os.dup(reading.fileno()), encoding="utf-8")
        reading.close()
        assert self._process.pid
        self.pid = self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout_s: float = 60) -> int:
        """Wait for the end; the exit status, negative if a signal ended it."""
        self._process.join(timeout_s)
        assert self._process.exitcode is not None, f"still running after {timeout_s} s"
        return self._process.exitcode

    def kill(self) -> None:
        self._process.kill()

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def close(self) -> None:
        self.kill()
        self.wait()
        self.output.close()


_TAKE_GIVEN = """
import os, sys
_pipe, _arguments, _environment = _given
sys.argv = ["", *_arguments]
os.dup2(_pipe.fileno(), 1)
os.dup2(_pipe.fileno(), 2)
os.environ.update(_environment)
"""


@pytest.fixture(scope="session")
def fork_process() -> type[StartedProcess]:
    """For processes that serve a whole session; who starts one closes it."""
    return StartedProcess


@pytest.fixture
def start_process() -> Iterator[Callable[..., StartedProcess]]:
    """Run code in a process of its own: ``start_process(code, *arguments, NAME="variable")``.

    It is forked from a process that has imported what is slow to import, and is killed at the
    test's end at the latest.
    """
    started = []

    def start(code: str, *arguments: object, **environment: str) -> StartedProcess:
        started.append(StartedProcess(code, arguments, environment))
        return started[-1]

    yield start
    for process in started:
        process.close()


Answer = Callable[[BaseHTTPRequestHandler], None]


@pytest.fixture(scope="session")
def answering_server() -> Callable[[Answer], AbstractContextManager[str]]:
    """Answer HTTP on this machine: ``with answering_server(answer) as address``."""

    @contextmanager
    def serving(answer: Answer) -> Iterator[str]:
        class Handler(BaseHTTPRequestHandler):
            do_HEAD = do_GET = do_POST = answer  # noqa: N815

            def log_message(self, *_: Any) -> None:
                pass

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, daemon=True).start()
            yield f"http://127.0.0.1:{server.server_port}"
            server.shutdown()

    return serving


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
        return decode_for_square(source, 8, 1.0, limits=limits)

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
        rows = [sum(map(_word_vector, item.lower().split()), np.zeros(self.dim)) for item in items]
        return _unit(np.reshape(rows, (len(items), self.dim)))


@functools.cache
def _word_vector(word: str) -> Floats:
    return np.random.default_rng(zlib.crc32(word.encode())).standard_normal(FakeTexts.dim)


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
    return PhotoEncoder.load(side_px=64, crop_mode="border", device="cpu", runtime="torch")


@pytest.fixture(scope="session")
def starter_texts() -> SentenceEncoder:
    return SentenceEncoder.load(device="cpu", runtime="torch")


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
    promise = AcceptConfig(target_precision=0.8, confidence=0.8)
    return Config(levels=2, min_examples=5, accept=promise)


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


@pytest.fixture(scope="session")
def without_retrieval() -> Callable[..., ListingPipeline]:
    """Fit a pipeline for those who need no neighbours and no detector: those take seconds."""

    def fit(*arguments: Any, **options: Any) -> ListingPipeline:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(training, "fit_retrieval", lambda *_, **__: None)
            return ListingPipeline.fit(*arguments, **options)

    return fit


@pytest.fixture(scope="session")
def starter_trained(
    starter_photos: PhotoEncoder,
    starter_texts: SentenceEncoder,
    drawn_shop: Path,
    without_retrieval: Callable[..., ListingPipeline],
) -> ListingPipeline:
    """The drawn shop, trained with encoders that exist outside of tests."""
    catalog = read_catalog(drawn_shop / "catalogue.csv", need_category=True)
    embedder = Embedder(starter_photos, starter_texts)
    return without_retrieval(catalog, Config(levels=2), embedder=embedder)


@pytest.fixture(scope="session")
def starter_export(request: pytest.FixtureRequest, build_once: BuildOnce, drawn_shop: Path) -> Path:
    """Folder of `starter_trained`'s encoders as ONNX, compared on 12 listings."""

    def fill(folder: Path) -> None:
        pipeline = request.getfixturevalue("starter_trained")
        listings = read_catalog(drawn_shop / "catalogue.csv").listings[:12]
        export_encoders(pipeline, folder / "onnx", "onnx", listings)

    return build_once("export", fill) / "onnx"


@pytest.fixture(scope="session")
def empty_store(build_once: BuildOnce) -> Path:
    """File of an empty MLflow store, to copy: MLflow makes one table by table, in seconds."""

    def fill(folder: Path) -> None:
        from mlflow import MlflowClient

        MlflowClient(tracking_uri=f"sqlite:///{folder / 'mlflow.db'}").search_experiments()

    return build_once("mlflow", fill) / "mlflow.db"


@pytest.fixture
def mlflow_uri(empty_store: Path, tmp_path: Path) -> str:
    """Address of an empty MLflow store."""
    (tmp_path / "store").mkdir()
    return f"sqlite:///{shutil.copy(empty_store, tmp_path / 'store')}"
