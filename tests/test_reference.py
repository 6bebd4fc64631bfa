"""The API reference that `make docs` builds."""

import re
import subprocess
import sys
from pathlib import Path

import shelfsure

ROOT = Path(__file__).resolve().parents[1]


def test_the_reference_builds_without_a_warning(tmp_path: Path) -> None:
    command = [sys.executable, "tools/reference.py", tmp_path / "docs"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=290)
    assert done.returncode == 0, done.stderr
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
