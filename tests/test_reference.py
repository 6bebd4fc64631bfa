"""The API reference that `make docs` builds."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import shelfsure

ROOT = Path(__file__).resolve().parents[1]


def test_the_reference_builds_without_a_warning(
    tmp_path: Path, start_process: Callable[..., Any]
) -> None:
    tool = str(ROOT / "tools/reference.py")
    process = start_process(f"import runpy; runpy.run_path({tool!r}, run_name='__main__')",
                            tmp_path / "docs")  # fmt: skip
    said = process.output.read()
    assert process.wait() == 0, said
    pages = {path.relative_to(tmp_path / "docs").as_posix() for path in tmp_path.rglob("*.html")}
    assert {
        "shelfsure.html",
        "shelfsure/core/errors.html",
        "shelfsure/serving/demo/ui.html",
    } <= pages
    assert not any("shelfsure/cli" in page for page in pages)
    public = (tmp_path / "docs" / "shelfsure.html").read_text(encoding="utf-8")
    for name in shelfsure.__all__:
        assert f'id="{name}"' in public
    assert "<h6" in public  # of Parameters, Returns and Raises, which it took for what they are
    assert not re.search(r"<p>-{4,}", public)
