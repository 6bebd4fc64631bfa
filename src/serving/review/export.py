"""Answers as a catalogue folder, for `shelfsure train` to read as it is.

::

    catalogue.csv   items that were given a category
    photos/         theirs
    outside/        photos of what was said not to be sold here, for --outside
    labels.csv      every answer ever given: who, when, on which verdict of which model
"""

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ...catalog.delimited import write_csv
from ...catalog.export import write_listings
from ...core.files import atomic_folder
from ...core.kinds import FolderKind
from .records import Answer, ReviewError, ReviewItem

_FOLDERS = {"category": "photos", "not_sold": "outside"}


@dataclass(frozen=True, slots=True)
class Export:
    """What was written.

    Parameters
    ----------
    n_labelled, n_outside
        Listings in ``catalogue.csv``, photos in ``outside/``.
    n_photos_missing
        Answered items whose photo is gone from the store; they were exported by their title, or
        not at all without one.
    n_disputed
        Items whose reviewers disagree; they were left out.
    """

    folder: Path
    n_labelled: int
    n_outside: int
    n_photos_missing: int
    n_disputed: int = 0


def write_export(items: Sequence[ReviewItem], history: Sequence[Answer], folder: Path) -> Export:
    """Write answered items and all answers to a new or empty folder, whole or not at all.

    A ReviewError, if there is no item, or the folder holds something already.
    """
    if not items:
        raise ReviewError("Nothing was answered yet, so there is nothing to export.")
    kind = FolderKind("an export of answers", error=ReviewError)
    with atomic_folder(folder, kind) as staging:
        return replace(_fill(staging, items, history), folder=folder)


def unique_ids(items: Iterable[ReviewItem]) -> dict[int, str]:
    """Map each item's id to a listing id of its own: the seller's, if no earlier item took it."""
    ids: dict[int, str] = {}
    taken: set[str] = set()
    for item in items:
        wished = item.listing.listing_id or "review"
        name, n = wished, item.item_id
        while name in taken or name == "review":
            name, n = f"{wished}-{n}", n + 1
        ids[item.item_id] = name
        taken.add(name)
    return ids


def _fill(folder: Path, items: Sequence[ReviewItem], history: Sequence[Answer]) -> Export:
    ids = unique_ids(items)
    labelled, n_outside, n_missing = [], 0, 0
    for name in ("photos", "outside"):
        (folder / name).mkdir()
    for item in items:
        answer, image = item.answer, item.listing.image
        if answer is None or item.disputed or answer.kind not in _FOLDERS:
            continue
        photo = None
        if isinstance(image, Path):
            photo = _copied(image, folder / _FOLDERS[answer.kind])
            n_missing += photo is None
        if answer.kind == "not_sold":
            n_outside += photo is not None
        elif photo or item.listing.title:
            own = replace(item.listing, listing_id=ids[item.item_id], category=answer.category)
            labelled.append(replace(own, image=photo))
    write_listings(folder / "catalogue.csv", labelled, folder)
    labels = _labels(items, history, ids)
    write_csv(folder / "labels.csv", list(labels[0]), [list(row.values()) for row in labels])
    n_disputed = sum(item.disputed for item in items)
    return Export(folder, len(labelled), n_outside, n_missing, n_disputed)


def _copied(photo: Path, folder: Path) -> Path | None:
    try:
        return shutil.copyfile(photo, folder / photo.name)
    except FileNotFoundError:
        return None


def _state(item: ReviewItem, own: Answer) -> str:
    if item.disputed:
        return "disputed"
    said = item.answer
    agrees = said is not None and (said.kind, said.category) == (own.kind, own.category)
    return "counts" if agrees else "outvoted"


def _labels(
    items: Sequence[ReviewItem], history: Sequence[Answer], ids: dict[int, str]
) -> list[dict[str, object]]:
    standing = {own.answer_id: _state(item, own) for item in items for own in item.answers}
    rows = []
    for answer in history:
        verdict = answer.verdict
        state = standing.get(answer.answer_id, "replaced")
        state = "skipped" if answer.kind == "skip" else state
        row: dict[str, object] = {
            "listing_id": ids.get(answer.item_id, f"item-{answer.item_id}"),
            "answer": answer.kind,
            "category": answer.category,
            "who": answer.who,
            "at": answer.at,
            "state": "withdrawn" if answer.withdrawn else state,
            "model_version": verdict.model_version,
            "decision": verdict.decision,
            "predicted": verdict.category,
            "probability": verdict.probability,
            "verdict": verdict.model_dump_json(),
        }
        rows.append(row)
    return rows
