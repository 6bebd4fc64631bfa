"""What sellers do to titles: mistype, leave out, reorder, mix languages, shout.

Each takes the title, a strength, the brand (or None) and a generator, and gives the new title.
"""

import re

import numpy as np

KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
FOREIGN = (
    "neu günstig für Damen und Herren mit Geschenk kostenloser Versand",
    "nuevo oferta para mujer y hombre con regalo envío gratis",
    "nouveau pas cher pour femme et homme avec cadeau livraison gratuite",
    "naya sasta mahilaon aur purushon ke liye muft upahaar",
)
"""What titles say in German, Spanish, French and romanised Hindi without naming a product."""


def typos(title: str, strength: float, _: str | None, rng: np.random.Generator) -> str:
    """Mistype one letter in `strength` of the words, 0 to 1: swapped, lost, doubled, or beside."""
    words = title.split()
    for place in _some(len(words), strength, rng):
        words[place] = _mistyped(words[place], rng)
    return " ".join(words)


def missing_brand(title: str, strength: float, brand: str | None, rng: np.random.Generator) -> str:
    """Leave the brand out (the first word, where none is known), and `strength` of the rest."""
    own = re.escape((brand or "").strip())
    named = re.compile(rf"(?<!\w){own}(?!\w)", re.IGNORECASE) if own else None
    words, known = title.split(), named is not None and named.search(title) is not None
    words = named.sub(" ", title).split() if named and known else words[1:]
    lost = set(_some(len(words), strength, rng))
    kept = [word for place, word in enumerate(words) if place not in lost]
    return " ".join(kept) or title


def word_order(title: str, strength: float, _: str | None, rng: np.random.Generator) -> str:
    """Let `strength` of the words, 0 to 1, change places with each other."""
    words = title.split()
    places = _some(len(words), strength, rng)
    moved = list(words)
    for to, source in zip(places, places[1:] + places[:1], strict=True):
        moved[to] = words[source]
    return " ".join(moved)


def other_language(title: str, strength: float, _: str | None, rng: np.random.Generator) -> str:
    """Add words of another language, `strength` times as many as there are."""
    words, foreign = title.split(), FOREIGN[rng.integers(len(FOREIGN))].split()
    start = int(rng.integers(len(foreign)))
    for number in range(max(1, round(strength * len(words)))):
        place = int(rng.integers(len(words) + 1))
        words.insert(place, foreign[(start + number) % len(foreign)])
    return " ".join(words)


def capitals(title: str, strength: float, _: str | None, rng: np.random.Generator) -> str:
    """Write `strength` of the words, 0 to 1, in capitals; the others in small letters."""
    words = title.lower().split()
    for place in _some(len(words), strength, rng):
        words[place] = words[place].upper()
    return " ".join(words)


def _some(n: int, share: float, rng: np.random.Generator) -> list[int]:
    """Choose a share of n places, at least one; a larger share has those of a smaller one."""
    order: list[int] = rng.permutation(n).tolist()
    return order[: max(1, round(share * n))] if share > 0 else []


def _mistyped(word: str, rng: np.random.Generator) -> str:
    place, kind = int(rng.integers(len(word))), int(rng.integers(4))
    before, letter, after = word[:place], word[place], word[place + 1 :]
    if kind == 0 and after:
        return before + after[0] + letter + after[1:]
    if kind == 1 and len(word) > 1:
        return before + after
    row = next((row for row in KEYS if letter.lower() in row), None)
    if kind == 2 and row:
        beside = row.index(letter.lower()) + (1 if letter.lower() != row[-1] else -1)
        return before + row[beside] + after
    return before + letter * 2 + after
