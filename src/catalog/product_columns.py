"""Columns that tell variants apart: parent, size, colour, GTIN, part number, price."""

import re
from collections.abc import Mapping
from typing import TypeAlias

from .catalog import Catalog
from .rows import RowError, as_text
from .tables import read_table

ProductColumns: TypeAlias = Mapping[str, str]
"""Attribute -> its value as compared; what a listing doesn't have isn't there."""

PARENT = "parent"
_NAMES = {
    PARENT: "variantof parent parentid parentsku parentasin parentcode itemgroupid handle",
    "size": "size sizename apparelsize shoesize variantsize option1size",
    "colour": "color colour colorname colourname colormap basecolor basecolour variantcolor",
    "GTIN": "gtin gtin8 gtin12 gtin13 gtin14 ean ean13 upc isbn barcode variantbarcode",
    "MPN": "mpn partnumber manufacturerpartnumber mfrpartnumber",
    "price": "price variantprice regularprice retailprice sellingprice",
}
_ATTRIBUTES = {name: attribute for attribute, names in _NAMES.items() for name in names.split()}


def read_product_columns(catalog: Catalog) -> list[ProductColumns]:
    """Read those columns of a catalogue's file, for each of its listings.

    A catalogue made in memory has none. Of two columns for one attribute the first counts.

    Raises
    ------
    CatalogError
        If the file has gone.
    """
    nothing: list[ProductColumns] = [{} for _ in catalog.listings]
    if catalog.source is None:
        return nothing
    columns = read_table(catalog.source, ()).columns
    known: dict[str, str] = {}
    for name in columns:
        attribute = _ATTRIBUTES.get(re.sub(r"[\W_]", "", name.casefold()))
        if attribute and attribute not in known:
            known[attribute] = name
    if not known:
        return nothing
    rows = read_table(catalog.source, set(known.values())).rows
    found: list[ProductColumns] = []
    for number in catalog.rows:
        fields = rows[number - 1].fields
        texts = {attribute: _compared(fields.get(name)) for attribute, name in known.items()}
        found.append({attribute: text for attribute, text in texts.items() if text})
    return found


def _compared(value: object) -> str | None:
    """Bring a value into the form that is compared: ``" Navy  Blue"`` and ``12.50`` as one has it.

    What is no text says nothing.
    """
    try:
        text = as_text("column", value)
    except RowError:
        text = str(value) if isinstance(value, int | float) else None
    text = " ".join((text or "").casefold().split())
    return re.sub(r"(?<=\d)\.0+$|(?<=\.\d)0$", "", text) or None
