"""What every format's reader gives: column names, and rows of raw fields."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol


class Row(NamedTuple):
    """One data row: its wanted fields by column name, or why it can't be read.

    `is_blank` where no column has a value, wanted or not.
    """

    fields: dict[str, Any]
    defect: str | None = None
    is_blank: bool = False


class TableSource(Protocol):
    """An opened table: its columns are known, its rows are read when it is known which matter."""

    @property
    def columns(self) -> tuple[str, ...]:
        """All column names, in the file's order."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What was found out about the file that its owner should know."""
        ...

    @property
    def fraction_read(self) -> float:
        """How far `rows` is, 0 to 1."""
        ...

    def rows(self, wanted: Collection[str]) -> Iterator[Row]:
        """Read the data rows one after the other, with those of their fields that are wanted.

        Can be called again, and begins anew then.
        """
        ...


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A field that is there but can't be read, with the reason."""

    reason: str
