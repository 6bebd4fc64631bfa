"""Text that was decoded wrongly somewhere on its way, brought back to what was written."""

import ast
import re

_BYTES = re.compile(r"b(['\"]).*\1", re.DOTALL)
_DOUBTFUL = re.compile(r"[^\x00-\x7f]{2}|[\x80-\x9fŒœÂÃ]")
"""What ftfy may find wrong has two characters beyond ASCII side by side, or one of these; to look
for that takes a tenth of its time."""
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]+")


def mend(text: str) -> str:
    r"""Undo UTF-8 that was read as another encoding, Python's own bytes, and control characters.

    Text that shows no sign of it comes back as it is.

    >>> mend("Menâ€™s"), mend(r"b'Caf\xc3\xa9'"), mend("mug\x00")
    ('Men’s', 'Café', 'mug')
    """
    if text[:2] in {"b'", 'b"'} and _BYTES.fullmatch(text):
        text = _from_bytes(text)
    if not text.isprintable() and _CONTROL.search(text):
        text = _CONTROL.sub(" ", text).strip()
    if text.isascii() or not _DOUBTFUL.search(text):
        return text
    import ftfy

    return ftfy.fix_encoding(text)


def _from_bytes(text: str) -> str:
    try:
        return str(ast.literal_eval(text).decode())
    except (ValueError, SyntaxError, AttributeError, MemoryError):
        return text
