"""Columns that tell variants apart: parent, size, colour, GTIN, part number, price."""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TypeAlias

from .column_names import name_key
from .values import RowError, as_text

ProductColumns: TypeAlias = Mapping[str, str]
"""Attribute -> its value as compared; what a listing doesn't have isn't there."""

PARENT = "parent"
_NAMES = {
    PARENT: "variantof parent parentid parentsku parentasin parentcode itemgroupid "
    "handle urlhandle handleid",
    "size": "size sizename apparelsize shoesize variantsize option1size sizes sizemap "
    "große groesse grosse konfektionsgroße taille talla tamano tamanho taglia misura maat storlek "
    "サイズ 尺码 尺寸 规格 размер",
    "colour": "color colour colorname colourname colormap basecolor basecolour variantcolor "
    "colors colours farbe farben couleur cor colore kleur farg カラー 色 颜色 цвет",
    "GTIN": "gtin gtin8 gtin12 gtin13 gtin14 ean ean13 upc isbn barcode variantbarcode jan jancode",
    "MPN": "mpn partnumber manufacturerpartnumber mfrpartnumber herstellernummer",
    "price": "price variantprice regularprice retailprice sellingprice "
    "preis verkaufspreis prix precio prezzo preco prijs 価格 販売価格 价格 цена",
    "option 1": "option1value option1 attribute1values variation1 variationname1",
    "option 2": "option2value option2 attribute2values variation2 variationname2",
    "option 3": "option3value option3 attribute3values variation3 variationname3",
}
_ATTRIBUTES = {name: attribute for attribute, names in _NAMES.items() for name in names.split()}


def find_product_columns(columns: Iterable[str]) -> dict[str, str]:
    """Find those columns of a file: attribute -> column; of two for one the first counts."""
    known: dict[str, str] = {}
    for name in columns:
        attribute = _ATTRIBUTES.get(name_key(name))
        if attribute:
            known.setdefault(attribute, name)
    return known


def product_values(fields: Mapping[str, object], columns: Mapping[str, str]) -> ProductColumns:
    """Take the values of those columns from a row, as `find_product_columns` found them."""
    texts = {attribute: _said(fields.get(name)) for attribute, name in columns.items()}
    if texts.get(PARENT, "").startswith("id:"):  # as WooCommerce writes it
        texts[PARENT] = texts[PARENT][3:]
    return {attribute: text for attribute, text in texts.items() if text}


def _said(value: object) -> str:
    """Give a value as it is compared; what is no text says nothing."""
    if isinstance(value, str) and value.isprintable():
        return _compared(value)
    try:
        return _compared(as_text("column", value) or "")
    except RowError:
        return _compared(str(value)) if isinstance(value, int | float) else ""


@lru_cache(maxsize=65_536)  # a catalogue repeats its colours and sizes
def _compared(text: str) -> str:
    """Bring a text into the form that is compared: ``" Navy  Blue"``, ``12.50`` as one has it."""
    plain = " ".join(text.casefold().split())
    return re.sub(r"(?<=\d)\.0+$|(?<=\.\d)0$", "", plain)
