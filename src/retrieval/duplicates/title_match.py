"""Which attributes do two titles disagree on: size, measure, colour, pack, model number?

Sellers list one stock photo many times, once a size or model. The photo can't tell those apart,
and a sentence embedding hardly can; a single token does.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from ...text.clean import clean_text
from .glued_words import unglued
from .title_vocabulary import COLOURS, SIZES, SPELLINGS
from .title_words import lacking_words, same_words, tells_variants_apart

Attributes: TypeAlias = Mapping[str, frozenset[str | float]]

NOTHING: frozenset[str | float] = frozenset()
MIN_WORD = 4  # letters: so many beside a number are a word, fewer a part of its code
MEASURE_TOLERANCE = 0.02  # 7 ft is sold as 213 cm, 1 inch as 2.5 cm
_UNITS: dict[str, tuple[str, float]] = {
    unit: (dimension, factor)
    for dimension, factor, units in (
        ("length (cm)", 0.1, "mm millimeter millimeters millimetre millimetres"),
        ("length (cm)", 1.0, "cm cms centimeter centimeters centimetre centimetres"),
        ("length (cm)", 100.0, "meter meters metre metres mtr mtrs"),
        ("length (cm)", 2.54, "in inch inches"),
        ("length (cm)", 30.48, "ft feet foot"),
        ("weight (g)", 0.001, "mg"),
        ("weight (g)", 1.0, "g gm gms gram grams"),
        ("weight (g)", 1000.0, "kg kgs kilogram kilograms"),
        ("weight (g)", 28.35, "oz ounce ounces"),
        ("weight (g)", 453.6, "lb lbs pound pounds"),
        ("volume (ml)", 1.0, "ml millilitre millilitres milliliter milliliters"),
        ("volume (ml)", 10.0, "cl"),
        ("volume (ml)", 1000.0, "l ltr ltrs litre litres liter liters"),
        ("power (W)", 1.0, "w watt watts"),
        ("power (W)", 1000.0, "kw"),
        ("voltage (V)", 1.0, "v volt volts"),
        ("current (A)", 1.0, "a amp amps"),
        ("charge (mAh)", 1.0, "mah"),
        ("charge (mAh)", 1000.0, "ah"),
        ("storage (GB)", 0.001, "mb"),
        ("storage (GB)", 1.0, "gb"),
        ("storage (GB)", 1000.0, "tb"),
        ("cells", 1.0, "cell cells"),
        ("fabric", 1.0, "tc gsm"),
        ("age (months)", 1.0, "month months"),
        ("age (months)", 12.0, "year years yrs"),
    )
    for unit in units.split()
}
_NUMBERS = {
    "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8,
    "nine": 9, "ten": 10, "twelve": 12,
}  # fmt: skip
_COUNT = rf"(\d+|{'|'.join(_NUMBERS)})"
_PACK = re.compile(
    rf"\b(?:packs?|sets?|combo|box|pairs?)[\s-]+of[\s-]+{_COUNT}\b|\b{_COUNT}[\s-]*"
    r"(?:packs?|pcs?|pieces?|units?|count|ct|pk)\b|(?<![\w.])(\d+)\s?x(?=\s+[^\W\d])"
    r"|(?<=[^\W\d])\s+x\s?(\d+)\b",
    re.IGNORECASE,
)
_CERTAIN = re.compile(r"\b100\s?%")  # "100 % original" names no property
_CROSS = re.compile(r"(?<=\d)\s*[x×*]\s*(?=\d)", re.IGNORECASE)
_NUMBER = r"\d+(?:[.,]\d+)*"
_TIMES = r"\s*[x×*]\s*"
_MEASURE = re.compile(  # "3 in 1" is no size
    rf"(?<![\w.])({_NUMBER}(?:{_TIMES}{_NUMBER})*)[\s-]*"
    rf"({'|'.join(sorted(_UNITS, key=len, reverse=True))}|\"|″|')(?!\w|\s+1\b)",
    re.IGNORECASE,
)
_LETTER_SIZE = re.compile(r"(?<![\w'’/&.-])([SML])(?![\w'’/&.-])")
_TOKEN = re.compile(r"[a-z0-9](?:[a-z0-9]|[-/.](?=[a-z0-9]))*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Difference:
    """One attribute that two listings disagree on; values as text, for people.

    `certain` if the catalogue has a column for it, rather than words in a title.
    """

    attribute: str
    a: str
    b: str
    certain: bool = False

    @property
    def source(self) -> str:
        """Where it is written."""
        return "the columns" if self.certain else "the titles"

    def __str__(self) -> str:
        return f"{self.attribute}: {self.a} / {self.b}"


class TitleComparison(NamedTuple):
    """What sets two titles apart, and the words that only one of them adds."""

    differences: tuple[Difference, ...]
    extra: tuple[str, ...]


def read_title(title: str | None) -> tuple[dict[str, frozenset[str | float]], str]:
    """Read the attributes that set variants of one product apart.

    Returns
    -------
    dict, str
        Attribute -> its values: measures in one unit a dimension (``"length (cm)"``), ``pack``
        (pieces), ``size``, ``colour``, ``model`` (tokens of letters and digits, and plain numbers).
        An attribute that the title doesn't name isn't there, but a pack is, as 1. And what is left
        of the title without measures and packs.

    Examples
    --------
    >>> read_title("Red Curtain 7 ft, pack of 2")[0]["pack"]
    frozenset({'2'})
    """
    text = _CROSS.sub("x", _CERTAIN.sub(" ", unglued(clean_text(title))))
    found: dict[str, set[str | float]] = {"pack": set()}

    def take(pattern: re.Pattern[str], read: Callable[[re.Match[str]], None]) -> None:
        """Read every match, and blank it out so that no later pattern reads it again."""
        nonlocal text

        def replacement(match: re.Match[str]) -> str:
            read(match)
            return " | "

        text = pattern.sub(replacement, text)

    def read_pack(match: re.Match[str]) -> None:
        count = next(group for group in match.groups() if group).lower()
        found["pack"].add(str(_NUMBERS.get(count) or int(count)))

    def read_measure(match: re.Match[str]) -> None:
        unit = {'"': "in", "″": "in", "'": "ft"}.get(match[2], match[2].lower())
        dimension, factor = _UNITS[unit]
        numbers = re.split(_TIMES, match[1], flags=re.IGNORECASE)
        found.setdefault(dimension, set()).update(_number(n) * factor for n in numbers)

    take(_MEASURE, read_measure)
    take(_PACK, read_pack)
    for size in _LETTER_SIZE.findall(text):
        found.setdefault("size", set()).add(size.lower())
    for token in _tokens(text):
        if (colour := SPELLINGS.get(token, token)) in COLOURS:
            found.setdefault("colour", set()).add(colour)
        elif token in SIZES:
            found.setdefault("size", set()).add(SIZES[token])
        elif any(c.isdigit() for c in token):
            found.setdefault("model", set()).add(token)
    found["pack"] = found["pack"] or {"1"}
    return {attribute: frozenset(values) for attribute, values in found.items()}, text


def _tokens(text: str) -> Iterator[str]:
    """Split a text, but for model numbers: ``Hoodie-XS-Black`` is three, ``dv5-1008ax`` is one."""
    for token in _TOKEN.findall(text.lower()):
        parts = re.split(r"[-/.]", token)
        if any(map(str.isdigit, token)):
            words = [part for part in parts if part.isalpha() and len(part) >= MIN_WORD]
            yield from words
            yield "".join(part for part in parts if part not in words)
        else:
            yield from parts


def differing_attributes(a: Attributes, b: Attributes) -> list[Difference]:
    """List what two titles' attributes disagree on; what only one names is no disagreement.

    Nor is it one if a title names all of the other's values and more: "blue" against "navy blue".
    """
    return [
        Difference(attribute, _text(a[attribute]), _text(b[attribute]))
        for attribute in sorted(a)
        if attribute in b
        and not _contains(a[attribute], b[attribute])
        and not _contains(b[attribute], a[attribute])
    ]


def compare_titles(a: str | None, b: str | None) -> TitleComparison:
    """Compare two titles; where one is missing, nothing speaks against the pair.

    >>> [str(d) for d in compare_titles("Printed mug Gemini", "Printed mug Aries").differences]
    ['words: gemini / aries']
    >>> compare_titles("Mug", "Mug - free shipping").differences
    ()
    """
    (seen_a, text_a), (seen_b, text_b) = read_title(a), read_title(b)
    if not text_a or not text_b or same_words(unglued(clean_text(a)), unglued(clean_text(b))):
        return TitleComparison((), ())
    lacking = lacking_words(text_a, text_b)
    differences = differing_attributes(seen_a, seen_b)
    named = {difference.attribute for difference in differences} | {"colour", "size"}
    differences += [  # a number that only one title names; colours and sizes are among the words
        Difference(name, _text(seen_a.get(name, NOTHING)), _text(seen_b.get(name, NOTHING)))
        for name in sorted((seen_a.keys() | seen_b.keys()) - named)
        if not _same_values(seen_a.get(name, NOTHING), seen_b.get(name, NOTHING))
    ]
    if not differences and (lacking.differ or any(map(tells_variants_apart, lacking.extra))):
        lacks_b, lacks_a = (" ".join(words) or "none" for words in lacking)
        differences = [Difference("words", lacks_b, lacks_a)]
    return TitleComparison(tuple(differences), lacking.extra)


def _same_values(a: frozenset[str | float], b: frozenset[str | float]) -> bool:
    return _contains(a, b) and _contains(b, a)


def _contains(values: frozenset[str | float], others: frozenset[str | float]) -> bool:
    return all(any(_same(value, other) for value in values) for other in others)


def _same(a: str | float, b: str | float) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        return abs(a - b) <= MEASURE_TOLERANCE * max(abs(a), abs(b))
    return a == b


def _number(text: str) -> float:
    """Read ``1,200`` as a thousand and more, ``2,5`` as two and a half."""
    if re.fullmatch(r"\d{1,3}(,\d{3})+(\.\d+)?", text):
        return float(text.replace(",", ""))
    whole, *parts = re.split(r"[.,]", text)
    return float(f"{whole}.{''.join(parts)}")


def _text(values: frozenset[str | float]) -> str:
    return ", ".join(sorted(f"{v:g}" if isinstance(v, float) else v for v in values)) or "none"
