"""One raw value of a row becomes text, or a reason why it can't."""

import datetime as dt
import math
import re
from decimal import Decimal
from numbers import Integral
from pathlib import Path
from typing import Any
from uuid import UUID

from .raw_rows import Unreadable

PROSE = ("title", "description", "brand")
"""Fields that may hold line breaks and tabs."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_HALF = re.compile(r"[\ud800-\udfff]")


class RowError(ValueError):
    """A row can't be a listing; the message is the reason, its kind before the first colon."""


def as_text(name: str, value: object) -> str | None:
    """Take a raw value as text: whole numbers become their digits, blank becomes ``None``.

    What a table's type wraps is taken out: the one item of a list, the ``value`` of an object that
    says its language beside it, the text of bytes. Control characters stay in prose only, for
    `mended` to take out.

    Raises
    ------
    RowError
        If the value is no text, or holds what no text may.
    """
    text = value if isinstance(value, str) else _text_of(name, _unwrapped(value))
    if text is None or not text.strip():
        return None
    if text.isprintable():
        return text
    bad = _HALF.search(text) or (None if name in PROSE else _CONTROL.search(text))
    if bad:
        kind = "control character" if bad[0] <= "\x7f" else "broken character"
        raise RowError(f"{kind}: {name} holds U+{ord(bad[0]):04X} in {shown(text)}")
    return text


def is_missing(value: object) -> bool:
    """Say whether a value is one of a table's ways to say that there is none: None, NaN, NA."""
    if value is None:
        return True
    try:
        return bool(value != value)
    except TypeError:  # pandas.NA is neither equal nor unequal
        return True
    except ValueError:  # an array
        return False


def shown(value: object, limit: int = 80) -> str:
    """Quote a value for a message: escaped, and cut to `limit` characters."""
    text = repr(value[:limit] if isinstance(value, str | bytes) else value)
    return text if len(text) <= limit + 2 else text[:limit] + "…"


def _unwrapped(value: Any) -> Any:
    """Take the one value out of lists, arrays and objects that hold nothing else that matters."""
    for _ in range(4):
        if hasattr(value, "tolist") and not isinstance(value, memoryview):  # NumPy's
            value = value.tolist()
        if isinstance(value, list | tuple) and len(value) <= 1:
            value = value[0] if value else None
        elif isinstance(value, dict) and "value" in value:
            value = value["value"]
        else:
            break
    return value


def _text_of(name: str, value: Any) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, Unreadable):
        raise RowError(f"not readable: {name} can't be read ({value.reason})")
    if is_missing(value):
        return None
    text = _number(value)
    if isinstance(value, UUID | Path):
        text = str(value)
    if isinstance(value, dt.date | dt.time):
        text = value.isoformat()
    if isinstance(value, bytes | bytearray | memoryview):
        text = _decoded(bytes(value))
    if text is None:
        raise RowError(f"not text: {name} is {shown(value)} of type {type(value).__name__}")
    return text


def _number(value: object) -> str | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, Integral):
        return str(int(value))
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        return str(int(value))
    if isinstance(value, Decimal) and value.is_finite():
        text = f"{value:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return None


def _decoded(data: bytes) -> str | None:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None
