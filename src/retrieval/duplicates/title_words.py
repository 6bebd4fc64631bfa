"""Which words has a title that another lacks? Misspelt, joined and reordered words are the same.

The rule of precision: two listings whose titles each have a word that the other lacks are at best
variants. A list of colours, sizes and signs of the zodiac never ends; this needs none.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from ...text.clean import clean_text
from .glued_words import UNSPACED, unglued
from .title_vocabulary import APART, COLOURS, FILLER, IDLE, LINKING, SIZES, SPELLINGS, TELLING

MIN_MISSPELT = 5  # letters: in shorter words one letter easily makes another word (wine, vine)
TWO_ERRORS_FROM = 9
_WORD = re.compile(r"[^\W_]+")
_ROMAN = re.compile(r"[ivxlc]+")
_VOWEL = re.compile(r"[aeiouyäöüéèáíóú]")
_UNSPACED = re.compile(f"[{UNSPACED}]")
_GENITIVE = re.compile(r"['’´`]s?\b")


class LackingWords(NamedTuple):
    """What each of two titles says and the other doesn't, filler left out; in order."""

    a: tuple[str, ...]
    b: tuple[str, ...]

    @property
    def differ(self) -> bool:
        """Whether each has a word that the other lacks."""
        return bool(self.a and self.b)

    @property
    def extra(self) -> tuple[str, ...]:
        """Words that one title adds, where only one does."""
        return () if self.differ else self.a + self.b

    def __str__(self) -> str:
        return " / ".join(" ".join(words) or "none" for words in self)


def content_words(title: str | None) -> list[str]:
    """Split a title into its words, in lower case: glued ones too, linking words left out.

    Words with digits are left out, too: `title_match` compares them as attributes.

    >>> content_words("Trail Hoodie-XS-Black for men")
    ['trail', 'hoodie', 'xs', 'black', 'men']
    """
    words = _WORD.findall(_GENITIVE.sub("", unglued(clean_text(title))).casefold())
    words = [SIZES.get(word, _spelled(word)) for word in words]
    return [w for w in words if w in SIZES or not (w in LINKING or any(map(str.isdigit, w)))]


def same_words(a: str, b: str) -> bool:
    """Tell whether two titles have the same words and numbers, in whatever order; filler aside."""
    bags = [sorted(w for w in _WORD.findall(text.casefold()) if w not in IDLE) for text in (a, b)]
    return bags[0] == bags[1]


def tells_variants_apart(word: str) -> bool:
    """Tell whether a word that only one of two titles has names a property, not just more of it.

    >>> [tells_variants_apart(word) for word in ("blue", "left", "xr", "coffee")]
    [True, True, True, False]
    """
    return len(word) <= 2 or word in TELLING or word in COLOURS or word in SIZES


def lacking_words(a: str | None, b: str | None) -> LackingWords:
    """Find the words of each title that the other lacks, however they are spelt there.

    >>> print(lacking_words("Cotton Tee Wine", "Coton tee, Mustard - free shipping"))
    wine / mustard
    >>> lacking_words("Printed mug Gemini", "new Gemini-mugs, printed").extra
    ()
    """
    words = content_words(a), content_words(b)
    lacking = _unmatched(*words), _unmatched(*words[::-1])
    # a typo is looked for only among what the other title has no match for either
    rest_a, rest_b = list(lacking[0]), list(lacking[1])
    for word in lacking[0]:
        misspelt = next((other for other in rest_b if same_word(word, other)), None)
        if misspelt is not None:
            rest_a.remove(word)
            rest_b.remove(misspelt)
    return LackingWords(_without_filler(rest_a), _without_filler(rest_b))


def same_word(a: str, b: str) -> bool:
    """Tell whether one word is the other misspelt, or its plural.

    Numbers are never misspelt; nor are short words, but for letters after the first.

    >>> same_word("curtain", "curtian"), same_word("wine", "vine"), same_word("mens", "womens")
    (True, False, False)
    """
    if a == b:
        return True
    if not (a.isalpha() and b.isalpha()) or {a, b} in APART:
        return False
    if _UNSPACED.search(a + b):  # there a character is a word, or nearly
        return False
    if {a, b} <= COLOURS or {a, b} <= SIZES.keys():
        return False
    shorter, longer = sorted((a, b), key=len)
    if len(shorter) >= 3 and longer in (f"{shorter}s", f"{shorter}es"):
        return True
    if len(a) == len(b) and len(a) >= 3 and _swapped(a, b):
        return True
    if _ROMAN.fullmatch(a) and _ROMAN.fullmatch(b):
        return False
    if len(longer) < MIN_MISSPELT:
        spelt_as_words = a[0] == b[0] and _VOWEL.search(a) and _VOWEL.search(b)
        long_enough = len(shorter) >= 3 and len(longer) == 4
        return long_enough and bool(spelt_as_words) and edit_distance(a, b, 1) <= 1
    allowed = 2 if len(longer) >= TWO_ERRORS_FROM and a[0] == b[0] else 1
    return edit_distance(a, b, allowed) <= allowed


def edit_distance(a: str, b: str, at_most: int) -> int:
    """Count the letters to insert, drop, change or swap with their neighbour to get from a to b.

    Beyond `at_most` any larger number may come back.
    """
    if abs(len(a) - len(b)) > at_most:
        return at_most + 1
    older: list[int] = []
    last = list(range(len(b) + 1))
    for i, x in enumerate(a, start=1):
        row = [i]
        for j, y in enumerate(b, start=1):
            row.append(min(last[j] + 1, row[-1] + 1, last[j - 1] + (x != y)))
            if i > 1 and j > 1 and (x, a[i - 2]) == (b[j - 2], y):
                row[-1] = min(row[-1], older[j - 2] + 1)
        if min(row) > at_most:
            return at_most + 1
        older, last = last, row
    return last[-1]


def _swapped(a: str, b: str) -> bool:
    places = [place for place, (x, y) in enumerate(zip(a, b, strict=True)) if x != y]
    if len(places) != 2 or places[1] != places[0] + 1:
        return False
    first, second = places
    return a[first] == b[second] and a[second] == b[first]


def _unmatched(own: list[str], theirs: list[str]) -> list[str]:
    """Give the words that the other title lacks, also as parts of a joined word."""
    joined = _joined(theirs)
    # "tshirt" is found in "t shirt", and "t shirt" in "tshirt"
    covered: set[int] = set()
    for start in range(len(own)):
        for end in range(start + 2, min(start + 4, len(own)) + 1):
            if _spelled("".join(own[start:end])) in theirs:
                covered.update(range(start, end))
    return [
        word
        for place, word in enumerate(own)
        if place not in covered and word not in theirs and word not in joined
    ]


def _joined(words: list[str]) -> set[str]:
    return {
        _spelled("".join(words[start:end]))
        for start in range(len(words))
        for end in range(start + 2, min(start + 4, len(words)) + 1)
    }


def _without_filler(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word for word in words if word not in FILLER))


def _spelled(word: str) -> str:
    return SPELLINGS.get(word, word)
