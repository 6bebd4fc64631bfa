"""Rows that go on with the listing of the row before: its further photos, and its variants.

Shopify's export has one row for a product, and one more for each further photo and each variant:
the handle again, no title. Such rows are joined to their listing; where variants have ids of their
own, each is a listing that has from the product what its row leaves out.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .column_names import name_key
from .columns import ColumnMatch
from .listing import MAX_PHOTOS, MORE_IMAGES, UnusablePhoto
from .raw_rows import Row
from .values import RowError, as_text

_KEYS = {"handle", "urlhandle", "handleid"}
_INHERITED = ("title", "description", "brand", "category", "group")
_MOST_VALUES = 4 * MAX_PHOTOS
_UNREADABLE = "\0"


@dataclass(frozen=True, slots=True)
class NumberedRow:
    """A row that is a listing, or a defect.

    Parameters
    ----------
    number
        The data row, from 1.
    raw
        Its fields by column name.
    own
        Its fields by the names of a listing's, with what rows after it add.
    n_joined
        How many rows after it are part of it.
    """

    number: int
    raw: Row
    own: Row
    n_joined: int = 0


@dataclass(frozen=True)
class RowJoiner:
    """Tells which rows go on with a listing, and joins them to it.

    A row does if it stands after its listing, with nothing but its like between, has the same
    handle (or, in a file without one, the same id), no title, and nothing else that contradicts.
    With the handle and the id the title may be there again.

    Parameters
    ----------
    match
        Which columns hold what.
    key
        The column of the handle or id; None: no row goes on with another.
    is_handle
        Which of the two it is.
    """

    match: ColumnMatch
    key: str | None
    is_handle: bool = False

    @classmethod
    def of(cls, columns: Sequence[str], match: ColumnMatch) -> "RowJoiner":
        """Look for the column that rows of one product share."""
        if "title" not in match.columns:
            return cls(match, None)
        handles = [name for name in columns if name_key(name) in _KEYS]
        names = [*handles, *match.columns.get("listing_id", ())]
        key = next((name for name in names if name not in match.repeated), None)
        return cls(match, key, key in handles)

    @property
    def wanted(self) -> set[str]:
        """The column to read besides those of a listing."""
        return {self.key} if self.key else set()

    def join(self, rows: Iterable[Row]) -> Iterator[NumberedRow]:
        """Number rows from 1, and join those that go on with a listing to it, in their order."""
        product: _Product | None = None
        for number, raw in enumerate(rows, start=1):
            own = self.match.by_field(raw)
            row = NumberedRow(number, raw, own)
            if product is not None and own.defect:
                product.rows.append(row)
                continue
            key = _plain(raw.fields.get(self.key)) if self.key and not own.defect else ""
            if product is not None and key == product.key and self._goes_on(own, product):
                product.add(row, self._own_photos(raw))
                continue
            if product is not None:
                yield from product.joined()
            product = _Product(key, [row]) if self._begins(key, own) else None
            if product is None:
                yield row
        if product is not None:
            yield from product.joined()

    def _begins(self, key: str, own: Row) -> bool:
        return key not in {"", _UNREADABLE} and bool(_plain(own.fields.get("title")))

    def _goes_on(self, own: Row, product: "_Product") -> bool:
        """Tell whether a row says nothing of the product but what its first row says."""
        first, fields = product.fields, own.fields
        same_id = _plain(fields.get("listing_id")) == _plain(first.get("listing_id"))
        if _plain(fields.get("title")) and not (self.is_handle and same_id):
            return False
        pairs = ((_plain(fields.get(name)), _plain(first.get(name))) for name in _INHERITED)
        return all(not said or said == before for said, before in pairs)

    def _own_photos(self, raw: Row) -> list[Any]:
        """Give a variant's own photos, which aren't the product's next ones."""
        columns = self.match.columns.get(MORE_IMAGES, ())
        own = [raw.fields.get(name) for name in columns if name_key(name).startswith("variant")]
        return [value for value in own if _plain(value)]


@dataclass
class _Product:
    """A listing with the rows that go on with it."""

    key: str
    rows: list[NumberedRow]
    photos: list[Any] = field(default_factory=list)
    variants: dict[int, list[Any]] = field(default_factory=dict)
    n_joined: int = 0

    @property
    def fields(self) -> Mapping[str, Any]:
        return self.rows[0].own.fields

    def add(self, row: NumberedRow, own_photos: list[Any]) -> None:
        fields = row.own.fields
        listing_id = _plain(fields.get("listing_id"))
        values = [fields.get("image"), *_several(fields.get(MORE_IMAGES))]
        for value in values:
            if not _plain(value):
                continue
            if len(self.photos) < _MOST_VALUES:
                self.photos.append(value)
            else:
                self.photos[_MOST_VALUES - 1] = _one_more(self.photos[_MOST_VALUES - 1])
        if listing_id and listing_id != _plain(self.fields.get("listing_id")):
            self.variants[len(self.rows)] = own_photos
            self.rows.append(row)
        else:
            self.n_joined += 1

    def joined(self) -> Iterator[NumberedRow]:
        first, *others = self.rows
        if not self.photos and not self.variants:
            yield replace(first, n_joined=self.n_joined)
            yield from others
            return
        more = [*_several(self.fields.get(MORE_IMAGES)), *self.photos]
        fields = {**self.fields, MORE_IMAGES: more}
        yield replace(first, own=Row(fields), n_joined=self.n_joined)
        for place, row in enumerate(others, start=1):
            if place in self.variants:
                photos = [*self.variants[place], self.fields.get("image"), *more]
                given = {name: fields[name] for name in _INHERITED if name in fields}
                said = {name: value for name, value in row.own.fields.items() if _plain(value)}
                own = {**given, **said, "image": None, MORE_IMAGES: photos}
                row = replace(row, own=Row(own))
            yield row


def _plain(value: Any) -> str:
    """Give a value as text; what is none says nothing, what can't be read says something."""
    if isinstance(value, list | tuple):
        return "".join(map(_plain, value))
    try:
        return as_text("listing_id", value) or ""
    except RowError:
        return _UNREADABLE


def _several(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _one_more(photo: Any) -> UnusablePhoto:
    n = photo.n + 1 if isinstance(photo, UnusablePhoto) else 2
    return UnusablePhoto("it is beyond the first that are looked at", n=n)
