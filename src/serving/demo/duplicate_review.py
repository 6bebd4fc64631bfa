"""What a person says of the duplicates that were found, and the merge plan that follows."""

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ...catalog.delimited import write_csv
from ...catalog.listing import Listing
from ...core.files import json_text, write_text
from ...retrieval.duplicates.groups import DuplicateGroup
from ...retrieval.duplicates.match import DuplicateResult
from ...retrieval.duplicates.report import PAIR_COLUMNS, merge_plan, pair_row

ACCEPTED, REJECTED, OPEN = "accepted", "rejected", ""
MAX_UNDONE = 100
"""Answers, one by one or together, that can be taken back."""
KINDS = ("same_photo", "same_product", "variant")


@dataclass(frozen=True, slots=True)
class Case:
    """Listings side by side: one that stays, and those that may be it again, by pair's number.

    What is accepted of a group is merged; of other pairs (variants, equal photos under unrelated
    titles) the two stay apart in any case, and the keeper is just the first.
    """

    keeper: Listing
    pairs: tuple[tuple[int, Listing], ...]
    merges: bool


@dataclass
class DuplicateReview:
    """A result and the answers to it: pair's number -> `ACCEPTED` or `REJECTED`, unless it is open.

    Its `cases` are groups, then pairs that are in no group; a pair inside a group that leaves out
    its keeper needs no answer of its own.
    """

    result: DuplicateResult
    answers: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.cases = cases_of(self.result)
        self._asked = [number for case in self.cases for number, _ in case.pairs]
        self._before: deque[dict[int, str]] = deque(maxlen=MAX_UNDONE)

    def kind(self, number: int) -> str:
        return self.result.pairs[number].verdict

    def answer(self, numbers: Iterable[int], said: str) -> None:
        """Accept, reject or reopen pairs; a number that isn't asked about is passed over."""
        asked = set(numbers) & set(self._asked)
        if not asked:
            return
        self._before.append({number: self.answers.get(number, OPEN) for number in asked})
        self._put(dict.fromkeys(asked, said))

    def answer_rest(self, kind: str, said: str) -> None:
        """Accept or reject what is open of one kind; what has an answer keeps it."""
        rest = [n for n in self._asked if self.kind(n) == kind and n not in self.answers]
        self.answer(rest, said)

    @property
    def undoable(self) -> bool:
        """Whether there is an answer to take back."""
        return bool(self._before)

    def undo(self) -> None:
        """Take the last answer back, however many pairs it was given to."""
        if self._before:
            self._put(self._before.pop())

    def kept(self) -> dict[str, Any]:
        """Give the answers as JSON, with what `undo` takes back."""
        return {"answers": self.answers, "before": list(self._before)}

    def take_up(self, kept: Mapping[str, Any]) -> None:
        """Take the place of the answers that `kept` gave."""
        self.answers = _numbered(kept["answers"])
        self._before.extend(map(_numbered, kept["before"]))

    def _put(self, answers: Mapping[int, str]) -> None:
        for number, said in answers.items():
            if said in (ACCEPTED, REJECTED):
                self.answers[number] = said
            else:
                self.answers.pop(number, None)

    def counts(self) -> list[tuple[str, int, int, int]]:
        """For each kind that is there: how many pairs, how many accepted, how many rejected."""
        all_of = Counter(self.kind(number) for number in self._asked)
        said = Counter((self.kind(number), answer) for number, answer in self.answers.items())
        return [
            (kind, all_of[kind], said[kind, ACCEPTED], said[kind, REJECTED])
            for kind in KINDS
            if all_of[kind]
        ]

    def filtered(self, kind: str, *, only_open: bool) -> list[Case]:
        """Give the cases with a pair of this kind (any, if empty), and one without an answer."""
        return [
            case
            for case in self.cases
            if any(
                (not kind or self.kind(number) == kind)
                and not (only_open and number in self.answers)
                for number, _ in case.pairs
            )
        ]

    def accepted(self) -> DuplicateResult:
        """Give the result with the groups cut down to the members that were accepted."""
        chosen = {id(self.result.pairs[n]) for n, said in self.answers.items() if said == ACCEPTED}
        groups = []
        for group in self.result.groups:
            kept = [
                (member, pair)
                for member, pair in zip(group.members, group.pairs, strict=True)
                if id(pair) in chosen
            ]
            if kept:
                members, pairs = zip(*kept, strict=True)
                groups.append(DuplicateGroup(group.keeper, members, pairs))
        return replace(self.result, groups=groups)


def _numbered(answers: Mapping[str, str]) -> dict[int, str]:
    return {int(number): said for number, said in answers.items()}


def cases_of(result: DuplicateResult) -> list[Case]:
    """Arrange a result for people: groups, then the pairs that aren't within one."""
    number_of = {id(pair): number for number, pair in enumerate(result.pairs)}
    group_of: dict[str, int] = {}
    cases = []
    for place, group in enumerate(result.groups):
        group_of |= {item.listing_id: place for item in (group.keeper, *group.members)}
        numbers = [number_of[id(pair)] for pair in group.pairs]
        cases.append(Case(group.keeper, tuple(zip(numbers, group.members, strict=True)), True))
    for number, pair in enumerate(result.pairs):
        own = group_of.get(pair.a.listing_id, -1)
        if own < 0 or own != group_of.get(pair.b.listing_id):
            cases.append(Case(pair.a, ((number, pair.b),), False))
    return cases


def write_plan(review: DuplicateReview, folder: Path, root: Path | None) -> list[str]:
    """Write ``merge.json``, of accepted duplicates only, and ``pairs.csv``, of all with the answer.

    Photos in `root`, the upload's folder, are named relative to it, others by their file's name, so
    that no folder of this machine is told.
    """
    plan = merge_plan(review.accepted())
    for step in plan["steps"]:
        step["before"]["image"] = _told(step["before"]["image"], root)
    paths = [folder / "merge.json", folder / "pairs.csv"]
    write_text(paths[0], json_text(plan))
    rows = [
        (*pair_row(pair), review.answers.get(number, OPEN))
        for number, pair in enumerate(review.result.pairs)
    ]
    write_csv(paths[1], (*PAIR_COLUMNS, "answer"), rows)
    return [str(path) for path in paths]


def _told(image: str | None, root: Path | None) -> str | None:
    if image is None or root is None or not Path(image).is_relative_to(root):
        return image and Path(image).name
    return Path(image).relative_to(root).as_posix()
