import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from shelfsure.core.errors import RetrainingLockedError
from shelfsure.monitoring.retraining.steps import Steps, digest, only_one

KILLED = """
import os, signal, sys
from pathlib import Path
from shelfsure.monitoring.retraining.steps import Steps, only_one

home = Path(sys.argv[1])
def work(folder):
    (folder / "half").touch()
    print("in the step", flush=True)
    if sys.argv[2] == "waits":
        signal.pause()
    os.kill(os.getpid(), signal.SIGKILL)

with only_one(home):
    steps = Steps(home, lambda _: None)
    steps.run("one", {"data": 1}, lambda folder: (folder / "result").write_text("1"))
    steps.run("two", {"data": 1}, work)
"""


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def steps(tmp_path: Path, said: list[str]) -> Steps:
    return Steps(tmp_path, said.append)


def fill(folder: Path) -> None:
    (folder / "result").write_text("done")


def test_run_makes_a_step_once_and_says_why(steps: Steps, said: list[str], tmp_path: Path) -> None:
    place = steps.run("parts", {"data": "abc", "seed": 0}, fill)
    assert (place / "result").read_text() == "done"
    assert steps.run("parts", {"seed": 0, "data": "abc"}, lambda _: pytest.fail("again")) == place
    other = steps.run("parts", {"data": "xyz", "seed": 0}, fill)
    assert other != place
    assert "never done here" in said[0]
    assert said[2].startswith("parts skipped: it is there")
    assert said[3] == "parts started: data is xyz, was abc"
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["action"] for line in lines] == ["started", "done", "skipped", "started", "done"]
    assert said[3] in (tmp_path / "log.txt").read_text()


def test_failed_step_leaves_nothing(steps: Steps, tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        fill(folder)
        raise RuntimeError("no luck")

    with pytest.raises(RuntimeError, match="no luck"):
        steps.run("parts", {}, fail)
    assert list((tmp_path / "steps").iterdir()) == [] if (tmp_path / "steps").exists() else True
    assert steps.run("parts", {}, fill).is_dir()


def test_step_in_place_goes_on_with_what_was_left(steps: Steps, said: list[str]) -> None:
    def half(folder: Path) -> None:
        (folder / "half").touch()
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        steps.run("encoder", {}, half, in_place=True)
    place = steps.run("encoder", {}, fill, in_place=True)
    assert (place / "half").exists()
    assert said[1].startswith("encoder started: it goes on")


def test_forget_others_keeps_what_was_used(steps: Steps, said: list[str], tmp_path: Path) -> None:
    steps.run("parts", {"n": 1}, fill)
    later = Steps(tmp_path, said.append)
    kept = later.run("parts", {"n": 2}, fill)
    later.forget_others()
    assert list((tmp_path / "steps").iterdir()) == [kept]


def test_digest_depends_on_values_only() -> None:
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1}) != digest({"a": 1, "b": 3})


def test_only_one_names_the_other(tmp_path: Path) -> None:
    with (
        only_one(tmp_path),
        pytest.raises(RetrainingLockedError, match=f"process {os.getpid()} does"),
        only_one(tmp_path),
    ):
        pass
    with only_one(tmp_path):
        pass


def test_killed_holder_is_no_obstacle_and_its_steps_go_on(
    tmp_path: Path, said: list[str], start_process: Callable[..., Any]
) -> None:
    held = start_process(KILLED, tmp_path, "waits")
    assert held.output.readline() == "in the step\n"
    with pytest.raises(RetrainingLockedError, match=str(held.pid)), only_one(tmp_path):
        pass
    held.kill()
    assert held.wait() == -signal.SIGKILL
    with only_one(tmp_path):
        steps = Steps(tmp_path, said.append)
        steps.run("one", {"data": 1}, lambda _: pytest.fail("again"))
        place = steps.run("two", {"data": 1}, fill)
    assert not (place / "half").exists(), "what a killed step has left isn't taken for a result"
    assert [path.name for path in place.parent.iterdir() if "partial" in path.name] == []
