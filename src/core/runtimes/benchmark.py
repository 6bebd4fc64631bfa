"""Runtimes tried on one encoder, once for each machine and set of versions, and remembered.

The conversion and the measurement lie in a folder, in the cache by default. Both appear there whole
or not at all; what is damaged is made anew.
"""

import hashlib
import json
import logging
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from importlib.util import find_spec
from pathlib import Path

from filelock import FileLock

from ..arrays import Floats
from ..cache import default_cache_dir
from ..device import Precision, RuntimeName
from ..errors import RuntimeUnusableError
from ..extras import RUNTIMES, require_extra
from ..files import write_text
from .onnx_export import write_onnx
from .session import Graph, Parity, Session, parity

_LOG = logging.getLogger(__name__)
PATIENCE_S = 600.0
"""How long one process waits for another's trial."""
MIN_COSINE = {"float32": 0.9999, "bfloat16": 0.98, "openvino-bfloat16": 0.98}
"""What every probe's embedding must reach against PyTorch's in float32."""

Encode = Callable[[Session | None], Floats]
"""Embed an encoder's own probes on a runtime (None = PyTorch); shape ``(n, dim)``."""


@dataclass(frozen=True)
class Trial:
    """How a runtime did: seconds for the probes, the better of two runs.

    `parity` is against PyTorch; None for PyTorch itself, or where it didn't run. `problem` says why
    it can't be used, empty if it can.
    """

    seconds: float = 0.0
    parity: Parity | None = None
    problem: str = ""


@dataclass(frozen=True)
class RuntimeBenchmark:
    """One encoder and the runtimes that it may run on.

    The encoder's fingerprint, with the versions, names the conversion; `folder` remembers it and
    the trials.
    """

    graph: Graph
    fingerprint: str
    encode: Encode
    precision: Precision = "float32"
    folder: Path = field(default_factory=lambda: default_cache_dir() / "runtimes")

    def tried(self, names: Sequence[RuntimeName]) -> bool:
        """Tell whether trials of all these are remembered."""
        known = read_trials(self._path)
        return all(name in known for name in names)

    def trials(self, names: Sequence[RuntimeName]) -> dict[RuntimeName, Trial]:
        """Look up how runtimes did here; try those that never ran. PyTorch is always among them."""
        path = self._path
        known = read_trials(path)
        if all(name in known for name in names):
            return known
        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock", timeout=PATIENCE_S):  # two at once would measure each other
            known = read_trials(path)
            missing = [name for name in names if name not in known]
            if missing:
                named = " and ".join(missing)
                _LOG.warning("First use here: trying %s, which takes some seconds, once.", named)
                known |= self._try(missing)
                rows = {name: asdict(trial) for name, trial in known.items()}
                write_text(path, json.dumps(rows, indent=1))
        return known

    def open(self, name: RuntimeName) -> Session:
        """Open a runtime, converting the encoder if it wasn't yet.

        Raises
        ------
        MissingExtraError
            If it isn't installed.
        RuntimeUnusableError
            If it can't run this encoder.
        """
        require_extra(RUNTIMES[name], f"The runtime {name}")
        path = self.folder / f"{_digest(self.fingerprint, versions())}.onnx"
        if path.is_file():
            try:
                return open_session(name, path, self.precision)
            except RuntimeUnusableError:
                path.unlink(missing_ok=True)  # damaged on the disk, perhaps
        write_onnx(self.graph, path)
        return open_session(name, path, self.precision)

    @property
    def _path(self) -> Path:
        return self.folder / f"{_digest(self.fingerprint, versions(), machine())}.json"

    def _try(self, names: Sequence[RuntimeName]) -> dict[RuntimeName, Trial]:
        reference, seconds = _timed(self.encode, None)
        done: dict[RuntimeName, Trial] = {"torch": Trial(seconds)}
        least = MIN_COSINE[self.precision]
        for name in names:
            try:
                embeddings, seconds = _timed(self.encode, self.open(name))
            except RuntimeUnusableError as error:
                done[name] = Trial(problem=str(error))
                continue
            found = parity(reference, embeddings)
            done[name] = Trial(seconds, found)
            if found.cosine_min < least:
                problem = (
                    f"On {name} this encoder's embeddings must have a cosine of at least {least} "
                    f"to PyTorch's, but here one has {found.cosine_min:.5f}. Use --runtime torch."
                )
                done[name] = Trial(seconds, found, problem)
        return done


def open_session(name: RuntimeName, path: Path, precision: Precision = "float32") -> Session:
    """Open an ONNX file on a runtime, with as many threads as PyTorch would use.

    Raises RuntimeUnusableError if it can't read it.
    """
    import torch

    n_threads = torch.get_num_threads()
    if name == "openvino":
        from .openvino_session import OpenVinoSession

        return OpenVinoSession(path, precision=precision, n_threads=n_threads)
    from .onnx_session import OnnxRuntimeSession

    return OnnxRuntimeSession(path, n_threads=n_threads)


def read_trials(path: Path) -> dict[RuntimeName, Trial]:
    """Read what is remembered; nothing, where that is missing or damaged."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        return {
            name: Trial(
                float(row["seconds"]),
                Parity(**row["parity"]) if row["parity"] else None,
                str(row["problem"]),
            )
            for name, row in rows.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _timed(encode: Encode, session: Session | None) -> tuple[Floats, float]:
    """Embed the probes; the better of two runs after one that only warms up."""
    embeddings = encode(session)
    times_s = []
    for _ in range(2):
        start = time.perf_counter()
        encode(session)
        times_s.append(time.perf_counter() - start)
    return embeddings, min(times_s)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]


PACKAGES = (
    "shelfsure",
    "torch",
    "timm",
    "transformers",
    "onnx",
    "onnxscript",
    "onnxruntime",
    "openvino",
)


def versions() -> str:
    """Name what converts and runs models: ``"torch 2.6.0, onnx 1.17.0, …"``."""
    return ", ".join(f"{name} {_version(name)}" for name in PACKAGES if find_spec(name))


def _version(module: str) -> str:
    """Give a module's version, also where a package of another name brings it."""
    try:
        return version(module)
    except PackageNotFoundError:  # onnxruntime-gpu brings onnxruntime
        owners = packages_distributions().get(module, ())
        return ", ".join(f"{owner} {version(owner)}" for owner in owners)


def machine() -> str:
    """Name the processor, what PyTorch uses of it, and how many threads it may."""
    import torch

    return (
        f"{_processor()}, {platform.machine()}, {torch.backends.cpu.get_cpu_capability()}, "
        f"{torch.get_num_threads()} threads"
    )


def _processor() -> str:
    """Read the processor's name where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())
