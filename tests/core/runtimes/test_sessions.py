"""What every runtime promises: PyTorch's numbers, in order, from any thread."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import openvino as ov
import pytest
import timm
from shelfsure.core.device import RuntimeName
from shelfsure.core.errors import RuntimeUnusableError
from shelfsure.core.runtimes.benchmark import open_session
from shelfsure.core.runtimes.onnx_export import write_onnx, write_openvino
from shelfsure.core.runtimes.openvino_session import OpenVinoSession, require_bfloat16
from shelfsure.core.runtimes.session import Graph, Session
from shelfsure.text.encoder import PROBES, SentenceEncoder
from shelfsure.vision.encoder import PhotoEncoder

from .conftest import PREPROCESSING

OTHERS: list[RuntimeName] = ["openvino", "onnxruntime"]


@pytest.fixture(scope="module")
def converted(small_encoder: PhotoEncoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("onnx") / "small.onnx"
    write_onnx(small_encoder.graph(), path)
    return path


@pytest.fixture(scope="module", params=OTHERS)
def session(request: pytest.FixtureRequest, converted: Path) -> Session:
    return open_session(request.param, converted)


def test_write_onnx_writes_one_file(converted: Path) -> None:
    assert [path.name for path in converted.parent.iterdir()] == ["small.onnx"]


def test_write_onnx_leaves_the_encoder_in_use_alone(
    small_encoder: PhotoEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph, export = small_encoder.graph(), Mock()
    monkeypatch.setattr("torch.onnx.export", export)
    write_onnx(graph, tmp_path / "small.onnx")
    traced = export.call_args.args[0]
    own = {tensor.data_ptr() for tensor in graph.module.parameters()}
    assert own
    assert own.isdisjoint(tensor.data_ptr() for tensor in traced.parameters())
    in_place = [[part.inplace for part in module.modules() if hasattr(part, "inplace")]
                for module in (graph.module, traced)]  # fmt: skip
    assert any(in_place[0])
    assert not any(in_place[1])


def test_run_gives_pytorchs_embeddings(
    session: Session, small_encoder: PhotoEncoder, small_squares: list[np.ndarray]
) -> None:
    expected = small_encoder.encode(small_squares)
    found = small_encoder.on(session).encode(small_squares)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert small_encoder.on(session).engine.name == session.name
    assert small_encoder.engine.name == "torch"


@pytest.mark.parametrize("size", [1, 4, 9])
def test_run_takes_batches_of_any_size(
    size: int, session: Session, small_encoder: PhotoEncoder, small_squares: list[np.ndarray]
) -> None:
    found = small_encoder.on(session).encode(small_squares, batch_size=size)
    np.testing.assert_allclose(found, small_encoder.encode(small_squares), atol=1e-5)


def test_run_keeps_the_order_whichever_batch_is_done_first(
    converted: Path, small_encoder: PhotoEncoder, small_squares: list[np.ndarray]
) -> None:
    session = OpenVinoSession(converted, n_threads=3)
    sizes = [7, 1, 5, 1, 1, 3]
    batches = [(np.stack(small_squares[:size]),) for size in sizes]
    for _ in range(5):
        for size, found in zip(sizes, session.run(batches), strict=True):
            np.testing.assert_allclose(
                found, small_encoder.encode(small_squares)[:size], atol=1e-5
            )  # fmt: skip
    assert session.run([]) == []


def test_run_may_be_called_from_many_threads(
    session: Session, small_encoder: PhotoEncoder, small_squares: list[np.ndarray]
) -> None:
    expected = small_encoder.encode(small_squares)
    encoder = small_encoder.on(session)
    with ThreadPoolExecutor(4) as pool:
        rows = [row % 9 for row in range(40)]
        found = list(pool.map(lambda row: encoder.encode([small_squares[row]])[0], rows))
    np.testing.assert_allclose(found, expected[rows], atol=1e-5)


def test_write_onnx_takes_other_kinds_of_backbone(
    small_squares: list[np.ndarray], tmp_path: Path
) -> None:
    """Attention; the other tests' backbone convolves."""
    backbone = timm.create_model("test_vit.r160_in1k", pretrained=False, img_size=64)
    encoder = PhotoEncoder(backbone, PREPROCESSING)
    write_onnx(encoder.graph(), tmp_path / "other.onnx")
    expected = encoder.encode(small_squares)
    for name in OTHERS:
        found = encoder.on(open_session(name, tmp_path / "other.onnx")).encode(small_squares)
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_run_of_texts_gives_pytorchs_embeddings(
    starter_texts: SentenceEncoder, starter_export: Path
) -> None:
    """Two axes of any length; the model's own pooling and the padding's mask inside."""
    expected = starter_texts.encode(PROBES)
    for name in OTHERS:
        encoder = starter_texts.on(open_session(name, starter_export / "text.onnx"))
        assert (encoder.encode(PROBES) * expected).sum(axis=1).min() > 0.99999
        assert encoder.encode([]).shape == (0, 384)


def test_write_openvino_keeps_float32(
    converted: Path, small_encoder: PhotoEncoder, small_squares: list[np.ndarray], tmp_path: Path
) -> None:
    (tmp_path / "own.onnx").write_bytes(converted.read_bytes())
    path = write_openvino(tmp_path / "own.onnx", tmp_path / "own.xml")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["own.bin", "own.xml"]
    found = small_encoder.on(open_session("openvino", path)).encode(small_squares)
    np.testing.assert_allclose(found, small_encoder.encode(small_squares), atol=1e-5)


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("data", [b"", b"no model at all"])
def test_open_session_refuses_a_damaged_file(
    name: RuntimeName, data: bytes, tmp_path: Path
) -> None:
    (tmp_path / "bad.onnx").write_bytes(data)
    with pytest.raises(RuntimeUnusableError, match=r"bad\.onnx"):
        open_session(name, tmp_path / "bad.onnx")


def test_write_onnx_leaves_nothing_of_what_cant_be_converted(
    unconvertible_graph: Graph, tmp_path: Path
) -> None:
    with pytest.raises(RuntimeUnusableError, match=r"convertible to ONNX, but: .*--runtime torch"):
        write_onnx(unconvertible_graph, tmp_path / "graph.onnx")
    assert list(tmp_path.iterdir()) == []


def test_require_bfloat16_refuses_to_quietly_compute_in_float32() -> None:
    core = Mock()
    core.get_property.return_value = ["FP32", "BF16"]
    require_bfloat16(core)
    core.get_property.return_value = ["FP32", "INT8"]
    with pytest.raises(RuntimeUnusableError, match="AVX512-BF16 or AMX"):
        require_bfloat16(core)


def test_openvino_refuses_another_precision_than_it_was_told(
    converted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On CPUs with AMX it would choose bfloat16 by itself."""
    monkeypatch.setattr(ov.CompiledModel, "get_property", lambda *_: ov.Type.bf16)
    with pytest.raises(RuntimeUnusableError, match=r"must compute in f32, but .* does in bf16"):
        OpenVinoSession(converted, precision="float32")


def test_nothing_is_sent_by_converting_and_running(
    tmp_path: Path, start_process: Callable[..., Any]
) -> None:
    """OpenVINO's converter would report its use: it isn't loaded, and no socket is opened."""
    code = f"""
import socket
def refuse(*args): raise SystemExit(f"connects to {{args}}")
socket.socket.connect = socket.getaddrinfo = refuse
import threading, torch
from pathlib import Path
from shelfsure.core.runtimes.onnx_export import write_openvino
from shelfsure.core.runtimes.onnx_export import write_onnx
from shelfsure.core.runtimes.session import Graph
from shelfsure.core.runtimes.benchmark import open_session
folder = Path({str(tmp_path)!r})
graph = Graph(torch.nn.Linear(4, 6).eval(), {{"x": torch.ones(2, 4)}}, {{"x": {{0: "batch"}}}})
write_onnx(graph, folder / "x.onnx")
open_session("onnxruntime", folder / "x.onnx").run([(graph.inputs["x"].numpy(),)])
path = write_openvino(folder / "x.onnx", folder / "x.xml")
open_session("openvino", path).run([(graph.inputs["x"].numpy(),)])
print(sorted(t.name for t in threading.enumerate() if "telemetry" in t.name.lower()))
"""
    process = start_process(code)
    said = process.output.read()
    assert (process.wait(), said.splitlines()[-1]) == (0, "[]"), said


def test_openvinos_bfloat16_is_an_encoder_of_its_own(small_encoder: PhotoEncoder) -> None:
    """Other embeddings than float32's and PyTorch's bfloat16's, so another fingerprint."""
    if "BF16" not in ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        pytest.skip("this CPU doesn't multiply bfloat16")
    backbone, runtimes = small_encoder.backbone, ("torch", "auto", "auto")
    precisions = ("bfloat16", "openvino-bfloat16", "float32")
    encoders = [
        PhotoEncoder(backbone, PREPROCESSING, precision=precision, runtime=runtime)
        for precision, runtime in zip(precisions, runtimes, strict=True)
    ]
    assert [encoder.engine.name for encoder in encoders] == ["torch", "openvino", "torch"]
    assert len({encoder.fingerprint for encoder in encoders}) == 3
    drawn = [np.full((64, 64, 3), shade, np.uint8) for shade in (0, 90, 255)]
    exact, half = encoders[2].encode(drawn), encoders[1].encode(drawn)
    assert 1e-6 < 1 - (exact * half).sum(axis=1).min() < 0.02
