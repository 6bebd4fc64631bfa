"""The sample catalogue: drawn once by `tools/sample_catalogue`, shipped as a zip, unpacked here."""

import csv
import io
import zipfile
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import CatalogError
from ..core.files import atomic_folder, sha256_of_file
from ..core.kinds import FolderKind

SAMPLE_ZIP = Path(__file__).with_name("sample.zip")
SAMPLE_SEED = 7
_MIN_PER_CATEGORY = 4
_CATALOGUE, _UPLOADS, _TRUTH = "catalogue.csv", "uploads.csv", "truth.csv"

Record = dict[str, str]


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


def unpack_sample(directory: str | Path, *, n_per_category: int | None = None) -> SampleSummary:
    """Write a synthetic catalogue, new uploads and the truth about both.

    The folder appears whole or not at all; each file is checked against the zip's checksum.

    Parameters
    ----------
    directory
        Where to; must be empty or not exist.
    n_per_category
        Listings in each of the 12 categories of the catalogue, 4 or more; planted copies stay with
        their originals, and uploads that copy what is left out are left out too. All by default.

    Raises
    ------
    ConfigError
        If the directory holds anything already, or isn't a directory.
    CatalogError
        If the zip in the package is damaged.
    ValueError
        If there are too few listings to hold the planted copies.
    """
    if n_per_category is not None and n_per_category < _MIN_PER_CATEGORY:
        raise ValueError(
            f"n_per_category must be {_MIN_PER_CATEGORY} or more, to hold an original, a copy and "
            f"a variant; got {n_per_category}. Ask for more listings."
        )
    target = Path(directory).absolute()
    with atomic_folder(target, FolderKind("a sample catalogue")) as stage:
        with _archive() as archive:
            truth = _records(archive.read(_TRUTH))
            dropped = _left_out(truth, n_per_category) if n_per_category else set()
            names = [name for name in archive.namelist() if Path(name).stem not in dropped]
            archive.extractall(stage, names)
        if dropped:
            for name in (_CATALOGUE, _UPLOADS, _TRUTH):
                _drop(stage / name, dropped)
        return _summary(stage, target)


def read_sample(name: str) -> bytes:
    """Give one file of the sample, such as ``photos/u0001.jpg``, without unpacking the rest."""
    with _archive() as archive:
        return archive.read(name)


def read_records(path: Path) -> list[Record]:
    """Read a table of an unpacked sample, or one in its format."""
    return _records(path.read_bytes())


def sample_fingerprint() -> str:
    """Name the sample by its content: the sha256 of the zip."""
    return sha256_of_file(SAMPLE_ZIP)


@contextmanager
def _archive() -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(SAMPLE_ZIP) as archive:
            yield archive
    except (zipfile.BadZipFile, zlib.error) as error:
        raise CatalogError(
            f"{SAMPLE_ZIP} must be the sample catalogue as it was shipped, but: {error}. "
            "Install Shelfsure anew."
        ) from error


def _left_out(truth: list[Record], n_per_category: int) -> set[str]:
    """Name the catalogue's listings beyond so many a category, and the uploads that copy them.

    What a category keeps first: one copy of each kind with its original, then the originals of one
    upload of each kind, then the first listings of its own.
    """
    copies = [row for row in truth if row["of_listing_id"]]
    firsts = {(row["category"], row["file"], row["kind"]): row for row in reversed(copies)}
    wanted = sorted(firsts.values(), key=lambda row: row["file"] != _CATALOGUE)
    wanted += [row for row in truth if row["kind"] == "listing"]
    kept: defaultdict[str, dict[str, None]] = defaultdict(dict)  # category -> ids in order
    for row in wanted:
        ids = kept[row["category"]]
        if row["of_listing_id"]:
            ids[row["of_listing_id"]] = None
        if row["file"] == _CATALOGUE:
            ids[row["listing_id"]] = None
    all_kept = {name for ids in kept.values() for name in list(ids)[:n_per_category]}
    all_kept.add("")  # what an upload copies that is no copy
    return {
        row["listing_id"]
        for row in truth
        if row["listing_id" if row["file"] == _CATALOGUE else "of_listing_id"] not in all_kept
    }


def _drop(path: Path, dropped: set[str]) -> None:
    rows = read_records(path)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(row for row in rows if row["listing_id"] not in dropped)


def _summary(stage: Path, target: Path) -> SampleSummary:
    listings, uploads = read_records(stage / _CATALOGUE), read_records(stage / _UPLOADS)
    both = listings + uploads
    kinds = Counter(row["kind"] for row in read_records(stage / _TRUTH))
    return SampleSummary(
        directory=target,
        n_listings=len(listings),
        n_uploads=len(uploads),
        n_photos=sum(bool(row["image"]) for row in both),
        n_outside=sum(1 for _ in (stage / "outside").iterdir()),
        n_near_duplicates=kinds["near_duplicate"],
        n_variants=kinds["variant"],
        n_outsiders=kinds["outsider"],
        n_missing_titles=sum(not row["title"] for row in both),
        n_missing_photos=sum(not row["image"] for row in both),
    )


def _records(data: bytes) -> list[Record]:
    return list(csv.DictReader(io.StringIO(data.decode("utf-8"), newline="")))
