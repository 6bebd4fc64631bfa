"""The queue to other annotation tools, and their answers back.

A module for each tool says how it writes tasks and reads answers (`Tool`). An item is known by
its number in every format, so that answers find back.
"""

import shutil
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ...core.errors import ConfigError, ShelfsureError
from ...core.files import atomic_folder, parse_json
from ...core.kinds import FolderKind
from . import argilla, fiftyone, label_studio
from .records import ReviewError, ReviewItem, ReviewsFileError, reviewer_name
from .store import ReviewStore
from .tasks import CANT_TELL, NOT_SOLD, Read, Task, TaskError, item_name


class Tool(NamedTuple):
    """How tasks are written for a tool, and what it exports is read.

    Parameters
    ----------
    folder
        Where its photos lie in the export.
    write
        Takes tasks, the answers to choose from, and the folder.
    read
        Takes the export's JSON; yields each answer, or why there is none.
    """

    folder: str
    write: Callable[[list[Task], list[str], Path], None]
    read: Callable[[Any], Iterator[Read | TaskError]]


TOOLS = {
    "label-studio": Tool("photos", label_studio.write, label_studio.read),
    "argilla": Tool("photos", argilla.write, argilla.read),
    "fiftyone": Tool("data", fiftyone.write, fiftyone.read),
}


@dataclass
class Imported:
    """What became of a tool's answers.

    Parameters
    ----------
    n, n_known
        Answers that were taken, and those that had been before.
    problems
        Where -> why an answer wasn't taken.
    """

    n: int = 0
    n_known: int = 0
    problems: list[tuple[str, str]] = field(default_factory=list)


def choices(store: ReviewStore, names: Collection[str] = ()) -> list[str]:
    """List the categories to choose from: `names`, and all that verdicts and answers name."""
    found = {*names}
    for item in [*store.pending(store.max_pending), *store.answered()]:
        said = item.verdict
        found |= {guess.category for guess in said.top_k} | {said.category or ""}
        found |= {item.answer.category or ""} if item.answer else set()
    return sorted(found - {""})


def export_tasks(store: ReviewStore, tool: str, out: Path, names: Collection[str] = ()) -> int:
    """Write what waits as tasks to a new or empty folder, whole or not at all; gives their number.

    Parameters
    ----------
    tool
        One of `TOOLS`.
    names
        Categories to choose from, besides those that verdicts and answers name.

    Raises
    ------
    ReviewError
        If nothing waits, or the folder holds something.
    """
    pending = store.pending(store.max_pending)
    if not pending:
        raise ReviewError("Nothing waits for review, so there is nothing to export.")
    kind = TOOLS[tool]
    with atomic_folder(out, FolderKind("an export of tasks", error=ReviewError)) as staging:
        (staging / kind.folder).mkdir()
        tasks = [Task(item, _photo(item, staging, kind.folder)) for item in pending]
        kind.write(tasks, [*choices(store, names), NOT_SOLD, CANT_TELL], staging)
    return len(tasks)


def import_answers(
    store: ReviewStore,
    tool: str,
    path: Path,
    *,
    names: Collection[str] = (),
    who: str | None = None,
) -> Imported:
    """Take a tool's answers into the queue; one that can't be taken never stops the others.

    Each annotator is a reviewer: of several answers of one about an item the last counts, and where
    annotators disagree the item is disputed. An answer of theirs that stands already isn't
    repeated, so a file may be read again.

    Parameters
    ----------
    path
        What the tool exported.
    names
        Categories that an answer may name, besides those that verdicts and answers name.
    who
        Gave the answers; None: whom the file names, or the tool.

    Raises
    ------
    ConfigError
        If the file can't be read as JSON of this tool.
    ReviewsFileError
        If the queue can't be written; what was taken until then stays.
    """
    try:
        said = parse_json(path.read_bytes())
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(
            f"{path} must be readable JSON that {tool} exported, but: {reason}."
        ) from error
    known, result = {*choices(store, names)}, Imported()
    newest: dict[tuple[int, str], Read] = {}
    for read in TOOLS[tool].read(said):
        if isinstance(read, TaskError):
            result.problems.append(read)
        else:
            newest[read.item_id, who or read.who or tool] = read
    for (_, reviewer), read in newest.items():
        try:
            _take(store, read, known, reviewer_name(reviewer), result)
        except ReviewsFileError as error:  # it takes no other answer either
            raise ReviewsFileError(
                f"{error} {result.n:,} answers were taken; import the file again for the rest."
            ) from error
        except ShelfsureError as error:
            result.problems.append((read.where, str(error)))
    return result


def _take(store: ReviewStore, read: Read, known: set[str], who: str, result: Imported) -> None:
    standing = [own for own in store.item(read.item_id).answers if own.who == who]
    kind = {NOT_SOLD: "not_sold", CANT_TELL: "cant_tell"}.get(read.answer, "category")
    if kind == "category" and read.answer not in known:
        raise ReviewError(
            f"An answer must be a category that is known, got {read.answer!r}. Pass --bundle of a "
            "model that has it, or correct the answer."
        )
    category = read.answer if kind == "category" else None
    if (kind, category) in {(own.kind, own.category) for own in standing}:
        result.n_known += 1
        return
    if category is None:
        store.answer(read.item_id, kind, who)  # type: ignore[arg-type]
    else:
        store.label(read.item_id, category, who)
    result.n += 1


def _photo(item: ReviewItem, folder: Path, name: str) -> str | None:
    """Copy an item's photo under its number; gives its path within the folder."""
    image = item.listing.image
    if not isinstance(image, Path):
        return None
    place = f"{name}/{item_name(item.item_id)}{image.suffix}"
    try:
        shutil.copyfile(image, folder / place)
    except FileNotFoundError:
        return None
    return place
