"""What tells of a session beside looks: a camera's clock, and how files and ids are numbered."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from ..catalog.groups import Links
from ..catalog.listing import Listing
from ..core.arrays import Floats, Ints
from ..vision.capture import capture_of

SECONDS = (43_200.0, 7_200.0, 1_800.0, 300.0)
"""Pauses that may end a session, from coarse to fine."""
NUMBERS = (1_000.0, 300.0, 100.0, 30.0, 10.0, 3.0, 1.0)
"""Likewise, of numbers that are left out."""
MIN_SHARE, MIN_TOGETHER = 0.5, 5
"""A mark counts where it places so large a share of the listings beside so many others each."""
_N_TRIED = 50
_START = datetime(1970, 1, 1)
_NUMBERED = re.compile(r"(.*?)(\d{1,12})(\D*)", re.DOTALL)


@dataclass(frozen=True)
class Trail:
    """Where n listings lie on lines: of the clocks of cameras, of sorts of numbered names.

    Parameters
    ----------
    mark
        What it was read from: ``seconds between photos``, ``numbers between files`` or ``between
        ids``.
    lines
        Shape ``(n,)``: each listing's line; -1 for those that lie on none.
    places
        Shape ``(n,)``: where on its line, in seconds or numbers.
    gaps
        How far apart neighbours of one session may lie, from coarse to fine.
    """

    mark: str
    lines: Ints
    places: Floats
    gaps: tuple[float, ...]

    def links(self, gap: float) -> Links:
        """Link neighbours on a line that lie no farther apart than `gap`."""
        order = np.lexsort((self.places, self.lines))
        order = order[self.lines[order] >= 0]
        one, other = order[:-1], order[1:]
        near = self.places[other] - self.places[one] <= gap
        return np.stack([one, other])[:, near & (self.lines[one] == self.lines[other])]


def read_trails(listings: Sequence[Listing]) -> list[Trail]:
    """Read each mark that enough of the listings have; photos' headers are read for their times."""
    files = [_file_name(listing.image) for listing in listings]
    ids = [listing.listing_id for listing in listings]
    found = [
        _trail("seconds between photos", _times(listings), SECONDS),
        _trail("numbers between files", [_numbered(name) for name in files], NUMBERS),
        _trail("numbers between ids", [_numbered(name) for name in ids], NUMBERS),
    ]
    return [trail for trail in found if trail is not None]


def _trail(
    mark: str, placed: Sequence[tuple[str, float] | None], gaps: tuple[float, ...]
) -> Trail | None:
    names = [one[0] if one else None for one in placed]
    counts = Counter(name for name in names if name is not None)
    shared = [name for name, count in counts.items() if count >= MIN_TOGETHER]
    numbers: dict[str | None, int] = {name: number for number, name in enumerate(shared)}
    lines = np.array([numbers.get(name, -1) for name in names], dtype=np.intp)
    if not len(lines) or np.mean(lines >= 0) < MIN_SHARE:
        return None
    return Trail(mark, lines, np.array([one[1] if one else 0.0 for one in placed]), gaps)


def _times(listings: Sequence[Listing]) -> list[tuple[str, float] | None]:
    """Read times of capture, unless a few listings from all along say that there are hardly any."""
    tried = listings[:: max(1, len(listings) // _N_TRIED)]
    if sum(_time(listing) is not None for listing in tried) < MIN_SHARE / 2 * len(tried):
        return [None] * len(listings)
    return [_time(listing) for listing in listings]


def _time(listing: Listing) -> tuple[str, float] | None:
    capture = capture_of(listing.image)
    return (capture.camera, (capture.taken - _START).total_seconds()) if capture else None


def _file_name(image: str | Path | bytes | None) -> str | None:
    if image is None or isinstance(image, bytes):
        return None
    return str(Path(image).with_suffix(""))


def _numbered(name: str | None) -> tuple[str, float] | None:
    """Split off a name's last number: what is around it is the sort of the name."""
    found = _NUMBERED.fullmatch(name or "")
    return (f"{found[1]}\0{found[3]}", float(found[2])) if found else None
