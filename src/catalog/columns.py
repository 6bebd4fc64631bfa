"""Which column of a file holds which field, and what to say where one is missing."""

import difflib
import re
from collections import Counter
from collections.abc import Mapping, Sequence

from .rows import FIELDS

_ALIASES = {
    "listing_id": ("id", "sku", "asin", "uniqid", "itemid", "productid", "listing"),
    "title": ("name", "productname", "producttitle", "itemname", "headline"),
    "description": ("desc", "text", "body", "productdescription"),
    "brand": ("manufacturer", "maker"),
    "category": ("label", "class", "categorypath", "productcategorytree", "producttype"),
    "group": ("seller", "shop", "store", "vendor", "merchant", "photographer", "batch"),
    "image": ("photo", "picture", "img", "file", "filename", "imagepath", "photopath"),
}


def match_columns(
    found: Sequence[str], columns: Mapping[str, str], *, need_category: bool
) -> tuple[dict[str, str], list[str]]:
    """Match the fields of a listing to a file's columns.

    Parameters
    ----------
    found
        The file's column names.
    columns
        Field name -> column name, where they differ.
    need_category
        Whether the category must have a column.

    Returns
    -------
    dict of str to str
        Field -> column, for every field that the file has.
    list of str
        What is wrong, one sentence or more each; empty where nothing is.
    """
    problems = [
        f"column `{name}` must appear once, but appears {count} times. Rename or drop the others."
        for name, count in Counter(found).items()
        if name and count > 1
    ]
    for field, name in columns.items():
        if name not in found:
            problems.append(
                f"column `{name}`, named by {option(field)}, is missing. {_found(found)}"
            )
    matched = {field: columns.get(field, field) for field in FIELDS}
    matched = {field: name for field, name in matched.items() if name in found}

    absent = [field for field in FIELDS if field not in matched and field not in columns]
    problems += [
        f"column `{field}` is missing. {_found(found)} "
        f"Rename it, or pass {option(field)} {suggest(field, found)}."
        for field in absent
        if field == "listing_id" or (field == "category" and need_category)
    ]
    if "image" in absent and "title" in absent:
        problems.append(
            f"column `image` is missing, and `title` too: one of them must be there. "
            f"{_found(found)} Rename it, or pass {option('image')} {suggest('image', found)} "
            f"or {option('title')} {suggest('title', found)}."
        )
    return matched, problems


def option(field: str) -> str:
    """Name the command-line option that says which column holds `field`."""
    return f"--{field.replace('_', '-')}-column"


def suggest(field: str, found: Sequence[str]) -> str:
    """Pick the column that most likely holds `field`; ``NAME`` where none is plausible."""
    by_key = {re.sub(r"[\W_]", "", name.casefold()): name for name in found}
    candidates = (field.replace("_", ""), *_ALIASES[field])
    close = [difflib.get_close_matches(name, by_key, n=1, cutoff=0.75) for name in candidates]
    keys = [name for name in candidates if name in by_key] + [key for keys in close for key in keys]
    return by_key[keys[0]] if keys else "NAME"


def _found(found: Sequence[str]) -> str:
    text = f"Found: {', '.join(found) or 'none'}."
    if len(found) == 1 and any(mark in found[0] for mark in ";\t|,"):
        text += " That looks like another separator: use `,` in a .csv and tabs in a .tsv."
    return text
