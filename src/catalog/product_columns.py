"""Columns that tell variants apart: parent, size, colour, GTIN, part number, price."""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TypeAlias

from .values import RowError, as_text

ProductColumns: TypeAlias = Mapping[str, str]
"""Attribute -> its value as compared; what a listing doesn't have isn't there."""

PARENT = "parent"
_NAMES = {
    PARENT: "variantof parent parentid parentsku parentasin parentcode itemgroupid "
    "handle urlhandle handleid",
    "size": "size sizename apparelsize shoesize variantsize option1size",
    "colour": "color colour colorname colourname colormap basecolor basecolour variantcolor",
    "GTIN": "gtin gtin8 gtin12 gtin13 gtin14 ean ean13 upc isbn barcode variantbarcode",
    "MPN": "mpn partnumber manufacturerpartnumber mfrpartnumber",
    "price": "price variantprice regularprice retailprice sellingprice",
}
_ATTRIBUTES = {name: attribute for attribute, names in _NAMES.items() for name in names.split()}


def find_product_columns(columns: Iterable[str]) -> dict[str, str]:
    """Find those columns of a file: attribute -> column; of two for one the first counts."""
    known: dict[str, str] = {}
    for name in columns:
        attribute = _ATTRIBUTES.get(re.sub(r"[\W_]", "", name.casefold()))
        if attribute:
            known.setdefault(attribute, name)
    return known


def product_values(fields: Mapping[str, object], columns: Mapping[str, str]) -> ProductColumns:
    """Take the values of those columns from a row, as `find_product_columns` found them."""
    texts = {attribute: _said(fields.get(name)) for attribute, name in columns.items()}
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
