"""The command that hands a bundle's encoders to other programs."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from .options import Reading, reads_listings

if TYPE_CHECKING:
    from ..catalog.listing import Listing


@reads_listings
def export(
    bundle: Annotated[Path, typer.Argument(help="Folder that `shelfsure train` wrote.")],
    out: Annotated[Path, typer.Option(help="A new folder.")],
    reading: Reading,
    format_: Annotated[
        Literal["onnx", "openvino", "torch"],
        typer.Option("--format", help="torch: safetensors for timm and sentence-transformers."),
    ] = "onnx",
    listings: Annotated[
        Path | None, typer.Option(help="Measure parity on these (CSV, TSV, JSON Lines, Parquet).")
    ] = None,
    photos: Annotated[Path | None, typer.Option(help="Measure parity on this folder.")] = None,
) -> None:
    """Write the encoders for other programs, if they answer there as they do here."""
    from ..core.errors import ConfigError
    from ..pipeline.export import export_encoders
    from ..pipeline.pipeline import ListingPipeline

    if listings and photos:
        raise ConfigError("Give --listings or --photos, not both.")
    if reading.device not in {"auto", "cpu"}:
        raise ConfigError(f"Export runs on the CPU, so --device must be cpu, not {reading.device}.")
    pipeline = ListingPipeline.load(
        bundle, device="cpu", limits=reading.limits(), progress=True, runtime=reading.runtime
    )
    tried = _listings(listings, photos, reading)
    report = export_encoders(pipeline, out.resolve(), format_, tried)
    said = [
        f"{name}: cosine at least {found.cosine_min:.6f}, largest difference "
        f"{found.max_difference:.1e}"
        for name, found in (("image", report.image), ("text", report.text))
        if found
    ]
    typer.echo(
        f"{'; '.join(said)}; the same best category for {report.agreement:.1%} of {len(tried)} "
        f"listings. The encoders are in {out}; preprocessing.json says what goes before them."
    )


def _listings(file: Path | None, photos: Path | None, reading: Reading) -> "Sequence[Listing]":
    """Read what parity is measured on; the sample, where nothing is given."""
    import tempfile

    from ..catalog.catalog import photos_in, read_catalog
    from ..catalog.listing import Listing
    from ..catalog.sample import unpack_sample

    if file:
        return reading.catalog(file, need_category=False).listings
    if photos:
        return photos_in(photos)
    with tempfile.TemporaryDirectory() as folder:
        unpack_sample(Path(folder) / "shop", n_per_category=4)
        sample = read_catalog(Path(folder) / "shop" / "catalogue.csv").listings
        # the photos' bytes, because the folder goes
        return [
            Listing(one.listing_id, one.title, Path(one.image).read_bytes(), one.description)
            for one in sample
            if isinstance(one.image, str | Path)
        ]
