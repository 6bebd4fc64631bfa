"""OpenVINO: the fastest on most CPUs; runs one photo a core rather than one batch on all.

It is told its number format, because on CPUs with AMX it would choose bfloat16 by itself. The ONNX
file is read by the runtime proper: OpenVINO's own converter, which reports its use, isn't called.
"""

import threading
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..arrays import Floats
from ..device import Precision, RuntimeName
from ..errors import RuntimeUnusableError
from .session import Batch

if TYPE_CHECKING:
    import openvino


class OpenVinoSession:
    """An ONNX file on OpenVINO, so many threads each with a batch; see `session.Session`.

    The precision is ``float32``, or ``openvino-bfloat16`` where the CPU multiplies it natively.
    """

    name: RuntimeName = "openvino"
    rows_at_once = 1

    def __init__(self, path: Path, *, precision: Precision = "float32", n_threads: int = 1) -> None:
        import openvino as ov

        core = ov.Core()
        if precision == "openvino-bfloat16":
            require_bfloat16(core)
        number = ov.Type.f32 if precision == "float32" else ov.Type.bf16
        settings = {
            ov.properties.hint.inference_precision: number,
            ov.properties.inference_num_threads: n_threads,
            ov.properties.num_streams: n_threads,
        }
        try:
            compiled = core.compile_model(core.read_model(path), "CPU", settings)
        except RuntimeError as error:
            raise RuntimeUnusableError(
                f"OpenVINO must be able to read {path.name}, but: {error}. Use --runtime torch."
            ) from error
        told = compiled.get_property(ov.properties.hint.inference_precision)
        if told != number:
            raise RuntimeUnusableError(
                f"OpenVINO must compute in {number.get_type_name()}, but on this CPU it does in "
                f"{told.get_type_name()}. Use --runtime torch, or a bundle trained with float32."
            )
        self._queue = ov.AsyncInferQueue(compiled, n_threads)
        self._queue.set_callback(_keep)
        self._alone = threading.Lock()

    def run(self, batches: Iterable[Batch]) -> list[Floats]:
        results: dict[int, Floats] = {}
        with self._alone:  # the queue waits for all of its requests, whoever made them
            n = -1
            try:
                for n, batch in enumerate(batches):
                    self._queue.start_async(dict(enumerate(batch)), (results, n))
            finally:
                self._queue.wait_all()
        return [results[place] for place in range(n + 1)]


def require_bfloat16(core: "openvino.Core") -> None:
    """Refuse where bfloat16 would quietly become float32: other embeddings."""
    if "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise RuntimeUnusableError(
            "The precision openvino-bfloat16 needs a CPU that multiplies bfloat16 (AVX512-BF16 or "
            "AMX), but this one doesn't. Use a bundle trained with float32."
        )


def _keep(request: Any, place: tuple[dict[int, Floats], int]) -> None:
    """Copy a result out before its request is used again."""
    results, n = place
    results[n] = request.get_output_tensor(0).data.copy()
