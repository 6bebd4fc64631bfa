"""What each word of a text does for an answer: leave it out, and see how the answer moves."""

import math
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from ..core.arrays import Floats
from .clean import clean_text

Span: TypeAlias = tuple[int, int]
"""Where a stretch of text starts and ends."""
MAX_PIECES = 32
_JOINERS = "-'’._&+\u200c\u200d"
"""Inside a word these belong to it: T-shirt, men's, 3.5mm, M&M."""
_WITHOUT_SPACES = ("CJK ", "HIRAGANA ", "KATAKANA ", "THAI ", "LAO ", "KHMER ", "MYANMAR ")


@dataclass(frozen=True, slots=True)
class Word:
    """A word where it stands, and what it does for the category; in a long text, several in a row.

    Parameters
    ----------
    text
        As it stands in `WordContributions.text`, from `start` to before `end`.
    nats
        By how much the category's log-odds are higher with the word than without it; positive
        speaks for the category.
    """

    text: str
    start: int
    end: int
    nats: float


@dataclass(frozen=True, slots=True)
class WordContributions:
    """A text as the encoders read it (see `clean_text`), and all of its words, in order.

    What lies between them is spaces and punctuation.
    """

    text: str
    words: tuple[Word, ...]


def word_contributions(
    text: str | None, log_odds: Callable[[Sequence[str]], Floats], *, max_pieces: int = MAX_PIECES
) -> WordContributions:
    """Leave out each word in turn and measure how the category's log-odds change.

    Works for any model, sees what words do together with the rest, and costs one answer a word.
    Of two words that say the same, either can be spared, so both get little.

    Parameters
    ----------
    text
        As written; None or empty gives no words.
    log_odds
        Texts -> the category's log-odds in nats, shape ``(n,)``; asked once. The empty text stands
        for a listing without one.
    max_pieces
        A text of more words is left out in runs of several, so that nothing stays untried.
    """
    cleaned = clean_text(text)
    pieces = word_pieces(cleaned, max_pieces)
    if not pieces:
        return WordContributions(cleaned, ())
    answers = log_odds([cleaned, *(without(cleaned, [piece]) for piece in pieces)])
    return with_nats(cleaned, pieces, np.asarray(answers[0] - answers[1:]))


def with_nats(text: str, pieces: Sequence[Span], nats: Floats) -> WordContributions:
    """Put words and their nats, shape ``(n_pieces,)``, together."""
    words = (
        Word(text[start:end], start, end, float(value))
        for (start, end), value in zip(pieces, nats, strict=True)
    )
    return WordContributions(text, tuple(words))


def word_pieces(text: str, max_pieces: int) -> list[Span]:
    """Find words, or, in a text of more than `max_pieces`, runs of as many as it takes.

    >>> word_pieces("a red, red car", 2)
    [(0, 5), (7, 14)]
    """
    spans = word_spans(text)
    run = math.ceil(len(spans) / max_pieces)
    return [
        (spans[first][0], spans[min(first + run, len(spans)) - 1][1])
        for first in range(0, len(spans), max(1, run))
    ]


def without(text: str, stretches: Sequence[Span]) -> str:
    """Cut stretches out, given in order; what is left without a word becomes the empty text."""
    for start, end in reversed(stretches):
        text = f"{text[:start]} {text[end:]}"
    rest = " ".join(text.split())
    return rest if word_spans(rest) else ""


def word_spans(text: str) -> list[Span]:
    """Find where words start and end, in any script.

    A word is a run of letters, digits, marks and pictures such as emoji. Scripts that put no spaces
    between words (Chinese, Thai) are cut letter by letter.

    >>> word_spans("Men's T-shirt, (red)")
    [(0, 5), (6, 13), (16, 19)]
    """
    spans: list[Span] = []
    for place, letter in enumerate(text):
        if not (_is_letter(letter) or _joins(text, place)):
            continue
        goes_on = bool(spans) and spans[-1][1] == place
        alone = _stands_alone(letter) or (goes_on and _stands_alone(text[place - 1]))
        if goes_on and (unicodedata.category(letter)[0] == "M" or not alone):
            spans[-1] = (spans[-1][0], place + 1)
        else:
            spans.append((place, place + 1))
    return spans


def _is_letter(letter: str) -> bool:
    """Tell whether it is a letter, digit, mark or picture."""
    kind = unicodedata.category(letter)
    return kind[0] in "LNM" or kind == "So"


def _joins(text: str, place: int) -> bool:
    """Tell whether it holds together what stands on both sides."""
    sides = text[place - 1 : place] + text[place + 1 : place + 2]
    return text[place] in _JOINERS and len(sides) == 2 and all(map(_is_letter, sides))


def _stands_alone(letter: str) -> bool:
    return letter > "\u0dff" and unicodedata.name(letter, "").startswith(_WITHOUT_SPACES)
