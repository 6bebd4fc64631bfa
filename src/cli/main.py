"""The command line: one thin function a command; what is heavy is imported inside."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..core.errors import ConfigError, ShelfsureError, TrackingError
from ..core.files import require_free_folder
from ..core.tracking import LOCAL_STORE, OFF, log_run
from .backbones import backbones
from .catalogue import classify, duplicates, taxonomy_app
from .data import cache_app, sample, split
from .export import export
from .finetune import finetune
from .index import index_app
from .options import (
    BundleFolder,
    CatalogueFile,
    ConfigOption,
    EncoderOptions,
    FileOptions,
    Mlflow,
    OnShiftOption,
    Overwrite,
    PhotoOptions,
    takes_options,
)
from .recalibrate import recalibrate
from .registry import promote_and_say, registry_app
from .review import review_app
from .serve import serve

if TYPE_CHECKING:
    from ..catalog.listing import Listing
    from ..pipeline.pipeline import ListingPipeline
    from ..pipeline.verdict import Shift

app = typer.Typer(
    name="shelfsure",
    help="Be sure what goes on the shelf: photo and title in, a calibrated verdict out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Outside = Annotated[
    Path | None, typer.Option(help="Folder of photos that the catalogue doesn't sell.")
]
Promote = Annotated[
    Path | None,
    typer.Option(
        help="Listings neither in this catalogue nor in the champion's: register the bundle, and "
        "make it champion unless it may be worse on them (then: exit 4)."
    ),
]
ModelName = Annotated[
    str | None, typer.Option(help="With --promote: name in the registry (default: --out's).")
]


@app.command()
@takes_options
def train(
    catalogue: CatalogueFile,
    out: Annotated[Path, typer.Option(help="Folder of the bundle to write.")],
    file: FileOptions,
    photos: PhotoOptions,
    encoders: EncoderOptions,
    config: ConfigOption = "starter",
    levels: Annotated[int | None, typer.Option(help="Category levels to predict.", min=1)] = None,
    min_examples: Annotated[
        int | None, typer.Option(help="Leave out categories with fewer listings.", min=2)
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0)] = None,
    image_encoder: Annotated[
        str | None,
        typer.Option(help="Folder that `shelfsure finetune` wrote, or a timm model's name."),
    ] = None,
    outside: Outside = None,
    overwrite: Overwrite = False,
    mlflow: Mlflow = LOCAL_STORE,
    promote: Promote = None,
    model_name: ModelName = None,
) -> None:
    """Train on a labelled catalogue and save a bundle."""
    from ..core.config import image_encoder_section, load_config
    from ..pipeline.bundle import BUNDLE
    from ..pipeline.pipeline import ListingPipeline

    out = out.resolve()
    require_free_folder(out, BUNDLE, replace=overwrite)
    if promote is not None and mlflow == OFF:
        raise ConfigError("--promote needs the MLflow registry. Pass another --mlflow.")
    unseen = file.catalog(promote, need_category=True) if promote else None
    settings = load_config(
        config,
        levels=levels,
        min_examples=min_examples,
        seed=seed,
        image=image_encoder_section(image_encoder) if image_encoder else None,
    )
    catalog = file.catalog(catalogue, need_category=True)
    options, strangers = encoders.run_options(photos), _outside(outside)
    pipeline = ListingPipeline.fit(catalog, settings, options, outside=strangers)
    pipeline = pipeline.save(out, overwrite=overwrite)
    catalog = pipeline.catalog or catalog
    catalog.write_rejected(out / "rejected.csv")
    _say(catalog.summary(), rejected=out / "rejected.csv")
    _say_training(pipeline)
    _say(f"Bundle {pipeline.version} is in {out}; its README.md says more.")
    evidence = {"_".join(e["modalities"]): e for e in pipeline.facts["evidence"]}
    run_id = log_run(
        mlflow,
        experiment="shelfsure-train",
        name=out.name,
        parameters=pipeline.config.model_dump() | {"catalogue": str(catalogue)},
        metrics={"n_listings": pipeline.facts["n_listings"], "unseen": evidence},
        files=out / "README.md",
        data=catalogue,
    )
    if unseen is not None:
        promote_and_say(mlflow, model_name or out.name, out, pipeline, unseen, run_id)
    elif run_id:
        from ..evaluation.registry import log_model

        log_model(mlflow, run_id, out)


@app.command()
@takes_options
def predict(
    bundle: BundleFolder,
    listings: CatalogueFile,
    out: Annotated[Path, typer.Option(help="Verdicts: .csv, .jsonl or .parquet.")],
    file: FileOptions,
    photos: PhotoOptions,
    encoders: EncoderOptions,
    no_duplicates: Annotated[
        bool, typer.Option("--no-duplicates", help="Don't look for duplicates: twice as fast.")
    ] = False,
    no_quality: Annotated[
        bool, typer.Option("--no-quality", help="Don't look for flaws of the photos.")
    ] = False,
    on_shift: OnShiftOption = "review",
) -> None:
    """Judge listings; every row of the file gets its line, rejected ones with the reason."""
    from collections import Counter

    from ..pipeline.batch import check_suffix, judge, write_verdicts
    from ..pipeline.pipeline import ListingPipeline

    check_suffix(out)
    catalog = file.catalog(listings, need_category=False)
    pipeline = ListingPipeline.load(bundle, encoders.run_options(photos))
    rows = judge(
        pipeline, catalog, duplicates=not no_duplicates, quality=not no_quality, on_shift=on_shift
    )
    write_verdicts(out, rows)
    counts = Counter(verdict.decision for _, verdict in rows)
    _say_shift(next((verdict.shift for _, verdict in rows if verdict.shift), None), on_shift)
    _say(", ".join(f"{n:,} {decision}" for decision, n in counts.most_common()) + f"; in {out}.")


@app.command()
@takes_options
def evaluate(
    bundle: BundleFolder,
    listings: CatalogueFile,
    out: Annotated[Path, typer.Option(help="Folder of the report.")],
    file: FileOptions,
    photos: PhotoOptions,
    encoders: EncoderOptions,
    outside: Outside = None,
    on_shift: OnShiftOption = "review",
    mlflow: Mlflow = LOCAL_STORE,
) -> None:
    """Compare fusion with photo and text alone on labelled listings; write a report."""
    from rich.console import Console

    from ..evaluation.compare import compare
    from ..evaluation.evaluate import evaluate as answer
    from ..evaluation.evaluate import thumbnails
    from ..evaluation.pictures import save_confusion
    from ..evaluation.plots import precision_by_coverage
    from ..evaluation.report import write_report
    from ..evaluation.tables import comparison_table
    from ..pipeline.pipeline import ListingPipeline

    catalog = file.catalog(listings, need_category=True)
    pipeline = ListingPipeline.load(bundle, encoders.run_options(photos))
    evaluation, catalog = answer(pipeline, catalog, outside=_outside(outside), on_shift=on_shift)
    header = {"bundle": f"{bundle.name} ({pipeline.version})", "listings": listings.name}
    page = write_report(evaluation, out, photos=thumbnails(catalog), header=header)
    save_confusion(evaluation, out)
    catalog.write_rejected(out / "rejected.csv")
    metrics = compare(evaluation)
    _say(catalog.summary(), rejected=out / "rejected.csv")
    Console().print(comparison_table(metrics))
    _say_shift(evaluation.shift, on_shift)
    if evaluation.shift is None or on_shift != "review":
        _say(_accepted(metrics["accepted"]))
    if ood := metrics.get("ood"):
        _say(
            f"Out of catalogue: {ood['refused_outside']:.1%} of {ood['n_outside']} outside photos "
            f"refused, and {ood['refused_inside']:.1%} of the catalogue's listings; "
            f"AUROC {ood['auroc']:.3f}, FPR95 {ood['fpr95']:.3f} (photos alone)."
        )
    _say(f"The report is {page}.")
    log_run(
        mlflow,
        experiment="shelfsure-evaluate",
        name=f"{bundle.name}-{listings.stem}",
        parameters={"bundle": str(bundle), "version": pipeline.version, "listings": str(listings)},
        metrics=metrics,
        files=out,
        curves={"precision_at_coverage_percent": precision_by_coverage(evaluation)},
        data=listings,
    )


for command in (
    recalibrate,
    finetune,
    backbones,
    split,
    sample,
    duplicates,
    classify,
    serve,
    export,
):
    app.command()(command)
groups = {"index": index_app, "taxonomy": taxonomy_app, "registry": registry_app}
for name, group in (groups | {"review": review_app, "cache": cache_app}).items():
    app.add_typer(group, name=name)


def _outside(folder: Path | None) -> "Sequence[Listing]":
    from ..catalog.catalog import photos_in

    return photos_in(folder) if folder else ()


def _say_training(pipeline: "ListingPipeline") -> None:
    facts, promise = pipeline.facts, pipeline.config.accept
    if facts["left_out"]:
        named = ", ".join(f"{name} ({n})" for name, n in facts["left_out"].items())
        _say(
            f"Warning: {len(facts['left_out'])} categories have fewer than "
            f"{pipeline.config.min_examples} listings and were left out: {named}"
        )
    _say(f"{len(pipeline.class_names)} categories, {facts['n_listings']:,} listings.")
    _say(_forecast(facts))
    full = max(facts["evidence"], key=lambda e: len(e["modalities"]))
    rule: Mapping[str, Any] = full["accept"]
    if rule["threshold"] > 1:
        _say(
            f"Warning: nothing will be accepted. {rule['n_groups']:,} groups of listings couldn't "
            f"show a precision of {promise.target_precision:.1%} with {promise.confidence:.1%} "
            f"confidence at any cut-off: it takes {rule['n_groups_needed']:,} of them accepted "
            "without a mistake, or more with some. Add listings of more groups, or lower "
            "accept.target_precision in the configuration."
        )
    else:
        _say(
            f"Expected: {rule['coverage']:.0%} accepted without a look, at least "
            f"{promise.target_precision:.1%} of them right ({promise.confidence:.1%} confidence, "
            f"shown on {rule['n_groups']:,} groups)."
        )


def _forecast(facts: Mapping[str, Any]) -> str:
    """Put into words what to expect of listings of known groups, and of new ones."""
    known, grouping = facts["forecast"], facts["grouping"]
    new = f"{known['new_groups']['right']:.1%} right on"
    if "same_groups" not in known:
        return f"{new} new listings, by answers to listings that weren't trained on."
    same = f"{known['same_groups']['right']:.1%} right on new listings of"
    if grouping["source"] == "column":
        return f"{same} groups that you know, {new} those of new groups."
    return (
        f"{same} sessions that you know, {new} those of new sessions or sellers. (There is no "
        "group column, but photos answer for others that look like them, so they were grouped by "
        "look. Name sellers with --group-column if you can.)"
    )


def _accepted(accepted: Mapping[str, Any]) -> str:
    if not accepted["n"]:
        return "Nothing was accepted: no answer reached its cut-off."
    said = (
        f"Accepted {accepted['coverage']:.1%} of the listings; {accepted['precision']:.1%} of them "
        f"were right (promised: {accepted['target_precision']:.1%})."
    )
    if accepted["precision_high"] < accepted["target_precision"]:
        said += (
            f" WARNING: the promise is broken. By chance at most {accepted['precision_high']:.1%} "
            "would come out of these. Train with listings like them before you accept any."
        )
    return said


def _say_shift(shift: "Shift | None", on_shift: str) -> None:
    if shift is not None:
        held = (
            "Nothing is accepted before it was calibrated for them."
            if on_shift == "review"
            else "What it promises of accepted ones doesn't hold for them."
        )
        _say(f"Warning: {shift.what} (p {shift.p_value:.1g}) {held}")


def _say(text: str, rejected: Path | None = None) -> None:
    typer.echo(f"{text}; reasons in {rejected}" if rejected and " 0 rejected" not in text else text)


def main() -> None:
    """Run a command; an expected error is one clear message, not a stack trace."""
    try:
        app(prog_name="shelfsure")
    except TrackingError as error:
        typer.echo(f"Warning: {error}", err=True)
        sys.exit(3)
    except ShelfsureError as error:
        typer.echo(f"Error: {error}", err=True)
        sys.exit(1)
