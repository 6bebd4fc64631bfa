"""Bring a title or description into the one form that encoders see."""

import html
import re
import unicodedata

_TAG = re.compile(r"<[a-zA-Z/][^<>]*>")
_SPACE = re.compile(r"\s+")


def clean_text(text: str | None) -> str:
    r"""Unescape HTML, drop tags, compose Unicode (NFKC), collapse white space.

    Letters, case, digits and emoji stay: encoders use them. The empty string means "nothing
    there". What the seller wrote is kept elsewhere; only encoders see this form.

    >>> clean_text("Cotton&nbsp;<b>Towel</b> \n ½ price")
    'Cotton Towel 1⁄2 price'
    """
    if not text:
        return ""
    plain = _TAG.sub(" ", html.unescape(text))
    visible = "".join(
        c if c.isspace() or unicodedata.category(c) not in {"Cc", "Cs"} else " " for c in plain
    )
    return _SPACE.sub(" ", unicodedata.normalize("NFKC", visible)).strip()
