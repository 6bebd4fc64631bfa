"""`shelfsure explore`: which features tell categories apart, on maps and in a table."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.tracking import LOCAL_STORE
from .messages import print_table, say, say_levels
from .options import (
    CatalogueFile,
    ConfigOption,
    EncoderOptions,
    FileOptions,
    Mlflow,
    PhotoOptions,
    takes_options,
)

if TYPE_CHECKING:
    from ..exploration.maps.explore import Exploration


@takes_options
def explore(
    catalogue: CatalogueFile,
    out: Annotated[Path, typer.Option(help="Folder of the report.")],
    file: FileOptions,
    photos: PhotoOptions,
    encoders: EncoderOptions,
    config: ConfigOption = "starter",
    families: Annotated[
        str | None,
        typer.Option(
            help="Features to compare, such as tfidf,hog,photo-encoder+tfidf (default: all)."
        ),
    ] = None,
    no_maps: Annotated[
        bool, typer.Option("--no-maps", help="Tables only: lay nothing out on planes.")
    ] = False,
    levels: Annotated[int | None, typer.Option(help="Category levels to look at.", min=1)] = None,
    min_examples: Annotated[
        int, typer.Option(help="Compare no category with fewer listings.", min=2)
    ] = 5,
    language: Annotated[str, typer.Option(help="Of the titles, for stems.")] = "english",
    seed: Annotated[int | None, typer.Option(min=0)] = None,
    mlflow: Mlflow = LOCAL_STORE,
) -> None:
    """Show a catalogue as maps and clusters, and which features tell its categories apart."""
    from ..core.config import load_config
    from ..core.files import atomic_folder, require_free_folder
    from ..embedding.embedder import load_embedder
    from ..exploration.maps.explore import explore_catalog
    from ..exploration.maps.mlflow_log import log_exploration
    from ..exploration.maps.report import EXPLORATION, PAGE, write_exploration

    out = out.resolve()
    require_free_folder(out, EXPLORATION, replace=True, inputs=(catalogue,))
    settings = load_config(config, levels=levels, min_examples=min_examples, seed=seed)
    catalog = file.catalog(catalogue, need_category=False)
    say_levels(catalog, levels)
    options = encoders.run_options(photos)
    settings = options.applied_to(settings)
    names = None if families is None else [n.strip() for n in families.split(",") if n.strip()]
    found = explore_catalog(
        catalog,
        settings,
        embedder=load_embedder(settings, options),
        names=names,
        maps=not no_maps,
        language=language,
    )
    kept = found.material.catalog
    file.require_usable(kept)
    with atomic_folder(out, EXPLORATION, replace=True) as staging:
        write_exploration(found, staging, header={"catalogue": catalogue.name})
        kept.write_rejected(staging / "rejected.csv")
    say(kept.summary(), rejected=out / "rejected.csv")
    _say_table(found)
    if all(one.right is None for one in found.looks):
        say(
            f"No two categories have {settings.min_examples} listings or more in every family, so "
            "features aren't compared by category. Lower --min-examples or --levels if there are "
            "categories."
        )
    for name, why in found.skipped.items():
        typer.echo(f"Left out {name}: {why}", err=True)
    say(f"The report is {out / PAGE}; map.parquet beside it opens in Embedding Atlas.")
    log_exploration(mlflow, found, out, catalogue)


def _say_table(found: "Exploration") -> None:
    def told(value: float | None, form: str = ".3f") -> str:
        return "-" if value is None else format(value, form)

    print_table(
        ("features", "probe", "silhouette", "on the map", "k-means ARI", "CPU ms"),
        [
            (
                one.name,
                told(one.right, ".1%"),
                told(one.silhouette),
                told(one.map_silhouette),
                told(one.kmeans.ari if one.kmeans else None),
                told(1000 * one.cpu_s_each, ".2f"),
            )
            for one in found.looks
        ],
    )
