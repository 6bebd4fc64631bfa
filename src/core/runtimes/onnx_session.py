"""ONNX Runtime, on the CPU."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ..arrays import Floats
from ..device import RuntimeName
from ..errors import RuntimeUnusableError
from .session import Batch


class OnnxRuntimeSession:
    """An ONNX file on ONNX Runtime, each batch on `n_threads` cores; see `session.Session`."""

    name: RuntimeName = "onnxruntime"
    rows_at_once = 4

    def __init__(self, path: Path, *, n_threads: int = 1) -> None:
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as raised

        onnxruntime.disable_telemetry_events()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = n_threads
        options.log_severity_level = 3
        # threads that wait in a loop would take the cores that decode photos
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except (
            raised.Fail,
            raised.InvalidArgument,
            raised.InvalidGraph,
            raised.InvalidProtobuf,
            raised.NotImplemented,
            raised.RuntimeException,
        ) as error:
            raise RuntimeUnusableError(
                f"ONNX Runtime must be able to read {path.name}, but: {error}. Use --runtime torch."
            ) from error
        self._inputs = [put.name for put in self._session.get_inputs()]

    def run(self, batches: Iterable[Batch]) -> list[Floats]:
        return [
            np.asarray(self._session.run(None, dict(zip(self._inputs, batch, strict=True)))[0])
            for batch in batches
        ]
