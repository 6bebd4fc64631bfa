"""Which runtime an encoder runs on: the fastest here whose embeddings are PyTorch's."""

import logging
from typing import get_args

from ..device import Precision, Runtime, RuntimeName
from ..errors import ConfigError, RuntimeUnusableError
from ..extras import RUNTIMES, missing_modules, require_extra
from .benchmark import RuntimeBenchmark
from .session import Session

_LOG = logging.getLogger(__name__)
OTHERS: tuple[RuntimeName, ...] = ("openvino", "onnxruntime")
WORTH_IT = 0.9
"""Another runtime must need less than this share of PyTorch's time."""
WORTH_A_TRIAL = 1024
"""So many photos on PyTorch take about as long as finding something faster."""


def check_runtime(wanted: Runtime, device: str, precision: Precision) -> Runtime:
    """Decide what device and number format leave to choose.

    Returns
    -------
    Runtime
        ``torch`` on a GPU and for PyTorch's own bfloat16, ``openvino`` for OpenVINO's, else as
        wanted.

    Raises
    ------
    ConfigError
        If the wanted runtime doesn't go with them.
    """
    if wanted not in get_args(Runtime):
        known = ", ".join(get_args(Runtime))
        raise ConfigError(f"The runtime must be one of {known}, not {wanted!r}.")
    if precision == "openvino-bfloat16" and device != "cpu":
        raise ConfigError(
            f"The precision openvino-bfloat16 needs the device cpu, not {device}. Pass --device "
            "cpu, or train with another precision."
        )
    if device == "cpu" and precision == "float32":
        return wanted
    only: Runtime = "openvino" if precision == "openvino-bfloat16" else "torch"
    if wanted not in {"auto", only}:
        why = f"the precision {precision}" if device == "cpu" else f"the device {device}"
        raise ConfigError(f"With {why} the runtime must be auto or {only}, not {wanted}.")
    return only


class Engine:
    """The runtime that one encoder runs on; no session is PyTorch itself.

    `bench` is where to try others, once more than `worth_a_trial` items were encoded.
    """

    def __init__(
        self,
        session: Session | None = None,
        bench: RuntimeBenchmark | None = None,
        worth_a_trial: int = WORTH_A_TRIAL,
    ) -> None:
        self._session = session
        self._bench = bench
        self._worth_a_trial = worth_a_trial
        self._n_items = 0

    @classmethod
    def open(
        cls, wanted: Runtime, bench: RuntimeBenchmark, worth_a_trial: int = WORTH_A_TRIAL
    ) -> "Engine":
        """Open the wanted runtime, as `check_runtime` settled it.

        Under ``auto`` it is what did best in a trial that is remembered, else PyTorch for the
        first `worth_a_trial` items. Float32 embeddings are the same before and after.

        Raises
        ------
        MissingExtraError
            If a runtime was asked for by name, and isn't installed.
        RuntimeUnusableError
            If it can't run the encoder, or lacks parity.
        """
        if wanted != "auto":
            return cls(None if wanted == "torch" else _required(bench, wanted))
        engine = cls(None, bench, worth_a_trial)
        if bench.tried(installed_runtimes()):
            engine.select_runtime()
        return engine

    @property
    def name(self) -> RuntimeName:
        """The runtime in use at the moment."""
        return self._session.name if self._session else "torch"

    def session(self, n_items: int) -> Session | None:
        """Give what shall run the next items, None for PyTorch itself."""
        self._n_items += n_items
        if self._n_items > self._worth_a_trial:
            self.select_runtime()
        return self._session

    def select_runtime(self) -> None:
        """Choose now: a server does so before its first request. Takes seconds, once a machine."""
        bench, self._bench = self._bench, None
        if bench is None:
            return
        try:
            self._session = fastest(bench)
        except (OSError, TimeoutError) as error:
            _LOG.warning("Running on PyTorch. %s", _unwritable(bench, error))


def installed_runtimes() -> list[RuntimeName]:
    """Name the runtimes to choose from besides PyTorch."""
    return [name for name in OTHERS if not missing_modules(RUNTIMES[name])]


def fastest(bench: RuntimeBenchmark) -> Session | None:
    """Open the runtime that did best, None if that is PyTorch."""
    names = installed_runtimes()
    if not names:
        return None
    trials = bench.trials(names)
    limit_s = WORTH_IT * trials["torch"].seconds
    for name in names:
        if trials[name].problem:
            _LOG.info("Not running on %s. %s", name, trials[name].problem)
    usable = [n for n in names if not trials[n].problem and trials[n].seconds < limit_s]
    for name in sorted(usable, key=lambda name: trials[name].seconds):
        try:
            return bench.open(name)
        except RuntimeUnusableError as error:
            _LOG.warning("Not running on %s any more. %s", name, error)
    return None


def _required(bench: RuntimeBenchmark, name: RuntimeName) -> Session:
    require_extra(RUNTIMES[name], f"The runtime {name}")
    try:
        trial = bench.trials((name,))[name]
        if not trial.problem:
            return bench.open(name)
    except (OSError, TimeoutError) as error:
        raise RuntimeUnusableError(_unwritable(bench, error)) from error
    raise RuntimeUnusableError(trial.problem)


def _unwritable(bench: RuntimeBenchmark, error: OSError) -> str:
    return (
        f"Converted models are kept in {bench.folder}, which must be writable, but: {error}. Set "
        "SHELFSURE_CACHE_DIR to another folder, or use --runtime torch."
    )
