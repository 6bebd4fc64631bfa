"""Whole runs: what comes out, and that it is the same after a kill and on two processes."""

import json
import shutil
import socket
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.numpy import load_file
from shelfsure.catalog.catalog import Catalog
from shelfsure.catalog.listing import Listing
from shelfsure.core.errors import ConfigError, TrainingError, WeightsError
from shelfsure.embedding.run_options import RunOptions
from shelfsure.finetuning.config import FinetuneConfig
from shelfsure.finetuning.fitting import Machine
from shelfsure.finetuning.run import FinetuneResult, finetune
from shelfsure.finetuning.state import RunState
from shelfsure.vision.encoder import PhotoEncoder
from timm.models import save_for_hf

CPU = RunOptions(device="cpu")
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> list[Listing]:
    """Photos of nothing in particular."""
    folder, rng = tmp_path_factory.mktemp("outside"), np.random.default_rng(9)
    for number in range(12):
        pixels = rng.integers(0, 256, (48, 48, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return [Listing(path.name, image=path) for path in sorted(folder.iterdir())]


def run(
    catalog: Catalog, out: Path, config: FinetuneConfig, device: str = "cpu", **given: Any
) -> FinetuneResult:
    result = finetune(catalog, out, config, options=RunOptions(device=device), **given)
    assert result is not None
    return result


def weights(out: Path) -> dict[str, np.ndarray]:
    return load_file(out / "model.safetensors")


def distance(first: Path, second: Path) -> float:
    """The largest difference between two results' weights."""
    one, two = weights(first), weights(second)
    return max(float(np.abs(one[name] - two[name]).max(initial=0.0)) for name in one)


def script(folder: Path, catalog: Catalog, config: FinetuneConfig, **given: Any) -> Path:
    """Write a program that does one run."""
    rows = [[x.listing_id, x.title, str(x.image), x.category] for x in catalog.listings if x.image]
    (folder / "rows.json").write_text(json.dumps(rows))
    (folder / "config.json").write_text(config.model_dump_json())
    (folder / "go.py").write_text(
        f"""
import json, sys
from pathlib import Path
from shelfsure.finetuning.config import FinetuneConfig
from shelfsure.finetuning.fitting import Machine
from shelfsure.finetuning.run import finetune
from shelfsure.embedding.run_options import RunOptions
from shelfsure.catalog.catalog import Catalog
from shelfsure.catalog.listing import Listing
here = Path({str(folder)!r})
rows = json.loads((here / "rows.json").read_text())
catalog = Catalog.from_listings([Listing(i, t, p, category=c) for i, t, p, c in rows])
config = FinetuneConfig.model_validate_json((here / "config.json").read_text())
options = RunOptions(device={given.get("device", "cpu")!r})
machine = Machine(devices={given.get("devices", 1)})
resume = "--resume" in sys.argv
finetune(catalog, here / "out", config, options=options, machine=machine, resume=resume)
"""
    )
    return folder / "go.py"


def test_finetune_makes_an_encoder_that_knows_the_categories(
    patterns: Catalog, quick: FinetuneConfig, tmp_path: Path, device: str
) -> None:
    config = quick.model_copy(update={"epochs": 12.0})
    result = run(patterns, tmp_path / "ft", config, device)
    assert result.levels["level2"]["top1"] >= 0.8
    assert [bad.listing_id for bad in result.catalog.rejected] == ["bad"]
    assert sorted(p.name for p in (tmp_path / "ft").iterdir()) == [
        "config.json",
        "finetuned.json",
        "model.safetensors",
        "rejected.csv",
    ]
    assert not RunState.beside(tmp_path / "ft").folder.exists()
    facts = json.loads((tmp_path / "ft/finetuned.json").read_text())
    assert (facts["side_px"], facts["crop_mode"]) == (48, "border")
    assert len(facts["seen"]) + len(facts["held_out"]) == 72
    assert not set(facts["seen"]) & set(facts["held_out"])
    assert len(facts["held_out"]) == pytest.approx(0.2 * 72, abs=2)
    assert facts["history"][-1]["step"] == facts["n_steps"]
    assert min(point["photos_per_s"] for point in facts["history"]) > 0

    encoder = PhotoEncoder.load(f"local-dir:{tmp_path / 'ft'}", device="cpu")
    assert (encoder.preprocessing.side_px, encoder.preprocessing.crop_mode) == (48, "border")
    good = [listing for listing in result.catalog.listings if listing.image]
    squares = [encoder.prepare(encoder.decode(listing.image, _limits())) for listing in good]
    vectors = encoder.encode(squares)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    model = timm.create_model(f"local-dir:{tmp_path / 'ft'}", pretrained=True)
    assert model.num_classes == 3 == len(facts["classes"])


def _limits() -> Any:
    from shelfsure.vision.load import PhotoLimits

    return PhotoLimits()


def test_finetune_repeats_itself_by_seed(
    patterns: Catalog, quick: FinetuneConfig, tmp_path: Path
) -> None:
    quick = quick.model_copy(update={"epochs": 1.0})
    first = run(patterns, tmp_path / "a", quick)
    again = run(patterns, tmp_path / "b", quick.model_copy(update={"workers": 1}))
    other = run(patterns, tmp_path / "c", quick.model_copy(update={"seed": 1}))
    assert distance(tmp_path / "a", tmp_path / "b") == 0
    assert distance(tmp_path / "a", tmp_path / "c") > 1e-3
    assert first.facts["seen"] == again.facts["seen"] != other.facts["seen"]


def test_finetune_from_pretrained_weights_compares_with_before(
    patterns: Catalog, in_parts: FinetuneConfig, tmp_path: Path
) -> None:
    config = in_parts.model_copy(update={"n_parts": 1, "epochs": 0.5})
    result = run(patterns, tmp_path / "ft", config)
    assert set(result.facts["measured"]) == {"0.0", "0.25", "0.5", "0.75", "1.0"}
    assert str(result.facts["blend"]) in {"0.25", "0.5", "0.75", "1.0"}


def test_finetune_learns_what_is_outside(
    patterns: Catalog, quick: FinetuneConfig, outside: list[Listing], tmp_path: Path
) -> None:
    result = run(patterns, tmp_path / "ft", quick, outside=outside)
    assert result.facts["classes"][-1] == "(outside)"
    assert len(result.facts["seen"]) + len(result.facts["held_out"]) < 72 + 12
    assert len(result.facts["held_out"]) <= 16  # none from outside


@pytest.mark.parametrize(
    "changed",
    [
        {"imbalance": "weighted", "oversample": 1.0, "batch_norm": "batch", "ema_epochs": 0.0},
        {"accumulate": 2, "precision": "bfloat16", "backbone": "light-cnn", "titles": 2.0},
        {"cache_gb": 0.0, "checkpoint_steps": 200, "levels": 1, "label_smoothing": 0.0},
    ],
)
def test_finetune_runs_as_configured(
    patterns: Catalog, quick: FinetuneConfig, tmp_path: Path, changed: dict[str, Any]
) -> None:
    config = FinetuneConfig.model_validate(quick.model_dump() | {"epochs": 1} | changed)
    result = run(patterns, tmp_path / "ft", config)
    assert all(np.isfinite(point["loss"]) for point in result.facts["history"])
    assert all(("title_loss" in point) == bool(config.titles) for point in result.facts["history"])
    assert "macro_f1" in result.facts["history"][-1]


def test_finetune_stops_early_and_keeps_the_best(
    patterns: Catalog, quick: FinetuneConfig, tmp_path: Path
) -> None:
    """A learning rate of nothing: no validation is better than the last stage's first."""
    changes = {"learning_rate": 1e-12, "patience": 2, "epochs": 10.0, "batch_norm": "frozen"}
    result = run(patterns, tmp_path / "ft", quick.model_copy(update=changes))
    validated, n_steps = sorted(result.curves["macro_f1"]), result.facts["n_steps"]
    in_last_stage = [step for step in validated if step >= n_steps / 2]
    assert len(in_last_stage) == 3
    assert validated[-1] < n_steps


def test_finetune_plans_as_many_epochs_as_fit_into_the_time(
    patterns: Catalog, quick: FinetuneConfig, tmp_path: Path, device: str
) -> None:
    config = quick.model_copy(update={"epochs": 500.0})
    started = time.monotonic()
    options, machine = RunOptions(device=device), Machine(max_minutes=0.03)
    finetune(patterns, tmp_path / "ft", config, options=options, machine=machine)
    assert time.monotonic() - started < 60


def test_finetune_refuses_a_folder_that_holds_something(
    patterns: Catalog, quick: FinetuneConfig, tmp_path: Path
) -> None:
    (tmp_path / "ft").mkdir()
    (tmp_path / "ft/precious.txt").write_text("mine")
    with pytest.raises(ConfigError, match="holds something else"):
        finetune(patterns, tmp_path / "ft", quick, options=CPU, overwrite=True)


def test_finetune_that_cannot_replace_an_encoder_keeps_it_and_goes_on_later(
    patterns: Catalog,
    quick: FinetuneConfig,
    tmp_path: Path,
    failing_rename: Callable[[Path], AbstractContextManager[None]],
) -> None:
    out = tmp_path / "ft"
    out.mkdir()
    old = json.dumps({"side_px": 48, "crop_mode": "border"})
    (out / "finetuned.json").write_text(old)
    with failing_rename(out):
        finetune(patterns, out, quick, options=CPU, overwrite=True)
    assert (out / "finetuned.json").read_text() == old
    assert {path.name for path in tmp_path.iterdir()} == {"ft", ".ft.finetuning"}
    run(patterns, out, quick, resume=True, overwrite=True)
    assert json.loads((out / "finetuned.json").read_text())["n_seen"] > 0
    assert list(tmp_path.iterdir()) == [out]
    (tmp_path / "ordinary").touch()
    assert {path.stat().st_mode for path in (*out.iterdir(), tmp_path / "ordinary")} == {
        (tmp_path / "ordinary").stat().st_mode
    }


def test_finetune_says_why_no_photo_can_be_used(
    patterns: Catalog, quick: FinetuneConfig, tmp_path: Path
) -> None:
    bad = [x for x in patterns.listings if x.listing_id == "bad"]
    with pytest.raises(TrainingError, match=r"there is none\. The first.*bad\.png"):
        finetune(Catalog.from_listings(bad), tmp_path / "ft", quick, options=CPU)
    assert not list(tmp_path.iterdir())  # the next attempt starts anew


Change = Callable[[FinetuneConfig], FinetuneConfig]


def test_unfinished_runs_are_resumed_as_they_were_started_or_not_at_all(
    patterns: Catalog, quick: FinetuneConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "ft"
    with pytest.raises(ConfigError, match="holds none"):
        finetune(patterns, out, quick, options=CPU, resume=True)
    with monkeypatch.context() as patched:
        patched.setattr("shelfsure.finetuning.run.export_encoder", _stop)
        with pytest.raises(KeyboardInterrupt):
            finetune(patterns, out, quick, options=CPU)
    with pytest.raises(ConfigError, match="Pass --resume"):
        finetune(patterns, out, quick, options=CPU)
    other = quick.model_copy(update={"learning_rate": 0.5})
    with pytest.raises(ConfigError, match=r"learning_rate: 0\.003, now 0\.5"):
        finetune(patterns, out, other, options=CPU, resume=True)
    run(patterns, out, quick, resume=True)
    with pytest.raises(ConfigError, match="--overwrite"):
        finetune(patterns, out, quick, options=CPU)


def _stop(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


@pytest.fixture
def in_parts(quick: FinetuneConfig, tmp_path: Path) -> FinetuneConfig:
    """Begin with weights that lie in a folder, as pretrained ones do, and train three encoders."""
    folder = tmp_path / "weights"
    torch.manual_seed(0)
    model = timm.create_model("test_resnet", pretrained=False, num_classes=4)
    save_for_hf(model, folder, safe_serialization=True)
    changes = {"backbone": f"local-dir:{folder}", "n_parts": 3, "precision": "float32"}
    return quick.model_copy(update=changes | {"epochs": 2.0})


def fold_encoders_of(folder: Path) -> list[Path]:
    return sorted(folder.glob("fold-encoder-*.safetensors"))


def test_finetune_averages_encoders_that_each_missed_a_part(
    patterns: Catalog, in_parts: FinetuneConfig, tmp_path: Path, device: str
) -> None:
    result = run(patterns, tmp_path / "ft", in_parts, device)
    facts = result.facts
    assert (facts["n_seen"], facts["n_held_out"], facts["held_out"]) == (72, 72, [])
    missed = [set(each["held_out"]) for each in facts["fold_encoders"]]
    assert len(missed) == 3
    assert all(20 <= len(each) <= 28 for each in missed)
    assert set.union(*missed) == set(facts["seen"])
    assert sum(map(len, missed)) == len(facts["seen"])
    steps = [point["step"] for point in facts["history"]]
    assert steps == sorted(steps)
    assert steps[-1] == facts["n_steps"]

    stored = [load_file(path) for path in fold_encoders_of(tmp_path / "ft")]
    average = load_file(tmp_path / "ft/model.safetensors")
    for name, array in average.items():
        if array.dtype.kind == "f":
            mean = np.mean([each[name] for each in stored], axis=0)
            np.testing.assert_allclose(array, mean, rtol=1e-5, atol=1e-6)
    encoder = PhotoEncoder.load(f"local-dir:{tmp_path / 'ft'}", device="cpu", runtime="torch")
    fold_encoders = list(encoder.open_fold_encoders())
    assert encoder.seen == set(facts["seen"])
    assert [encoder.seen - each.seen for each in fold_encoders] == missed
    assert len({each.fingerprint for each in (encoder, *fold_encoders)}) == 4


@pytest.mark.parametrize("changes", [{"n_parts": 1}, {"single_from": 70}])
def test_finetune_trains_one_encoder_where_told_to(
    patterns: Catalog, in_parts: FinetuneConfig, tmp_path: Path, changes: dict[str, int]
) -> None:
    result = run(patterns, tmp_path / "ft", in_parts.model_copy(update=changes))
    assert not fold_encoders_of(tmp_path / "ft")
    assert "fold_encoders" not in result.facts
    assert len(result.facts["held_out"]) == pytest.approx(0.2 * 72, abs=2)


def test_fold_encoders_that_are_gone_are_missed_by_name(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "tests/assets/format1/encoder", tmp_path / "ft")
    encoder = PhotoEncoder.load(f"local-dir:{tmp_path / 'ft'}", device="cpu", runtime="torch")
    (tmp_path / "ft/sibling-0.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"sibling-0\.safetensors must hold .* Tune .* anew"):
        next(encoder.open_fold_encoders())


def test_finetune_goes_on_after_being_killed(
    patterns: Catalog,
    in_parts: FinetuneConfig,
    tmp_path: Path,
    device: str,
    start_process: Callable[..., Any],
) -> None:
    """A kill in each encoder's training, and the same weights in the end."""
    in_parts = in_parts.model_copy(update={"n_parts": 2})
    catalog = Catalog.from_listings([x for x in patterns.listings if x.image is not None])
    run(catalog, tmp_path / "whole", in_parts, device)
    code = script(tmp_path, catalog, in_parts, device=device).read_text()
    state = RunState.beside(tmp_path / "out").folder
    finished = [state / f"part-{number}/after.safetensors" for number in range(2)]
    for number in range(2):
        under_way = state / f"part-{number}/last.ckpt"
        done = [path.stat().st_mtime_ns for path in finished[:number] if path.is_file()]
        process = start_process(code, *(["--resume"] if number else []))
        deadline = time.monotonic() + 120
        while process.poll() is None and not under_way.is_file():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.kill()
        process.wait()
        assert not (tmp_path / "out").exists()
        # what was finished isn't trained again
        assert [path.stat().st_mtime_ns for path in finished[: len(done)]] == done
    run(catalog, tmp_path / "out", in_parts, device, resume=True)
    assert distance(tmp_path / "whole", tmp_path / "out") < 1e-4


# in bfloat16, rounding depends on the size of the batch
BY_TWO = {"batch_norm": "frozen", "dropout": 0.0, "precision": "float32"}


def test_two_processes_of_lightning_learn_what_one_does(
    patterns: Catalog, quick: FinetuneConfig, tmp_path: Path, start_process: Callable[..., Any]
) -> None:
    config = quick.model_copy(update=BY_TWO)
    run(patterns, tmp_path / "one", config)
    program = str(script(tmp_path, patterns, config, devices=2))
    # Lightning starts the second one itself, by the name of the program
    code = f"import runpy; runpy.run_path({program!r}, run_name='__main__')"
    process = start_process(code, OMP_NUM_THREADS="1", MASTER_ADDR="127.0.0.1")
    assert process.wait(250) == 0, process.output.read()
    assert distance(tmp_path / "one", tmp_path / "out") < 2e-3
    assert json.loads((tmp_path / "out/finetuned.json").read_text())["n_steps"] > 5


def test_two_processes_of_torchrun_learn_what_one_does(
    patterns: Catalog,
    in_parts: FinetuneConfig,
    tmp_path: Path,
    start_process: Callable[..., Any],
) -> None:
    config = in_parts.model_copy(update=BY_TWO | {"titles": 1.0, "n_parts": 2})
    run(patterns, tmp_path / "one", config)
    code = script(tmp_path, patterns, config, devices=2).read_text()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = str(probe.getsockname()[1])
    of_all = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "TORCHELASTIC_RUN_ID": "none"}
    of_all |= {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "GROUP_RANK": "0"}
    both = [start_process(code, **of_all, RANK=rank, LOCAL_RANK=rank) for rank in "01"]
    for process in both:
        assert process.wait(250) == 0, process.output.read()
    assert distance(tmp_path / "one", tmp_path / "out") < 2e-3
    assert json.loads((tmp_path / "out/finetuned.json").read_text())["n_steps"] > 5
    assert len(fold_encoders_of(tmp_path / "out")) == 2
