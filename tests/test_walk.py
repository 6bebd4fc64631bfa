"""docs/walk.md, run as it stands."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import shelfsure.cli.main as cli

WALK = Path(__file__).resolve().parents[1] / "docs" / "walk.md"


def test_the_walk_runs_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```(\w+)\n(.*?)^```$", WALK.read_text(encoding="utf-8"), re.M | re.S)
    assert [language for language, _ in blocks].count("python") >= 6
    names: dict[str, Any] = {}
    for number, (language, code) in enumerate(blocks):
        if language == "python":
            exec(compile(code, f"walk.md, block {number}", "exec"), names)  # noqa: S102
            continue
        assert language == "sh"
        for line in code.splitlines():
            program, *arguments = shlex.split(line)
            assert program == "shelfsure"
            monkeypatch.setattr("sys.argv", [program, *arguments])
            with pytest.raises(SystemExit) as end:
                cli.main()
            assert end.value.code in {None, 0}
    assert {"catalog", "pipeline", "verdicts", "found"} <= set(names)
