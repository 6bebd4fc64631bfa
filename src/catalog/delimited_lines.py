"""Lines of delimited text, each taken alone: its fields, and whether it may be a row."""

import re
from collections.abc import Sequence
from functools import cache

TAB = "\t"


def split_line(line: str, delimiter: str) -> list[str]:
    """Split one line, in which a quote quotes only if it is closed at its field's end."""
    fields, position, line = [], 0, line.rstrip("\r\n")
    if '"' not in line:
        return line.split(delimiter)
    pattern = _field(delimiter)
    while True:
        found = pattern.match(line, position)
        assert found is not None  # noqa: S101 - its second half matches anything
        inside, plain = found.groups()
        fields.append(plain if inside is None else inside.replace('""', '"'))
        position = found.end() + 1
        if position > len(line):
            return fields


@cache
def _field(delimiter: str) -> re.Pattern[str]:
    """Match one field, quoted or as it is."""
    sep = re.escape(delimiter)
    return re.compile(rf'"([^"]*(?:""[^"]*)*)"(?={sep}|$)|([^{sep}]*)')


def are_rows(lines: Sequence[str], delimiter: str, n_fields: int) -> bool:
    """Say whether the lines of one record are rows rather, which two stray quotes made one of.

    The first and the last line must be rows when taken alone, and of those between at least half,
    so that a long description in which one line has as many commas isn't cut. And the quotes must
    be stray: each beside a word, the closing one in another column than the first.
    """
    if len(lines) < 2:
        return False
    first, last = split_line(lines[0], delimiter), split_line(lines[-1], delimiter)
    opens = any(field[:1] == '"' and field.strip('" ') for field in first)
    closes = any(field[-1:] == '"' and field.strip('" ') for field in last[1:])
    if not (opens and closes and len(first) == n_fields and first[0].strip()):
        return False
    alike = [_is_row(line, delimiter, first) for line in lines[1:]]
    return alike[-1] and 2 * sum(alike[:-1]) >= len(alike) - 1


def holds_row(lines: Sequence[str], delimiter: str, n_fields: int) -> bool:
    """Say whether any line after the first may be a row of its own."""
    first = split_line(lines[0], delimiter)
    like = (first + [""] * n_fields)[:n_fields]
    return any(_is_row(line, delimiter, like) for line in lines[1:])


def _is_row(line: str, delimiter: str, like: Sequence[str]) -> bool:
    """Say whether a line may be a row as another one is.

    It has as many fields, separators that no space follows, as in prose, and a digit in its first
    field where the other one has, as ids do.
    """
    fields = split_line(line, delimiter)
    if len(like) < 2 or len(fields) != len(like) or not fields[0].strip():
        return False
    if any(letter.isdigit() for letter in like[0]) > any(c.isdigit() for c in fields[0]):
        return False
    return delimiter == TAB or not any(field.startswith(" ") for field in fields[1:])
