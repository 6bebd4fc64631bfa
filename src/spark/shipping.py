"""A bundle on its way to the workers, each of which verifies what has come."""

import functools
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.errors import BundleReplacedError
from ..core.scratch import new_scratch_folder
from ..pipeline.bundle import Bundle, read_bundle

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@dataclass(frozen=True)
class ShippedBundle:
    """A bundle that workers can load.

    Parameters
    ----------
    version
        The bundle's; what a worker finds must be of it.
    place
        A folder, or where `sent`, its name among the files that Spark sends to each worker.
    """

    version: str
    place: str
    sent: bool

    def folder(self) -> Path:
        """Say where the bundle lies on this worker."""
        if not self.sent:
            return Path(self.place)
        from pyspark import SparkFiles

        return Path(SparkFiles.getRootDirectory()) / self.place

    def require_version(self, found: str) -> None:
        """Refuse another bundle than the one that was shipped.

        Raises
        ------
        BundleReplacedError
            If `found` is another version.
        """
        if found != self.version:
            raise BundleReplacedError(
                f"Bundle {self.folder()} must be {self.version}, which this job was started with, "
                f"but is {found} on this worker. Start the job again, and leave the bundle alone "
                "meanwhile."
            )


def ship(spark: "SparkSession", bundle: Path, *, shared: bool = False) -> ShippedBundle:
    """Send a verified bundle to all workers of a session.

    Parameters
    ----------
    shared
        Every worker sees the folder by the same path (a Databricks volume, NFS), so it isn't sent.
        Sail, whose workers are this machine, is always taken so.

    Raises
    ------
    BundleError
        If it can't be used.
    """
    from pyspark.errors import UnsupportedOperationException

    def send(found: Bundle) -> ShippedBundle:
        here = ShippedBundle(found.version, str(bundle.resolve()), sent=False)
        if shared:
            return here
        archive = _archive(found)
        try:
            spark.addArtifacts(f"{archive}#{archive.stem}", archive=True)
        except UnsupportedOperationException:
            return here
        return ShippedBundle(found.version, archive.stem, sent=True)

    return read_bundle(bundle, send)


def _archive(bundle: Bundle) -> Path:
    """Pack a bundle; a late worker fetches it late, so it stays as long as this process.

    The same bundle is the same file: Spark takes no other one by its name.
    """
    archive = _scratch() / f"shelfsure-{bundle.version}.zip"
    if not archive.exists():
        partial = archive.with_suffix(".partial")
        with zipfile.ZipFile(partial, "w") as packed:
            for file in bundle.to_copy():
                packed.write(bundle.folder / file, file)
        partial.replace(archive)
    return archive


@functools.cache
def _scratch() -> Path:
    return new_scratch_folder()
