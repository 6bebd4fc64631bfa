"""The package as a whole: what is public, what is shipped, and which room may know which."""

import ast
import doctest
import pkgutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from graphlib import TopologicalSorter
from importlib import import_module
from pathlib import Path

import pytest
import shelfsure

ROOT = Path(__file__).resolve().parents[1]
SRC = ROOT / "src"
MODULES = sorted(m.name for m in pkgutil.walk_packages(shelfsure.__path__, "shelfsure."))
GROUND = {"arrays", "atomic", "errors"}
MODELS = GROUND | {"device", "weights", "runtimes"}
ABOVE_PIPELINE = {"cli", "cli_retrieval", "serving", "training"}
MAY_IMPORT = {
    "errors": set(),
    "arrays": set(),
    "atomic": set(),
    "fusion": GROUND,
    "tracking": GROUND,
    "config": GROUND,
    "listings": GROUND,
    "sample": GROUND | {"listings"},
    "runtimes": GROUND | {"cache", "device"},
    "vision": MODELS,
    "text": MODELS,
}


def runtime_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Walk a module, what only type checkers see left out."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        yield node
        yield from runtime_nodes(node)


def imported_rooms(path: Path) -> set[str]:
    """Name the modules and folders right under src that a file imports."""
    folder = list(path.relative_to(SRC).parent.parts)
    rooms = set()
    for node in runtime_nodes(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            start = folder[: len(folder) - node.level + 1]
            named = [node.module.split(".")] if node.module else [[a.name] for a in node.names]
            rooms |= {(start + parts)[0] for parts in named}
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            own = [name for name in names if name.split(".")[0] in {"shelfsure", "src"}]
            assert not own, f"{path}: imports inside the package are relative, not {own}"
    return rooms


@pytest.fixture(scope="module")
def rooms() -> dict[str, set[str]]:
    """Room -> the other rooms that it imports."""
    found: dict[str, set[str]] = {}
    for path in SRC.rglob("*.py"):
        room = path.relative_to(SRC).parts[0].removesuffix(".py")
        if room not in {"__init__", "__main__"}:
            found.setdefault(room, set()).update(imported_rooms(path) - {room})
    assert {"vision", "text", "fusion", "pipeline", "cli"} <= found.keys()
    return found


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
    assert set(project["tool"]["setuptools"]["packages"]) == code


def test_rooms_form_no_circle(rooms: dict[str, set[str]]) -> None:
    assert list(TopologicalSorter(rooms).static_order())


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_rooms_on_the_ground_know_only_what_lies_under_them(
    rooms: dict[str, set[str]], room: str
) -> None:
    assert rooms[room] <= MAY_IMPORT[room]


def test_arrows_point_up(rooms: dict[str, set[str]]) -> None:
    for room, known in rooms.items():
        if room not in ABOVE_PIPELINE and not room.startswith("cli_"):
            assert not known & ABOVE_PIPELINE, f"{room} imports {known & ABOVE_PIPELINE}"
    for room in ("vision", "text", "fusion", "listings", "sample", "retrieval", "embedding"):
        assert "pipeline" not in rooms[room]
    assert not rooms["training"] & {"cli", "serving"}
    assert not rooms["serving"] & {"cli", "training"}
