"""The sample's twelve categories: how each is drawn and called."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from .appearance import Appearance
from .clocks import draw_clock
from .clothing import draw_dress, draw_socks, draw_t_shirt
from .headphones import draw_headphones
from .kitchen import draw_bottle, draw_mug, draw_plate
from .lamps import draw_lamp
from .screens import draw_laptop, draw_phone
from .vases import draw_vase


@dataclass(frozen=True, slots=True)
class Category:
    """One leaf of the tree.

    Parameters
    ----------
    path
        ``"Kitchen > Mugs"``.
    draw
        Draws one product, RGBA.
    nouns
        What sellers call it; some words belong to a sibling too.
    sizes
        What a variant may differ in.
    foreign
        The noun in other languages and scripts.
    standing
        Photographed standing before a wall, not lying.
    """

    path: str
    draw: Callable[[np.random.Generator, Appearance], Image.Image]
    nouns: tuple[str, ...]
    sizes: tuple[str, ...]
    foreign: tuple[str, ...]
    standing: bool = True


_ML = ("250 ml", "330 ml", "500 ml", "750 ml")
_CM = ("18 cm", "22 cm", "26 cm", "30 cm")
_WEAR = ("size S", "size M", "size L", "size XL")
_GB = ("64 GB", "128 GB", "256 GB", "512 GB")

CATEGORIES: tuple[Category, ...] = (
    Category("Kitchen > Mugs", draw_mug,
             ("mug", "coffee mug", "tea cup", "cup", "travel tumbler"), _ML,
             ("кружка", "マグカップ", "taza")),
    Category("Kitchen > Bottles", draw_bottle,
             ("bottle", "water bottle", "carafe", "glass flask", "tumbler bottle"), _ML,
             ("бутылка", "ボトル", "botella")),
    Category("Kitchen > Plates", draw_plate,
             ("plate", "dinner plate", "side dish", "serving platter", "saucer"), _CM,
             ("тарелка", "プレート", "plato"), standing=False),
    Category("Clothing > T-Shirts", draw_t_shirt,
             ("t-shirt", "tee", "shirt", "crew neck top", "polo"), _WEAR,
             ("футболка", "Tシャツ", "camiseta"), standing=False),
    Category("Clothing > Dresses", draw_dress,
             ("dress", "summer dress", "gown", "shirt dress", "tunic"), _WEAR,
             ("платье", "ワンピース", "vestido"), standing=False),
    Category("Clothing > Socks", draw_socks,
             ("socks", "ankle socks", "crew socks", "hosiery", "knee-highs"), _WEAR,
             ("носки", "靴下", "calcetines"), standing=False),
    Category("Electronics > Phones", draw_phone,
             ("phone", "smartphone", "mobile", "handset", "dual SIM phone"), _GB,
             ("смартфон", "スマホ", "teléfono"), standing=False),
    Category("Electronics > Laptops", draw_laptop,
             ("laptop", "notebook", "ultrabook", "notebook computer", "convertible"), _GB,
             ("ноутбук", "ノートパソコン", "portátil")),
    Category("Electronics > Headphones", draw_headphones,
             ("headphones", "headset", "earphones", "earbuds", "over-ear set"),
             ("with case", "with cable", "with mic", "20 h battery"),
             ("наушники", "ヘッドホン", "auriculares")),
    Category("Home > Lamps", draw_lamp,
             ("lamp", "table lamp", "desk light", "bedside lamp", "lampshade"), _CM,
             ("лампа", "ランプ", "lámpara")),
    Category("Home > Clocks", draw_clock,
             ("clock", "wall clock", "alarm clock", "desk clock", "timepiece"), _CM,
             ("часы", "時計", "reloj"), standing=False),
    Category("Home > Vases", draw_vase,
             ("vase", "flower vase", "glass vase", "table vase", "bud holder"), _CM,
             ("ваза", "花瓶", "jarrón")),
)  # fmt: skip
