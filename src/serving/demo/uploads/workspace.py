"""A folder for one visitor's photos and files, which doesn't outlive the visit."""

import shutil
import tempfile
import weakref
from pathlib import Path


class Workspace:
    """A temporary folder; it goes when it is closed, forgotten, or the program ends."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="shelfsure-"))
        self._remove = weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)

    def folder(self, name: str) -> Path:
        """Give the subfolder `name`; it is made if needed."""
        path = self.path / name
        path.mkdir(exist_ok=True)
        return path

    def close(self) -> None:
        """Remove the folder and all that is in it."""
        self._remove()
