"""The API reference, from the docstrings: ``python tools/reference.py build/docs``."""

import pkgutil
import sys
import warnings
from pathlib import Path

import pdoc
import pdoc.render
import shelfsure
from tqdm import tqdm

LEFT_OUT = {"cli"}
"""What is nobody's to import; `shelfsure --help` has the command line."""


def build(out: Path) -> None:
    """Write the public names' page, and one for each module of each room; a warning is an error."""
    for name in shelfsure.__all__:  # they are imported on first use, and pdoc only looks
        setattr(shelfsure, name, getattr(shelfsure, name))
    # generic in its stubs alone, and pdoc reads annotations as Python does
    tqdm.__class_getitem__ = classmethod(lambda bar, _: bar)  # type: ignore[attr-defined]
    rooms = {found.name for found in pkgutil.iter_modules(shelfsure.__path__)} - LEFT_OUT
    pdoc.render.configure(docformat="numpy", show_source=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # of two classes that inherit from Pillow's; what that annotates it with isn't there at all
        warnings.filterwarnings("ignore", r".*(PIL\.Image|core\.ImagingCore)")
        modules = ["shelfsure", *(f"shelfsure.{room}" for room in sorted(rooms))]
        pdoc.pdoc(*modules, output_directory=out)


if __name__ == "__main__":
    build(Path(sys.argv[1]))
    sys.stdout.write(f"Open {Path(sys.argv[1]) / 'index.html'} in a browser.\n")
