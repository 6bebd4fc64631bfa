"""The command that hands a bundle's encoders to other programs."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from .options import BundleFolder, FileOptions, PhotoOptions, takes_options

if TYPE_CHECKING:
    from ..catalog.listing import Listing


@takes_options
def export(
    bundle: BundleFolder,
    out: Annotated[Path, typer.Option(help="A new folder.")],
    file: FileOptions,
    photo: PhotoOptions,
    format_: Annotated[
        Literal["onnx", "openvino", "torch"],
        typer.Option("--format", help="torch: safetensors for timm and sentence-transformers."),
    ] = "onnx",
    listings: Annotated[
        Path | None, typer.Option(help="Measure parity on these; a catalogue.")
    ] = None,
    photos: Annotated[Path | None, typer.Option(help="Measure parity on this folder.")] = None,
) -> None:
    """Write the encoders for other programs, if they answer there as they do here."""
    from ..core.errors import ConfigError
    from ..embedding.run_options import RunOptions
    from ..pipeline.export import export_encoders
    from ..pipeline.pipeline import ListingPipeline

    if listings and photos:
        raise ConfigError("Give --listings or --photos, not both.")
    tried = _listings(listings, photos, file)
    options = RunOptions(device="cpu", limits=photo.limits(), progress=True)
    pipeline = ListingPipeline.load(bundle, options)
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


def _listings(table: Path | None, photos: Path | None, file: FileOptions) -> "Sequence[Listing]":
    """Read what parity is measured on; the sample, where nothing is given."""
    from ..catalog.catalog import read_catalog
    from ..catalog.listing import Listing
    from ..catalog.photo_listings import photos_in
    from ..catalog.sample import unpack_sample
    from ..core.scratch import scratch_folder

    if table:
        return file.catalog(table, need_category=False).listings
    if photos:
        return photos_in(photos)
    with scratch_folder() as folder:
        unpack_sample(folder / "shop", n_per_category=4)
        sample = read_catalog(folder / "shop" / "catalogue.csv").listings
        # the photos' bytes, because the folder goes
        return [
            Listing(one.listing_id, one.title, Path(one.image).read_bytes(), one.description)
            for one in sample
            if isinstance(one.image, str | Path)
        ]
