"""One row's raw fields become a Listing, or a reason why they can't."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from ..core.mojibake import mend
from .categories import CategoryStyle
from .listing import FIELDS, MORE_IMAGES, Listing
from .listing_photos import Photos, find_photos
from .photo_paths import PhotoFolder
from .values import PROSE, RowError, as_text, shown

__all__ = ["FIELDS", "OnPhotoError", "ReadRow", "RowError", "RowReader", "as_text", "shown"]

OnPhotoError: TypeAlias = Literal["reject", "title"]
"""What becomes of a listing whose photo can't be had: it is set aside, or goes by its title."""


@dataclass(frozen=True, slots=True)
class ReadRow:
    """A row that is a listing.

    Parameters
    ----------
    listing
        Text as written but for what was mended; the category tidied; the photo as a resolved path
        or bytes.
    mended
        Fields whose text wasn't what its seller wrote.
    photo_problem
        Why the photo was left out; None where it wasn't.
    """

    listing: Listing
    mended: tuple[str, ...] = ()
    photo_problem: str | None = None


@dataclass(frozen=True, slots=True)
class RowReader:
    """Checks rows and makes listings of them. No photo is opened here, only looked for.

    Parameters
    ----------
    photos
        Where photos are; None: they aren't looked for.
    need_category
        Whether a listing without a category is a defect.
    on_photo_error
        What becomes of a listing with a title whose photo can't be had.
    style
        How the categories are written.
    taxonomy
        Id -> the path that it stands for, where categories are ids.
    """

    photos: PhotoFolder | None
    need_category: bool = False
    on_photo_error: OnPhotoError = "reject"
    style: CategoryStyle = field(default_factory=CategoryStyle)
    taxonomy: Mapping[str, str] = field(default_factory=dict)

    def read(self, fields: Mapping[str, object]) -> ReadRow:
        """Read one row.

        Parameters
        ----------
        fields
            Raw values by field name; a field that isn't there is missing, and so is one that is
            ``None``, NaN, or nothing but white space.

        Raises
        ------
        RowError
            With the first reason found.
        """
        listing_id = as_text("listing_id", fields.get("listing_id"))
        prose = {name: as_text(name, fields.get(name)) for name in PROSE}
        group = as_text("group", fields.get("group"))
        if listing_id is None:
            raise RowError("missing listing_id")
        category = self._category(fields.get("category"))
        if self.need_category and category is None:
            raise RowError("missing category")
        texts = {name: None if text is None else mend(text) for name, text in prose.items()}
        (photo, more), problem = self._photos(fields, has_title=bool(texts["title"]))
        if photo is None and not texts["title"]:
            raise RowError("missing photo and title: one of them must be there")
        listing = Listing(
            listing_id=listing_id,
            title=texts["title"] or None,
            image=photo,
            description=texts["description"] or None,
            brand=texts["brand"] or None,
            category=category,
            group=group,
            more_images=more,
        )
        mended = tuple(name for name in PROSE if texts[name] != prose[name])
        return ReadRow(listing, mended, problem)

    def _category(self, value: object) -> str | None:
        path = self.style.path(value)
        if path is None or not self.taxonomy or not path.isdecimal():
            return path
        if path not in self.taxonomy and self.need_category:
            raise RowError(f"unknown category id: {shown(path)} isn't in the taxonomy's file")
        return self.taxonomy.get(path, path)

    def _photos(
        self, fields: Mapping[str, object], *, has_title: bool
    ) -> tuple[Photos, str | None]:
        if self.photos is None:
            return (None, ()), None
        try:
            return find_photos(self.photos, fields.get("image"), fields.get(MORE_IMAGES)), None
        except RowError as error:
            if self.on_photo_error == "reject" or not has_title:
                raise
            return (None, ()), str(error)
