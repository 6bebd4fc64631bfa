"""The package as a whole: what is public, and what is shipped."""

import doctest
import pkgutil
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest
import shelfsure

from .conftest import LONGEST_FILES

ROOT = Path(__file__).resolve().parents[1]
SRC = ROOT / "src"
MODULES = sorted(m.name for m in pkgutil.walk_packages(shelfsure.__path__, "shelfsure."))


def test_public_names_can_be_imported() -> None:
    assert shelfsure.__all__
    assert sorted(shelfsure.__all__) == shelfsure.__all__
    assert dir(shelfsure) == shelfsure.__all__
    for name in shelfsure.__all__:
        assert getattr(shelfsure, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'no_such_name'"):
        shelfsure.no_such_name  # noqa: B018


def test_import_of_the_package_loads_nothing_heavy() -> None:
    code = "import shelfsure, sys; print(sorted({'numpy', 'torch', 'pydantic'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "[]\n", done.stderr


def test_docstring_examples_hold() -> None:
    results = {name: doctest.testmod(import_module(name)) for name in ["shelfsure", *MODULES]}
    assert sum(result.attempted for result in results.values()) > 5
    assert {name for name, result in results.items() if result.failed} == set()


def test_no_module_is_loaded_under_a_second_name() -> None:
    for name in MODULES:
        import_module(name)
    assert [name for name in sys.modules if name.split(".")[0] == "src"] == []


def test_every_folder_of_code_is_shipped() -> None:
    folders = {path.parent for path in SRC.rglob("*.py")}
    assert all((folder / "__init__.py").is_file() for folder in folders)
    code = {".".join(["shelfsure", *folder.relative_to(SRC).parts]) for folder in folders}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert set(project["tool"]["setuptools"]["packages"]) == code | {"shelfsure.configs"}


def test_the_longest_test_files_are_named_as_they_are() -> None:
    assert all((ROOT / "tests" / name).is_file() for name in LONGEST_FILES)
