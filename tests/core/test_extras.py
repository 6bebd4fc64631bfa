"""What few need: the core does without it, and what needs it says how to install it."""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any, get_args

import pytest
import shelfsure.core.extras as extras_module
from shelfsure.catalog.catalog import Catalog
from shelfsure.core.errors import MissingExtraError, ShelfsureError
from shelfsure.core.extras import MODULES, Extra, missing_modules, require_extra
from shelfsure.core.runtimes.benchmark import RuntimeBenchmark
from shelfsure.core.runtimes.engine import Engine
from shelfsure.finetuning.config import FinetuneConfig
from shelfsure.finetuning.run import finetune
from shelfsure.pipeline.export import export_encoders
from shelfsure.retrieval.zero_shot.open_clip import OpenClip

from .runtimes.conftest import Linear, encode_on, graph_of

ROOT = Path(__file__).resolve().parents[2]

# As Python finds modules when none of these is installed; then a command line for each argument.
CORE_ALONE = """
import importlib.machinery, json, sys
blocked, commands = map(json.loads, sys.argv[1:])
find_spec = importlib.machinery.PathFinder.find_spec
def hide(name, path=None, target=None):
    return None if name.split(".")[0] in blocked else find_spec(name, path, target)
importlib.machinery.PathFinder.find_spec = staticmethod(hide)
import shelfsure
for name in shelfsure.__all__:
    getattr(shelfsure, name)
from shelfsure.cli.main import main
for words in commands:
    sys.argv = ["shelfsure", *words]
    print("#", *words, flush=True)
    try:
        main()
    except SystemExit as end:
        print("exit", end.code or 0, flush=True)
        print("#", *words, file=sys.stderr, flush=True)
assert not set(blocked) & set(sys.modules)
"""


def declared() -> dict[str, set[str]]:
    """Read pyproject.toml: extra -> its packages' names."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {
        extra: {plain(re.split(r"[<>=!~ ;]", package)[0]) for package in packages}
        for extra, packages in project["optional-dependencies"].items()
    }


def plain(name: str) -> str:
    return name.lower().replace("_", "-")


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Make modules look as if they weren't installed: ``without("lightning")``."""

    def hide(*modules: str) -> None:
        found = extras_module.find_spec
        monkeypatch.setattr(
            extras_module, "find_spec", lambda name: None if name in modules else found(name)
        )

    return hide


def test_extras_bring_what_they_are_said_to_bring() -> None:
    packages = packages_distributions()
    assert set(MODULES) == set(get_args(Extra))
    for extra, modules in MODULES.items():
        brought = {plain(name) for module in modules for name in packages[module]}
        assert declared()[extra] <= brought, extra
        assert all(declared()[extra] & {plain(n) for n in packages[m]} for m in modules), extra


def test_all_is_all_of_them() -> None:
    assert declared()["all"] == {f"shelfsure[{','.join(MODULES)}]"}
    assert "shelfsure[all]" in declared()["dev"]


@pytest.mark.parametrize("extra", MODULES)
def test_require_extra_names_what_is_missing_and_the_line_that_installs_it(
    extra: Extra, without: Callable[..., None]
) -> None:
    require_extra(extra, "Something")
    last = MODULES[extra][-1]
    without(last)
    assert missing_modules(extra) == [last]
    line = f'Something needs {last}, .*Run: pip install "shelfsure\\[{extra}\\]"$'
    with pytest.raises(MissingExtraError, match=line) as raised:
        require_extra(extra, "Something")
    assert isinstance(raised.value, ShelfsureError)
    assert isinstance(raised.value, ImportError)


def test_finetune_without_lightning_leaves_nothing(
    without: Callable[..., None], tmp_path: Path
) -> None:
    without("lightning")
    empty = Catalog.from_listings([], need_category=True)
    with pytest.raises(MissingExtraError, match=r"needs lightning, .*shelfsure\[finetune\]"):
        finetune(empty, tmp_path / "out", FinetuneConfig())
    assert list(tmp_path.iterdir()) == []


def test_open_clip_when_it_isnt_there(without: Callable[..., None]) -> None:
    without("open_clip")
    with pytest.raises(MissingExtraError, match=r"A CLIP model .*shelfsure\[clip\]"):
        OpenClip.load("local-dir:somewhere")


@pytest.mark.parametrize("wanted", ["onnx", "openvino"])
def test_export_asks_first_for_what_writes_the_format(
    wanted: Any, without: Callable[..., None], tmp_path: Path
) -> None:
    without("onnxscript")
    pipeline: Any = None
    with pytest.raises(MissingExtraError, match=rf"The format {wanted} .*shelfsure\[{wanted}\]"):
        export_encoders(pipeline, tmp_path / "out", wanted, [])


@pytest.fixture
def bench(tmp_path: Path) -> RuntimeBenchmark:
    graph = graph_of(Linear())
    return RuntimeBenchmark(graph, "some-encoder", encode_on(graph), folder=tmp_path / "runtimes")


@pytest.mark.parametrize(
    ("runtime", "hidden", "extra"),
    [
        ("openvino", "openvino", "openvino"),
        ("openvino", "onnxscript", "openvino"),
        ("onnxruntime", "onnxruntime", "onnx"),
        ("onnxruntime", "onnx", "onnx"),
    ],
)
def test_a_runtime_asked_for_by_name_must_be_installed(
    runtime: Any, hidden: str, extra: str, without: Callable[..., None], bench: RuntimeBenchmark
) -> None:
    without(hidden)
    line = rf"The runtime {runtime} needs {hidden}, .*shelfsure\[{extra}\]"
    with pytest.raises(MissingExtraError, match=line):
        Engine.open(runtime, bench)
    with pytest.raises(MissingExtraError, match=line):
        bench.open(runtime)
    assert not bench.folder.exists()


def test_auto_without_any_other_runtime_is_pytorch_and_tries_nothing(
    without: Callable[..., None], bench: RuntimeBenchmark, caplog: pytest.LogCaptureFixture
) -> None:
    without("onnxscript")
    engine = Engine.open("auto", bench)
    assert engine.session(10_000) is None
    assert engine.name == "torch"
    assert not bench.folder.exists()
    assert caplog.text == ""


def test_auto_chooses_among_what_is_installed(
    without: Callable[..., None], bench: RuntimeBenchmark
) -> None:
    without("openvino")
    engine = Engine.open("auto", bench)
    engine.select_runtime()
    assert engine.name in {"torch", "onnxruntime"}
    [record] = bench.folder.glob("*.json")
    assert set(json.loads(record.read_text())) == {"torch", "onnxruntime"}


def test_the_core_alone_trains_and_predicts(tiny_folder: Path, tmp_path: Path) -> None:
    catalogue, bundle = str(tiny_folder / "catalogue.csv"), str(tmp_path / "bundle")
    quick = tmp_path / "quick.yaml"
    quick.write_text("levels: 2\nimage: {side_px: 64}\n")
    train = ["train", catalogue, "--mlflow", "none", "--config", str(quick), "--out"]
    verdicts = str(tmp_path / "verdicts.csv")
    predict = ["predict", bundle, catalogue, "--out"]
    finetune = ["finetune", catalogue, "--out", str(tmp_path / "encoder")]
    backbones = ["backbones", catalogue, "--out", str(tmp_path / "comparison")]
    working = [["--help"], ["serve", "--help"], [*train, bundle], [*predict, verdicts]]
    failing = {
        "serve": [["serve", bundle]],
        "finetune": [finetune, backbones],
        "openvino": [[*predict, str(tmp_path / "other.csv"), "--runtime", "openvino"]],
    }
    blocked = sorted({module for modules in MODULES.values() for module in modules})
    commands = [*working, *(words for group in failing.values() for words in group)]
    done = subprocess.run(
        [sys.executable, "-c", CORE_ALONE, json.dumps(blocked), json.dumps(commands)],
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    ends = re.findall(r"^exit (\d+)$", done.stdout, re.MULTILINE)
    n_failing = len(commands) - len(working)
    assert ends == ["0"] * len(working) + ["1"] * n_failing, done.stderr
    assert len(Path(verdicts).read_text(encoding="utf-8").splitlines()) > 60
    said = re.split(r"^#.*\n", done.stderr, flags=re.MULTILINE)
    expected = [extra for extra, group in failing.items() for _ in group]
    assert len(said) == len(commands) + 1
    for extra, text in zip(expected, said[len(working) : -1], strict=True):
        assert re.search(rf'^Error: .*pip install "shelfsure\[{extra}\]"$', text, re.MULTILINE)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"quick.yaml", "bundle", "verdicts.csv"}
