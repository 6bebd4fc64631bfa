"""A text file's lines by their numbers, read when they are asked for: any size, little memory."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import overload

import numpy as np

from ..core.arrays import Ints
from .text_files import BLOCK_BYTES, TextSource, open_text

ROW_LINE = re.compile(r"[^\r\n]*(?:\r\n?|\n)|[^\r\n]+")
"""A line that CR, LF or both end, and nothing else does."""
JSON_LINE = re.compile(r"[^\n]*\n|[^\n]+")
"""A line that LF ends: a JSON string may hold what else ends lines."""
_BLOCK_LINES = 2048
_KEPT_BLOCKS = 3  # where reading begins anew after a stray quote, it steps back
_LF, _CR = 10, 13


class FileLines(Sequence[str]):
    """The lines of a text file, with their ends.

    Parameters
    ----------
    line
        What a line is: `ROW_LINE` or `JSON_LINE`.

    Raises
    ------
    CatalogError
        As for `open_text`.
    """

    def __init__(
        self, path: Path, encoding: str | None = None, line: re.Pattern[str] = ROW_LINE
    ) -> None:
        self._source = open_text(path, encoding)
        self._line = line
        self._starts = _line_starts(self._source, returns=line is ROW_LINE)
        self._blocks: dict[int, list[str]] = {}

    def __len__(self) -> int:
        return len(self._starts) - 1

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> list[str]: ...
    def __getitem__(self, place: int | slice) -> str | list[str]:
        if isinstance(place, slice):
            return [self[n] for n in range(*place.indices(len(self)))]
        number, row = divmod(place, _BLOCK_LINES)
        block = self._blocks.get(number)
        return (self._load(number) if block is None else block)[row]

    def __iter__(self) -> Iterator[str]:
        return (self[n] for n in range(len(self)))

    def _load(self, number: int) -> list[str]:
        first = number * _BLOCK_LINES
        last = min(first + _BLOCK_LINES, len(self))
        if not 0 <= first < last:
            raise IndexError(f"there are {len(self)} lines, but line {first} (from 0) is asked for")
        data = self._source.read(int(self._starts[first]), int(self._starts[last]))
        lines = self._line.findall(data.decode("utf-8", self._source.errors))
        while len(self._blocks) >= _KEPT_BLOCKS:
            del self._blocks[next(iter(self._blocks))]
        self._blocks[number] = lines
        return lines


def _line_starts(source: TextSource, *, returns: bool) -> Ints:
    """Find where each line begins, and where the last one ends: shape ``(n_lines + 1,)``.

    `returns`: a carriage return ends a line, too.
    """
    found = [np.array([source.start])]
    for start, block in source.blocks(beyond=1):
        own = np.frombuffer(block, np.uint8)
        after = own[1:] if len(block) > BLOCK_BYTES else np.append(own[1:], 0)
        own = own[: len(after)]
        ends = own == _LF
        if returns:
            ends |= (own == _CR) & (after != _LF)
        found.append(start + 1 + np.flatnonzero(ends))
    starts = np.concatenate(found)
    return starts if starts[-1] == source.end else np.append(starts, source.end)
