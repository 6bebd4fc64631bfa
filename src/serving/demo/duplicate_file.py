"""Duplicates that were found, and the answers to them, on disk."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from ...catalog.listing import Listing
from ...core.files import atomic_path
from ...retrieval.duplicates.alignment import Alignment
from ...retrieval.duplicates.candidates import CandidateSearch
from ...retrieval.duplicates.groups import DuplicateGroup
from ...retrieval.duplicates.match import DuplicateResult
from ...retrieval.duplicates.title_match import Difference
from ...retrieval.duplicates.verdict import DuplicatePair, PhotoFinding
from ...vision.thumbnails import thumbnail_uri
from .duplicate_review import DuplicateReview
from .duplicate_search import Found
from .jobs.listings import with_photo_files

PHOTO_PX = 400
"""The longer side of a photo, which may be enlarged."""
_FOUND = "found.json"
_COUNTS = ("n_listings", "n_compared", "n_by_text", "n_not_compared")
_listing = TypeAdapter(Listing)


def write_found(found: Found, folder: Path, photos: Path) -> None:
    """Write what was found into a folder, and into `photos` those that aren't files yet."""
    result = found.result
    number_of = {id(pair): number for number, pair in enumerate(result.pairs)}
    groups = [
        {"keeper": group.keeper.listing_id, "pairs": [number_of[id(pair)] for pair in group.pairs]}
        for group in result.groups
    ]
    pairs = [
        replace(pair, a=with_photo_files(pair.a, photos), b=with_photo_files(pair.b, photos))
        for pair in result.pairs
    ]
    counts = {name: getattr(result, name) for name in _COUNTS}
    data = {
        "pairs": [asdict(pair) for pair in pairs],
        "groups": groups,
        "counts": counts,
        "search": asdict(result.search),
        "note": found.note,
        "n_against": found.n_against,
    }
    (folder / _FOUND).write_text(json.dumps(data, default=_plain), encoding="utf-8")


def read_found(folder: Path) -> Found:
    """Read what `write_found` wrote; a ValueError or an OSError, if it isn't that."""
    data = json.loads((folder / _FOUND).read_bytes())
    pairs = [_pair(each) for each in data["pairs"]]
    groups = [_group(each["keeper"], [pairs[n] for n in each["pairs"]]) for each in data["groups"]]
    search = CandidateSearch(**data["search"])
    result = DuplicateResult(pairs, groups, search=search, **data["counts"])
    return Found(result, data["note"], data["n_against"])


class KeptReview:
    """What was found, and the answers, for all pages that show it; each answer is kept at once.

    Parameters
    ----------
    path
        The file of the answers; those that are there are taken up.
    root
        The folder of the upload's photos.
    """

    def __init__(self, found: Found, path: Path, root: Path | None = None) -> None:
        self.found, self.root, self._path = found, root, path
        self.review = DuplicateReview(found.result)
        self._photos: dict[int, str | None] = {}
        self._lock = threading.Lock()
        if path.exists():
            self.review.take_up(json.loads(path.read_bytes()))

    @contextmanager
    def changing(self) -> Iterator[DuplicateReview]:
        """Let one page at a time answer."""
        with self._lock:
            yield self.review
            with atomic_path(self._path) as partial:
                partial.write_text(json.dumps(self.review.kept()), encoding="utf-8")

    def photo(self, listing: Listing) -> str | None:
        """Shrink a listing's photo, once."""
        if id(listing) not in self._photos:
            self._photos[id(listing)] = thumbnail_uri(listing.image, side_px=PHOTO_PX)
        return self._photos[id(listing)]


def _plain(value: object) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"an array or a path was expected, got {type(value).__name__}")


def _pair(data: dict[str, Any]) -> DuplicatePair:
    photo = data["photo"]
    alignment = photo["alignment"] | {"transform": np.array(photo["alignment"]["transform"])}
    return DuplicatePair(
        _listing.validate_python(data["a"]),
        _listing.validate_python(data["b"]),
        data["verdict"],
        PhotoFinding(**photo | {"alignment": Alignment(**alignment)}),
        data["title_similarity"],
        tuple(Difference(**each) for each in data["differences"]),
        tuple(data["extra_words"]),
        (data["photos"][0], data["photos"][1]),
    )


def _group(keeper_id: str, pairs: list[DuplicatePair]) -> DuplicateGroup:
    def sides() -> Iterator[tuple[Listing, Listing]]:
        for pair in pairs:
            swapped = pair.b.listing_id == keeper_id
            yield (pair.b, pair.a) if swapped else (pair.a, pair.b)

    keepers, members = zip(*sides(), strict=True)
    return DuplicateGroup(keepers[0], members, tuple(pairs))
