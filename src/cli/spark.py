"""`shelfsure spark`: the same jobs on a cluster."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..core.device import Runtime
from .messages import say, say_shift
from .options import OnShiftOption, PhotoOptions, takes_options

if TYPE_CHECKING:
    from ..spark.jobs import Job

spark_app = typer.Typer(
    no_args_is_help=True, help="The same jobs on Spark, Databricks, or Sail (Spark without Java)."
)

Source = Annotated[str, typer.Argument(help="Parquet: a file or a folder of parts.")]
Out = Annotated[str, typer.Argument(help="Parquet folder to write.")]
Bundle = Annotated[
    Path | None, typer.Option(help="Folder that `shelfsure train` wrote (default: the starter's).")
]
Keep = Annotated[
    list[str] | None, typer.Option(help="Column of the input to keep beside the result; again.")
]
_COLUMNS, _RUN = "Column names in the input", "Running"


def _column(name: str) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(
        help=f"Column that holds the {name}.", rich_help_panel=_COLUMNS
    )
    return option


@dataclass(frozen=True)
class ClusterOptions:
    """Where a job runs, and how its input is read."""

    master: Annotated[
        str,
        typer.Option(
            help="sail, sc://HOST:PORT, local[2], spark://HOST:PORT, or `active`: the session "
            "that is there, as in a Databricks job.",
            rich_help_panel=_RUN,
        ),
    ] = "sail"
    work: Annotated[
        str,
        typer.Option(help="Folder of finished parts (default: OUT.work).", rich_help_panel=_RUN),
    ] = ""
    parts: Annotated[
        int,
        typer.Option(
            help="Deal the input's files out to so many parts, each of which is written once.",
            min=1,
            rich_help_panel=_RUN,
        ),
    ] = 32
    threads: Annotated[
        int | None,
        typer.Option(
            help="Threads of a worker's process; 0: as many as there are (default: 1; on Sail, 0).",
            min=0,
            rich_help_panel=_RUN,
        ),
    ] = None
    runtime: Annotated[
        Runtime, typer.Option(help="What computes the encoders.", rich_help_panel=_RUN)
    ] = "auto"
    device: Annotated[str, typer.Option(help="auto, cuda or cpu.", rich_help_panel=_RUN)] = "auto"
    shared_bundle: Annotated[
        bool,
        typer.Option(
            "--shared-bundle",
            help="Every worker sees the bundle's folder by the same path: don't send it.",
            rich_help_panel=_RUN,
        ),
    ] = False
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace OUT.", rich_help_panel=_RUN)
    ] = False
    image_root: Annotated[
        str, typer.Option(help="Folder of photos that are paths, on every worker (else: bytes).")
    ] = ""
    on_photo_error: Annotated[
        Literal["reject", "title"],
        typer.Option(help="A photo that can't be had: reject the listing, or go by its title."),
    ] = "reject"
    listing_id_column: Annotated[str | None, _column("listing_id")] = None
    title_column: Annotated[str | None, _column("title")] = None
    description_column: Annotated[str | None, _column("description")] = None
    brand_column: Annotated[str | None, _column("brand")] = None
    image_column: Annotated[str | None, _column("image")] = None
    category_column: Annotated[str | None, _column("category")] = None
    group_column: Annotated[str | None, _column("group: seller, shop, batch")] = None

    @contextmanager
    def job(self, source: str, out: str, photos: PhotoOptions) -> "Iterator[Job]":
        """Open a session for a job."""
        from ..catalog.rows import FIELDS
        from ..spark.jobs import Job
        from ..spark.rows import RowOptions
        from ..spark.session import SAIL, connect
        from ..spark.workers import WorkerOptions

        named = {name: getattr(self, f"{name}_column", None) for name in FIELDS}
        columns = {name: column for name, column in named.items() if column}
        threads = (0 if self.master == SAIL else 1) if self.threads is None else self.threads
        with connect(self.master) as spark:
            yield Job(
                spark,
                source,
                out,
                RowOptions(columns, self.image_root or None, self.on_photo_error),
                WorkerOptions(threads or None, self.device, self.runtime, photos.limits()),
                work=self.work,
                shared_bundle=self.shared_bundle,
                n_parts=self.parts,
                overwrite=self.overwrite,
            )


@spark_app.command("judge")
@takes_options
def spark_judge(
    source: Source,
    out: Out,
    cluster: ClusterOptions,
    photos: PhotoOptions,
    bundle: Bundle = None,
    nested: Annotated[
        bool, typer.Option("--nested", help="Structs and arrays in place of JSON texts.")
    ] = False,
    keep: Keep = None,
    no_duplicates: Annotated[
        bool, typer.Option("--no-duplicates", help="Don't look for duplicates.")
    ] = False,
    no_quality: Annotated[
        bool, typer.Option("--no-quality", help="Don't look for flaws of the photos.")
    ] = False,
    on_shift: OnShiftOption = "review",
) -> None:
    """Judge listings; every row gets its line, rejected ones with the reason."""
    from ..spark.jobs import judge_table

    with cluster.job(source, out, photos) as job:
        result = judge_table(
            job,
            bundle or _starter(),
            duplicates=not no_duplicates,
            quality=not no_quality,
            nested=nested,
            keep=keep or (),
            on_shift=on_shift,
        )
    say_shift(result.shift, on_shift)
    ranked = sorted(result.counts.items(), key=lambda pair: -pair[1])
    say(", ".join(f"{n:,} {decision}" for decision, n in ranked) + f"; in {out}.")


@spark_app.command("embed")
@takes_options
def spark_embed(
    source: Source,
    out: Out,
    cluster: ClusterOptions,
    photos: PhotoOptions,
    bundle: Bundle = None,
    keep: Keep = None,
) -> None:
    """Write the vectors of photos and titles."""
    from ..spark.jobs import embed_table

    with cluster.job(source, out, photos) as job:
        written = embed_table(job, bundle or _starter(), keep=keep or ())
        n_rejected = written.where("reason is not null").count()
        n_rows = written.count()
    say(f"{n_rows - n_rejected:,} embedded, {n_rejected:,} rejected; in {out}.")


@spark_app.command("duplicates")
@takes_options
def spark_duplicates(
    source: Source,
    out: Out,
    cluster: ClusterOptions,
    photos: PhotoOptions,
    bundle: Bundle = None,
    against: Annotated[
        str, typer.Option(help="Parquet: compare with its listings instead of within IN.")
    ] = "",
) -> None:
    """Find listings that are the same thing twice, and variants that only look like it."""
    from collections import Counter

    from ..spark.jobs import duplicates_table

    with cluster.job(source, out, photos) as job:
        found = duplicates_table(job, bundle or _starter(), against=against)
    counts = Counter({"same_photo": 0, "same_product": 0, "variant": 0})
    counts.update(pair.verdict for pair in found.pairs)
    said = ", ".join(f"{n:,} {verdict}" for verdict, n in counts.items())
    say(
        f"{found.n_listings:,} listings, {found.n_compared:,} pairs of photos compared closely, in "
        f"{found.n_cells:,} cells: recall of planted copies {found.recall}."
    )
    say(f"Pairs: {said}; {len(found.groups):,} groups. See {out}.")


@spark_app.command("prepare")
@takes_options
def spark_prepare(
    source: Source,
    out: Out,
    cluster: ClusterOptions,
    photos: PhotoOptions,
    seed: Annotated[int, typer.Option(min=0, help="Another one splits otherwise.")] = 0,
) -> None:
    """Check listings and photos, set duplicates aside, and split 70/15/15.

    Listings of one photo, title or group are in one part: OUT/train, OUT/validation, OUT/test;
    OUT/rejected has the others with their reasons.
    """
    from ..spark.jobs import prepare_table

    with cluster.job(source, out, photos) as job:
        prepared = prepare_table(job, seed=seed)
        counts, reasons = prepared.counts(), prepared.reasons()
    say(", ".join(f"{n:,} {part}" for part, n in counts.items()) + f"; in {out}.")
    for kind, n in reasons.most_common():
        say(f"  {n:,} {kind}")


def _starter() -> Path:
    from ..pipeline.starter import STARTER_BUNDLE

    return STARTER_BUNDLE
