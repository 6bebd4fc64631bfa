"""Words that a title joins without a space, and signs that stand for words, taken apart.

``HoodieXSBlack`` and ``HoodieXLBlack`` are one letter apart, as a misspelt word is, and ``S21+``
reads as ``S21`` where only letters and digits count.
"""

import re

from .title_vocabulary import COLOURS, SIZES

UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff"
)
"""Scripts that put no spaces between words, or parts of them: Thai, Lao, Burmese, Khmer, Japanese,
Chinese, Korean."""
_SCRIPTS_MEET = re.compile(rf"(?<=[{UNSPACED}])(?=[a-z0-9])|(?<=[a-z0-9])(?=[{UNSPACED}])", re.I)
_CASES_MEET = re.compile(r"(?<=[a-zß-öø-ÿ])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_GLUED = re.compile(r"[^\W\d_]+")
_PLUS = re.compile(r"(?<=[^\W\d])(\d*)\+(?!\w)")
_SIGNS = {"♂": " male ", "♀": " female ", "C++": "C plus plus"}


def unglued(title: str) -> str:
    """Take joined words apart where one of them is a size or colour, and where scripts meet.

    >>> unglued("HoodieXSBlack"), unglued("iPhone AirMax"), unglued("Galaxy S21+")
    ('Hoodie XS Black', 'iPhone AirMax', 'Galaxy S21 plus')
    """
    for sign, words in _SIGNS.items():
        title = title.replace(sign, words)
    return _GLUED.sub(_apart, _PLUS.sub(r"\1 plus", _SCRIPTS_MEET.sub(" ", title)))


def _apart(match: re.Match[str]) -> str:
    parts = _CASES_MEET.sub(" ", match[0]).split(" ")
    told = any(part.casefold() in COLOURS or part.casefold() in SIZES for part in parts)
    return " ".join(parts) if told else match[0]
