"""Everything that Shelfsure raises on purpose: what must hold, what came, what to do.

ShelfsureError
├── MissingExtraError         what was asked for needs packages that aren't installed
├── ConfigError               a configuration file or option is wrong
├── OutputError               what was made can't be written
├── CatalogError              a catalogue file can't be used as a whole
├── PhotoError                one photo can't be used (in a batch its row is set aside)
│   ├── UnreadablePhotoError      not an image, a broken one, or none there
│   ├── TruncatedPhotoError       the file ends too early
│   └── OversizedPhotoError       more pixels or bytes than allowed; refused before decoding
├── WeightsError              weights are missing, out of reach, or not the expected ones
├── TrainingError             these listings can't train a model
├── CalibrationError          these listings can't calibrate one
├── CacheError                the embedding cache can't be opened
├── ExplanationError          this answer of this listing can't be explained
├── TrackingError             a run can't be logged
├── WebhookError              a message didn't reach whom it was for
├── RetrainingLockedError     another retraining is at work in the same folder
├── RuntimeUnusableError      an encoder can't run on the wanted runtime
├── BundleError               a saved pipeline can't be used
│   ├── BundleIncompleteError     a file is missing, or it was never finished
│   ├── BundleChangedError        a file isn't what was saved
│   ├── BundleReplacedError       another writer has put a newer one in its place
│   ├── BundleFormatError         written by a newer Shelfsure, or no bundle at all
│   └── BundleFingerprintError    fitted on other weights than those at hand
└── ListingIndexError         a listing index can't be used or changed
    ├── IndexIncompleteError      there is none that is finished, or a file is missing
    ├── IndexChangedError         a file isn't what was saved
    ├── IndexFormatError          written by a newer Shelfsure
    ├── IndexFingerprintError     built with other weights than those at hand
    └── IndexLockedError          another process is writing to it
"""


class ShelfsureError(Exception):
    """Base of every error below; catching it catches them all."""


class MissingExtraError(ShelfsureError, ImportError):
    """What was asked for needs packages that few need; the message says how to install them."""


class ConfigError(ShelfsureError):
    """A configuration file or option is wrong."""


class OutputError(ShelfsureError):
    """What was made can't be written: a full disk, a read-only folder."""


class CatalogError(ShelfsureError):
    """A catalogue file can't be used as a whole."""


class PhotoError(ShelfsureError):
    """One photo can't be used."""


class UnreadablePhotoError(PhotoError):
    """The photo is not an image, is damaged, or isn't there."""


class TruncatedPhotoError(PhotoError):
    """The photo's file ends before its picture does."""


class OversizedPhotoError(PhotoError):
    """The photo has more pixels or bytes than allowed."""


class WeightsError(ShelfsureError):
    """Weights are missing, out of reach, or not the expected ones."""


class TrainingError(ShelfsureError):
    """The listings at hand can't train a model."""


class CalibrationError(ShelfsureError):
    """The listings at hand can't calibrate a model."""


class CacheError(ShelfsureError):
    """The embedding cache can't be opened."""


class ExplanationError(ShelfsureError, ValueError):
    """An answer can't be explained: not a trained category, or a listing without any part."""


class TrackingError(ShelfsureError):
    """A run can't be logged to its MLflow store."""


class BundleError(ShelfsureError):
    """A saved pipeline can't be used."""


class BundleIncompleteError(BundleError):
    """A bundle lacks a file, or its saving was never finished."""


class BundleChangedError(BundleError):
    """A bundle's file isn't what was saved."""


class BundleReplacedError(BundleError):
    """Another writer has put a newer bundle in its place meanwhile."""


class BundleFormatError(BundleError):
    """A bundle was written by a newer Shelfsure, or the folder is no bundle."""


class BundleSignatureError(BundleError):
    """A bundle isn't signed by the key that is asked for."""


class BundleFingerprintError(BundleError):
    """A bundle was fitted on other weights than those at hand."""


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


class WebhookError(ShelfsureError):
    """A message didn't reach whom it was for; `final`: it isn't wanted there any more."""

    def __init__(self, message: str, *, final: bool = False) -> None:
        super().__init__(message)
        self.final = final


class RetrainingLockedError(ShelfsureError):
    """Another retraining is at work in the same folder."""


class RuntimeUnusableError(ShelfsureError):
    """An encoder can't run on the wanted runtime, or not exactly enough."""
