"""Bring a title or description into the one form that encoders see."""

import re
import unicodedata

from ..core.mojibake import mend
from .markup import visible_text

_SPACE = re.compile(r"\s+")


def clean_text(text: str | None) -> str:
    r"""Mend wrong decoding, keep what HTML shows, compose Unicode (NFKC), collapse white space.

    Letters, case, digits and emoji stay: encoders use them. The empty string means "nothing
    there". What the seller wrote is kept elsewhere; only encoders see this form.

    >>> clean_text("Cotton&nbsp;<b>Towel</b> \n ½ price")
    'Cotton Towel 1⁄2 price'
    """
    if not text:
        return ""
    plain = _printable(visible_text(_printable(mend(text))))
    return _SPACE.sub(" ", unicodedata.normalize("NFKC", plain)).strip()


def _printable(text: str) -> str:
    """Put a space for each control character and half a surrogate pair."""
    if text.isprintable():
        return text
    return "".join(
        c if c.isspace() or unicodedata.category(c) not in {"Cc", "Cs"} else " " for c in text
    )
