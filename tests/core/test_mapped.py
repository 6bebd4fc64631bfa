import errno
import os
from pathlib import Path

import pytest
from shelfsure.core.errors import OutputError
from shelfsure.core.mapped import new_map


def test_new_map_takes_its_room_at_once(tmp_path: Path) -> None:
    mapped = new_map(tmp_path / "a.u8", (3, 1 << 20))
    assert (mapped.shape, mapped.any()) == ((3, 1 << 20), False)
    if hasattr(os, "posix_fallocate"):
        assert (tmp_path / "a.u8").stat().st_blocks * 512 >= 3 << 20
    mapped[2] = 7
    mapped.flush()
    assert (tmp_path / "a.u8").read_bytes()[-1] == 7


def test_new_map_without_room_is_one_error_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with pytest.raises(OutputError, match=r"a\.u8 must be writable, but: the disk is full"):
        new_map(tmp_path / "a.u8", (3, 4))
    assert list(tmp_path.iterdir()) == []
