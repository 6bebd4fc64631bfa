import json
import logging
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shelfsure.core.runtimes.benchmark as benchmark_module
import shelfsure.core.runtimes.engine as engine_module
from shelfsure.core.arrays import Floats
from shelfsure.core.errors import ConfigError, RuntimeUnusableError
from shelfsure.core.runtimes.benchmark import RuntimeBenchmark, Trial, read_trials
from shelfsure.core.runtimes.engine import OTHERS, Engine, check_runtime
from shelfsure.core.runtimes.session import Graph, Session

from .conftest import encode_on


@pytest.fixture
def untouched(linear_graph: Graph, tmp_path: Path) -> RuntimeBenchmark:
    return RuntimeBenchmark(linear_graph, "some-encoder", encode_on(linear_graph), folder=tmp_path)


@pytest.fixture
def bench(untouched: RuntimeBenchmark, build_once: Any) -> RuntimeBenchmark:
    """Nothing was tried yet, but the graph is converted."""

    def convert(folder: Path) -> None:
        replace(untouched, folder=folder).open("onnxruntime")

    shutil.copytree(build_once("linear", convert), untouched.folder, dirs_exist_ok=True)
    return untouched


def record(bench: RuntimeBenchmark) -> Path:
    [path] = bench.folder.glob("*.json")
    return path


@pytest.mark.parametrize("wanted", ["auto", "torch", "onnxruntime", "openvino"])
def test_check_runtime_lets_float32_on_the_cpu_choose(wanted: str) -> None:
    assert check_runtime(wanted, "cpu", "float32") == wanted


@pytest.mark.parametrize(
    ("wanted", "device", "precision", "runtime_selected"),
    [
        ("auto", "cuda", "float32", "torch"),
        ("torch", "cuda:1", "bfloat16", "torch"),
        ("auto", "cpu", "bfloat16", "torch"),
        ("auto", "cpu", "openvino-bfloat16", "openvino"),
    ],
)
def test_check_runtime_settles_what_only_one_can_do(
    wanted: str, device: str, precision: str, runtime_selected: str
) -> None:
    assert check_runtime(wanted, device, precision) == runtime_selected


@pytest.mark.parametrize(
    ("wanted", "device", "precision", "message"),
    [
        ("fastest", "cpu", "float32", "one of auto, torch.*not 'fastest'"),
        ("openvino", "cuda", "float32", "the device cuda the runtime must be auto or torch"),
        ("openvino", "cpu", "bfloat16", "the precision bfloat16 .* auto or torch, not openvino"),
        ("torch", "cpu", "openvino-bfloat16", "auto or openvino, not torch"),
        ("auto", "cuda", "openvino-bfloat16", "needs the device cpu, not cuda"),
    ],
)
def test_check_runtime_refuses_what_doesnt_go_together(
    wanted: str, device: str, precision: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        check_runtime(wanted, device, precision)


def test_trials_are_made_once_and_remembered(
    untouched: RuntimeBenchmark, caplog: pytest.LogCaptureFixture
) -> None:
    assert not untouched.tried(OTHERS)
    found = untouched.trials(OTHERS)
    assert set(found) == {"torch", *OTHERS}
    assert "takes some seconds, once" in caplog.text
    for name in OTHERS:
        assert found[name].problem == ""
        assert found[name].seconds > 0
        assert found[name].parity.cosine_min > 0.99999
    caplog.clear()
    unused = replace(untouched, encode=lambda _: pytest.fail("tried twice"))
    assert unused.trials(OTHERS) == found
    assert caplog.text == ""


def test_trials_are_another_encoders_own(bench: RuntimeBenchmark) -> None:
    bench.trials(("openvino",))
    assert bench.tried(("openvino",))
    assert not bench.tried(("onnxruntime",))
    assert not replace(bench, fingerprint="another").tried(("openvino",))


@pytest.mark.parametrize("what", ["machine", "versions"])
def test_trials_are_made_anew_on_another_machine_or_version(
    what: str, bench: RuntimeBenchmark, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.trials(("openvino",))
    monkeypatch.setattr(benchmark_module, what, lambda: "another")
    assert not bench.tried(("openvino",))


def test_versions_of_modules_that_packages_of_other_names_bring(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As onnxruntime-gpu brings onnxruntime; and code that lies there without any package."""
    for module in ("runs_graphs", "lies_there"):
        (tmp_path / f"{module}.py").touch()
    about = tmp_path / "runs_graphs_gpu-1.2.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: runs-graphs-gpu\nVersion: 1.2\n")
    (about / "top_level.txt").write_text("runs_graphs\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(benchmark_module, "PACKAGES", ("runs_graphs", "lies_there", "not_there"))
    assert benchmark_module.versions() == "runs_graphs runs-graphs-gpu 1.2, lies_there "


@pytest.mark.parametrize("damage", ["", "[]", "{", '{"torch": 3}', '{"openvino": {}}'])
def test_trials_that_are_damaged_are_made_anew(damage: str, bench: RuntimeBenchmark) -> None:
    bench.trials(("openvino",))
    record(bench).write_text(damage)
    assert read_trials(record(bench)) == {}
    assert set(bench.trials(("openvino",))) == {"torch", "openvino"}


def test_trials_refuse_a_runtime_without_parity(bench: RuntimeBenchmark) -> None:
    """Whatever the reason, a converter's mistake must not reach an answer."""
    right = bench.encode

    def wrong(session: Session | None) -> Floats:
        embeddings = right(session)
        return embeddings if session is None else embeddings[:, ::-1]

    spoilt = replace(bench, encode=wrong)
    trial = spoilt.trials(("openvino",))["openvino"]
    assert "must have a cosine of at least 0.9999" in trial.problem
    with pytest.raises(RuntimeUnusableError, match="On openvino"):
        Engine.open("openvino", spoilt)
    engine = Engine.open("auto", spoilt)
    engine.select_runtime()
    assert engine.name == "torch"


def test_open_makes_a_damaged_conversion_anew(bench: RuntimeBenchmark) -> None:
    bench.open("openvino")
    [path] = bench.folder.glob("*.onnx")
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    found = np.concatenate(bench.open("openvino").run([(np.ones((2, 4), np.float32),)]))
    np.testing.assert_allclose(found[0], found[1])
    assert len(path.read_bytes()) == len(whole)


def test_engine_by_name_opens_at_once_and_leaves_nothing_half_written(
    untouched: RuntimeBenchmark,
) -> None:
    engine = Engine.open("onnxruntime", untouched)
    assert engine.name == "onnxruntime"
    kinds = sorted("".join(path.suffixes) for path in untouched.folder.iterdir())
    assert kinds in ([".json", ".onnx"], [".json", ".json.lock", ".onnx"])


def test_engine_by_name_refuses_what_cant_be_converted(
    unconvertible_graph: Graph, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    bench = RuntimeBenchmark(
        unconvertible_graph, "x", encode_on(unconvertible_graph), folder=tmp_path
    )
    with pytest.raises(RuntimeUnusableError, match="convertible to ONNX"):
        Engine.open("openvino", bench)
    auto = Engine.open("auto", bench)
    auto.select_runtime()
    assert auto.name == "torch"
    assert "Not running on openvino. The encoder's model must be convertible" in caplog.text


def remember(bench: RuntimeBenchmark, **seconds: float) -> None:
    """Put trials on record."""
    bench.trials(OTHERS)
    rows = json.loads(record(bench).read_text())
    for name, value in seconds.items():
        rows[name]["seconds"] = value
    record(bench).write_text(json.dumps(rows))


@pytest.mark.parametrize(
    ("seconds", "chosen"),
    [
        ({"torch": 9.0, "openvino": 1.0, "onnxruntime": 2.0}, "openvino"),
        ({"torch": 9.0, "openvino": 2.0, "onnxruntime": 1.0}, "onnxruntime"),
        ({"torch": 1.0, "openvino": 0.95, "onnxruntime": 2.0}, "torch"),
    ],
)
def test_engine_under_auto_takes_the_fastest_on_record(
    seconds: dict[str, float], chosen: str, bench: RuntimeBenchmark
) -> None:
    remember(bench, **seconds)
    assert Engine.open("auto", bench).name == chosen


def test_engine_under_auto_tries_others_only_where_there_is_work(
    bench: RuntimeBenchmark, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "WORTH_IT", 1e9)  # whatever the linear layer takes
    engine = Engine.open("auto", bench, worth_a_trial=10)
    assert engine.session(6) is None
    assert engine.session(4) is None
    assert not bench.tried(OTHERS)
    assert engine.session(1) is not None
    assert bench.tried(OTHERS)
    assert engine.name in OTHERS


def test_engine_on_pytorch_tries_nothing(untouched: RuntimeBenchmark) -> None:
    engine = Engine.open("torch", untouched)
    assert engine.session(10**6) is None
    engine.select_runtime()
    assert list(untouched.folder.iterdir()) == []


def test_engine_where_nothing_can_be_kept(
    bench: RuntimeBenchmark, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    blocked = replace(bench, folder=tmp_path / "file" / "runtimes")
    auto = Engine.open("auto", blocked)
    auto.select_runtime()
    assert auto.name == "torch"
    assert "Running on PyTorch" in caplog.text
    with pytest.raises(RuntimeUnusableError, match="SHELFSURE_CACHE_DIR"):
        Engine.open("openvino", blocked)


def test_fastest_passes_over_what_stopped_working(
    bench: RuntimeBenchmark, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    remember(bench, torch=9.0, openvino=1.0, onnxruntime=2.0)
    right = benchmark_module.open_session

    def broken(name: str, *rest: object) -> Session:
        if name == "openvino":
            raise RuntimeUnusableError("gone")
        return right(name, *rest)

    monkeypatch.setattr(benchmark_module, "open_session", broken)
    assert Engine.open("auto", bench).name == "onnxruntime"
    assert "Not running on openvino any more. gone" in caplog.text


def test_trial_of_pytorch_has_no_parity(bench: RuntimeBenchmark) -> None:
    assert bench.trials(("openvino",))["torch"] == Trial(pytest.approx(0, abs=60))
