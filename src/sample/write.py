"""Write the sample catalogue as files; the folder appears whole or not at all."""

import csv
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ..core.errors import ConfigError
from .photos import develop
from .plan import N_OUTSIDERS, plan_catalogue, plan_uploads
from .planted import Row, outsider

COLUMNS = ("listing_id", "title", "description", "brand", "category", "image")
TRUTH_COLUMNS = ("file", "listing_id", "kind", "of_listing_id", "category", "note")
_MIN_PER_CATEGORY = 4

_README = """\
# A synthetic catalogue

{n_listings} listings in 12 categories (`catalogue.csv`, `photos/`), {n_uploads} new uploads
(`uploads.csv`) and {n_outside} photos of other things (`outside/`). Shelfsure drew and worded all
of it itself: no photo, brand or seller is real. `truth.csv` says for every listing what it is, and
which near-duplicates, variants and outsiders were planted. Made with seed {seed}.

    shelfsure train catalogue.csv --levels 2 --outside outside --out run
    shelfsure predict run uploads.csv --out verdicts.csv
    shelfsure duplicates catalogue.csv --out duplicates
"""


@dataclass(frozen=True, slots=True)
class SampleSummary:
    """What was written; counts run over both files unless their name says otherwise."""

    directory: Path
    n_listings: int
    n_uploads: int
    n_photos: int
    n_outside: int
    n_near_duplicates: int
    n_variants: int
    n_outsiders: int
    n_missing_titles: int
    n_missing_photos: int


def write_sample(
    directory: str | Path, *, seed: int = 7, n_per_category: int = 40, progress: bool = False
) -> SampleSummary:
    """Write a synthetic catalogue, new uploads and the truth about both.

    The same arguments give the same files, byte for byte, under the same versions of Pillow and
    NumPy.

    Parameters
    ----------
    directory
        Where to; must be empty or not exist.
    seed
        0 or more. Another seed gives other products, photos and titles.
    n_per_category
        Listings in each of the 12 categories of the catalogue, planted copies among them; 4 or
        more.
    progress
        Show a progress bar on standard error.

    Raises
    ------
    ConfigError
        If the directory holds anything already, or isn't a directory.
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
    target = Path(directory).absolute()
    _refuse_occupied(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    # Beside the target, because a rename is one step only within one file system.
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as partial:
        # One level down, because the temporary folder itself is readable by its owner alone.
        stage = Path(partial) / "sample"
        stage.mkdir()
        summary = _fill(stage, target, seed, n_per_category, progress)
        if target.exists():
            target.rmdir()
        stage.rename(target)
    return summary


def _refuse_occupied(target: Path) -> None:
    if target.exists() and not target.is_dir():
        raise ConfigError(f"{target} must be a folder, but is a file. Name another folder.")
    if target.is_dir() and (found := sorted(path.name for path in target.iterdir())):
        raise ConfigError(
            f"{target} must be empty or not exist yet, but holds {len(found)} entries "
            f"({', '.join(found[:3])}). Name another folder, or empty this one first."
        )


def _fill(
    stage: Path, target: Path, seed: int, n_per_category: int, progress: bool
) -> SampleSummary:
    rng = np.random.default_rng(seed)
    catalogue = plan_catalogue(rng, seed, n_per_category)
    uploads = plan_uploads(rng, seed, catalogue, n_per_category)
    outside = [outsider(rng, (seed, 300_000 + i), i) for i in range(N_OUTSIDERS)]
    rows = catalogue + uploads

    (stage / "photos").mkdir()
    (stage / "outside").mkdir()
    for row in tqdm(rows, desc="Drawing photos", disable=None if progress else True):
        if row.photo:
            (stage / _image(row)).write_bytes(develop(row.photo))
    for number, row in enumerate(outside, start=1):
        if row.photo:
            name = f"{row.photo.subject}_{number:02d}.jpg"
            (stage / "outside" / name).write_bytes(develop(row.photo))

    _write_csv(stage / "catalogue.csv", COLUMNS, (_record(row) for row in catalogue))
    # What a new upload is, is for Shelfsure to say.
    unknown = ({**_record(row), "category": ""} for row in uploads)
    _write_csv(stage / "uploads.csv", COLUMNS, unknown)
    truth = [_truth("catalogue.csv", row) for row in catalogue]
    truth += [_truth("uploads.csv", row) for row in uploads]
    _write_csv(stage / "truth.csv", TRUTH_COLUMNS, truth)

    kinds = [row.kind for row in rows]
    summary = SampleSummary(
        directory=target,
        n_listings=len(catalogue),
        n_uploads=len(uploads),
        n_photos=sum(row.photo is not None for row in rows),
        n_outside=len(outside),
        n_near_duplicates=kinds.count("near_duplicate"),
        n_variants=kinds.count("variant"),
        n_outsiders=kinds.count("outsider"),
        n_missing_titles=sum(row.listing.title is None for row in rows),
        n_missing_photos=sum(row.photo is None for row in rows),
    )
    readme = _README.format(
        n_listings=len(catalogue), n_uploads=len(uploads), n_outside=len(outside), seed=seed
    )
    (stage / "README.md").write_text(readme, encoding="utf-8", newline="\n")
    return summary


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


def _write_csv(path: Path, columns: Sequence[str], records: Iterable[dict[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(records)
