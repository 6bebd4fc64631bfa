"""Write the sample catalogue as a zip, which appears whole or not at all."""

import csv
import io
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from shelfsure.core.files import atomic_path
from tqdm import tqdm

from .injected import Row, outsider
from .photos import Photo, develop
from .plan import N_OUTSIDERS, plan_catalogue, plan_uploads

COLUMNS = ("listing_id", "title", "description", "brand", "category", "image")
TRUTH_COLUMNS = ("file", "listing_id", "kind", "of_listing_id", "category", "note")
_MIN_PER_CATEGORY = 4

_README = """\
# A synthetic catalogue

Listings in 12 categories (`catalogue.csv`, `photos/`), new uploads (`uploads.csv`) and photos of
other things (`outside/`). Shelfsure drew and worded all of it itself: no photo, brand or seller is
real. `truth.csv` says for every listing what it is, and which near-duplicates, variants and
outsiders were planted.

    shelfsure train catalogue.csv --levels 2 --outside outside --out run
    shelfsure predict run uploads.csv --out verdicts.csv
    shelfsure duplicates catalogue.csv --out duplicates
"""


def write_sample_zip(
    path: str | Path, *, seed: int = 7, n_per_category: int = 40, progress: bool = False
) -> int:
    """Write a zip with a synthetic catalogue, new uploads and the truth about both.

    The same arguments give the same bytes under the same versions of Pillow and NumPy.

    Parameters
    ----------
    path
        An older file there is replaced.
    seed
        0 or more. Another seed gives other products, photos and titles.
    n_per_category
        Listings in each of the 12 categories of the catalogue, planted copies among them; 4 or
        more.
    progress
        Show a progress bar on standard error.

    Returns
    -------
    int
        Number of files in the zip.

    Raises
    ------
    ValueError
        If there are too few listings to plant anything, or the seed is negative.
    """
    if n_per_category < _MIN_PER_CATEGORY:
        raise ValueError(
            f"n_per_category must be {_MIN_PER_CATEGORY} or more, to hold an original, a copy and "
            f"a variant; got {n_per_category}. Ask for more listings."
        )
    if seed < 0:
        raise ValueError(f"seed must be 0 or more; got {seed}. Pass another one.")
    texts, photos = plan_sample(seed, n_per_category)
    with atomic_path(path) as partial, zipfile.ZipFile(partial, "w") as archive:
        for name, text in sorted(texts.items()):
            archive.writestr(_entry(name, zipfile.ZIP_DEFLATED), text.encode())
        for name in tqdm(sorted(photos), "Drawing photos", disable=None if progress else True):
            archive.writestr(_entry(name, zipfile.ZIP_STORED), develop(photos[name]))
    return len(texts) + len(photos)


def plan_sample(seed: int, n_per_category: int) -> tuple[dict[str, str], dict[str, Photo]]:
    """Plan every file of a sample: name -> text, and name -> recipe of the photo."""
    rng = np.random.default_rng(seed)
    catalogue = plan_catalogue(rng, seed, n_per_category)
    uploads = plan_uploads(rng, seed, catalogue, n_per_category)
    outside = [outsider(rng, (seed, 300_000 + i), i).photo for i in range(N_OUTSIDERS)]
    photos = {_image(row): row.photo for row in catalogue + uploads if row.photo}
    photos |= {
        f"outside/{photo.subject}_{number:02d}.jpg": photo
        for number, photo in enumerate(outside, start=1)
        if photo
    }
    truth = [_truth("catalogue.csv", row) for row in catalogue]
    truth += [_truth("uploads.csv", row) for row in uploads]
    texts = {
        "README.md": _README,
        "catalogue.csv": _csv(COLUMNS, map(_record, catalogue)),
        # What a new upload is, is for Shelfsure to say.
        "uploads.csv": _csv(COLUMNS, ({**_record(row), "category": ""} for row in uploads)),
        "truth.csv": _csv(TRUTH_COLUMNS, truth),
    }
    return texts, photos


def _image(row: Row) -> str:
    return f"photos/{row.listing.listing_id}.jpg" if row.photo else ""


def _record(row: Row) -> dict[str, str]:
    return {name: getattr(row.listing, name) or "" for name in COLUMNS} | {"image": _image(row)}


def _truth(file: str, row: Row) -> dict[str, str]:
    return {
        "file": file,
        "listing_id": row.listing.listing_id,
        "kind": row.kind,
        "of_listing_id": row.of,
        "category": row.listing.category or "",
        "note": row.note,
    }


def _csv(columns: Sequence[str], records: Iterable[dict[str, str]]) -> str:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue()


def _entry(name: str, compression: int) -> zipfile.ZipInfo:
    """Describe a file in the zip by nothing that changes from one writing to the next."""
    entry = zipfile.ZipInfo(name)  # of 1980
    entry.create_system = 3  # Unix, wherever it is written
    entry.external_attr = 0o100644 << 16
    entry.compress_type = compression
    return entry
