"""Where a process keeps what nobody needs after it: photos unpacked, uploads, downloads.

All of it lies in one folder that the process holds and removes when it ends. A killed one lets go
of what it held, and the next process that needs such a place removes what was left.
"""

import atexit
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path

from .errors import OutputError
from .staging import held

_PREFIX = "shelfsure-scratch-"
_OURS = re.compile(re.escape(_PREFIX) + r"\w{8}")


def new_scratch_folder() -> Path:
    """Make an empty folder that is there until it is removed, or the process ends."""
    return Path(tempfile.mkdtemp(dir=_home(Path(tempfile.gettempdir()))))


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Yield an empty folder, which goes with the block; an OutputError about it names TMPDIR."""
    folder = new_scratch_folder()
    try:
        yield folder
    except OutputError as error:
        if str(folder) not in str(error):
            raise
        raise OutputError(f"{error} TMPDIR in the environment does that.") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@cache
def _home(root: Path) -> Path:
    _clear(root)
    held_for_good = ExitStack()
    while True:
        home = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=root))
        held_for_good.enter_context(held(home))
        if home.is_dir():  # or somebody took it for a leftover before it was held
            break
        held_for_good.close()
    atexit.register(_remove, home, os.getpid(), held_for_good)
    return home


def _remove(home: Path, owner: int, held_for_good: ExitStack) -> None:
    if os.getpid() == owner:  # a forked process only borrows it
        shutil.rmtree(home, ignore_errors=True)
        held_for_good.close()


def _clear(root: Path) -> None:
    """Remove what killed processes of this user have left."""
    for left in [path for path in root.iterdir() if _OURS.fullmatch(path.name)]:
        if left.is_symlink() or not left.is_dir() or not os.access(left, os.W_OK):
            continue
        with held(left, wait=False) as nobody_uses_it:
            if nobody_uses_it:
                shutil.rmtree(left, ignore_errors=True)
