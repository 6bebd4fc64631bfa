"""Why a listing index can't be used or changed.

ListingIndexError
├── IndexIncompleteError      no index there, a file is missing, or the first build never finished
├── IndexChangedError         a file isn't what was saved
├── IndexFormatError          written by a newer Shelfsure
├── IndexFingerprintError     built with other weights than those at hand
├── IndexLockedError          another process is writing to it
└── IndexRecallError          an approximate index can't find enough of the true neighbours
"""

from .errors import ShelfsureError


class ListingIndexError(ShelfsureError):
    """A listing index can't be used or changed."""


class IndexIncompleteError(ListingIndexError):
    """There is no finished index, or one of its files is missing."""


class IndexChangedError(ListingIndexError):
    """An index's file isn't what was saved."""


class IndexFormatError(ListingIndexError):
    """An index was written by a newer Shelfsure."""


class IndexFingerprintError(ListingIndexError):
    """An index was built with other weights than those at hand."""


class IndexLockedError(ListingIndexError):
    """Another process is writing to the index."""


class IndexRecallError(ListingIndexError):
    """An approximate index can't find enough of the true neighbours."""
