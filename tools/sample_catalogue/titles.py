"""What sellers write: full titles, vague ones, typos, emoji, other scripts; and descriptions."""

from dataclasses import dataclass

import numpy as np

from .appearance import Appearance
from .categories import Category

_BRANDS = (
    "Norvik", "Aldane", "Pemberly", "Lumo", "Kestrel", "Oakfold", "Tavira", "Brightside",
    "Zennor", "Halden", "Moro", "Calder", "Ilves", "Quill & Co", "Sorrel", "Vantage",
)  # fmt: skip
_ADJECTIVES = ("classic", "premium", "modern", "handmade", "everyday", "vintage", "light", "large")
_TEMPLATES = (
    "{brand} {adjective} {colour} {noun} {pattern} {size}",
    "{adjective} {noun} by {brand}, {colour} {pattern}, {size}",
    "{noun} {colour} {pattern} ({brand}) {size}",
)
_SHORT = ("{colour} {noun}", "{adjective} {noun}", "{noun} {pattern} {colour}", "{brand} {noun}")
# Words that every sibling of a first-level category shares.
_SHARED = {
    "Kitchen": ("stoneware piece", "tableware", "glass", "kitchen set"),
    "Clothing": ("cotton piece", "outfit", "wardrobe basic", "summer set"),
    "Electronics": ("device", "wireless gadget", "refurbished unit", "dual SIM set"),
    "Home": ("home accent", "table decoration", "ceramic piece", "glass"),
}
_VAGUE = (
    "Gift set by {brand}, {colour}", "{brand}", "{brand} {colour}", "{brand} {number}",
    "New arrival! {colour}, {adjective}", "{adjective} gift, {colour} {pattern}",
    "{brand} {adjective} {colour} collection", "{colour} {pattern}, see photo",
)  # fmt: skip
_EMOJI = ("🎁", "✨", "🔥", "💙", "👍")
# Shares of the kinds of title; what is left gets a full one.
_VAGUE_SHARE, _SHARED_SHARE, _FOREIGN_SHARE, _SHORT_SHARE = 0.11, 0.09, 0.03, 0.22
_TYPO_SHARE = 0.22


@dataclass(frozen=True, slots=True)
class Wording:
    """The parts of one title; `template` says which of them are used, and where."""

    template: str
    brand: str
    adjective: str
    colour: str
    pattern: str
    noun: str
    size: str
    number: int
    pack: str = ""

    def title(self) -> str:
        """Fill the template in, without the gaps that empty parts leave."""
        fields = {name: getattr(self, name) for name in self.__slots__ if name != "template"}
        words = " ".join(self.template.format(**fields).split()).replace(" ,", ",")
        return f"{words}, {self.pack}" if self.pack else words


def draw_wording(
    rng: np.random.Generator, category: Category, look: Appearance, *, full: bool = False
) -> Wording:
    """Word a title; `full` asks for one that names the noun, the colour and the size."""
    first_level = category.path.split(" > ")[0]
    # Brands overlap between neighbouring first levels, so a brand is a hint and no more.
    start = 3 * list(_SHARED).index(first_level)
    brand = _BRANDS[(start + rng.integers(9)) % len(_BRANDS)]
    noun = str(rng.choice(category.nouns))
    options: tuple[str, ...] = _TEMPLATES
    kind = rng.random() + full
    for share, choice in (
        (_VAGUE_SHARE, "vague"), (_SHARED_SHARE, "shared"),
        (_FOREIGN_SHARE, "foreign"), (_SHORT_SHARE, "short"),
    ):  # fmt: skip
        kind -= share
        if kind < 0:
            if choice == "vague":
                options = _VAGUE
            elif choice == "shared":
                noun, options = str(rng.choice(_SHARED[first_level])), _SHORT
            elif choice == "foreign":
                noun = str(rng.choice(category.foreign))
            else:
                options = _SHORT
            break
    return Wording(
        template=options[rng.integers(len(options))],
        brand=brand,
        adjective=str(rng.choice(_ADJECTIVES)),
        colour=look.colour,
        pattern="" if look.pattern == "plain" else look.pattern,
        noun=noun,
        size=str(rng.choice(category.sizes)),
        number=int(rng.integers(1000, 9999)),
    )


def misspelt(rng: np.random.Generator, title: str) -> str:
    """Make one slip of the finger: two letters swapped, one left out, or one doubled."""
    places = [i for i in range(1, len(title) - 1) if title[i - 1 : i + 2].isalpha()]
    if not places:
        return title
    i = int(rng.choice(places))
    match rng.integers(3):
        case 0:
            return title[:i] + title[i + 1] + title[i] + title[i + 2 :]
        case 1:
            return title[:i] + title[i + 1 :]
        case _:
            return title[:i] + title[i] + title[i:]


def corrupt_text(rng: np.random.Generator, title: str) -> str:
    """Write a title as people do: some typos, some capitals, an emoji here and there."""
    while rng.random() < _TYPO_SHARE:
        title = misspelt(rng, title)
    chance = rng.random()
    if chance < 0.04:
        return title.upper()
    if chance < 0.08:
        return f"{rng.choice(_EMOJI)} {title}"
    if chance < 0.11:
        return f'"{title}"'
    return title[:1].upper() + title[1:] if chance < 0.6 else title


_SENTENCES = (
    "Brand new, in its original box.",
    "Ships within 2 days, returns within 30.",
    'Bought as a "gift", never used.',
    "Well made, sturdy, and easy to clean.",
    "Small marks on the back; see the photos.",
    "Colours may differ slightly, depending on your screen.",
    "Smoke-free home, no pets.",
    "Price is fixed, sorry.",
    "Last one in stock!",
)


def describe(rng: np.random.Generator, wording: Wording) -> str:
    """Write two or three sentences, some with quotes and line breaks; a third names the thing."""
    sentences = [str(text) for text in rng.choice(_SENTENCES, int(rng.integers(2, 4)), False)]
    if rng.random() < 0.35:
        sentences.insert(0, f"{wording.adjective.capitalize()} {wording.noun}, {wording.colour}.")
    return ("\n" if rng.random() < 0.2 else " ").join(sentences)
