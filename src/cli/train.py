"""The command that trains."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..core.files import require_free_file, require_free_folder
from ..core.tracking import LOCAL_STORE, log_run
from .additions import With, merged
from .messages import say, say_expected, say_levels
from .options import (
    CatalogueFile,
    ConfigOption,
    EncoderOptions,
    FileOptions,
    Mlflow,
    Outside,
    Overwrite,
    PhotoOptions,
    photos_outside,
    takes_options,
)
from .registry import promote_and_say

if TYPE_CHECKING:
    from ..pipeline.pipeline import ListingPipeline

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
        int | None, typer.Option(help="Know categories with fewer listings by name alone.", min=1)
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0)] = None,
    image_encoder: Annotated[
        str | None,
        typer.Option(help="Folder that `shelfsure finetune` wrote, or a timm model's name."),
    ] = None,
    outside: Outside = None,
    others: With = None,
    overwrite: Overwrite = False,
    mlflow: Mlflow = LOCAL_STORE,
    promote: Promote = None,
    model_name: ModelName = None,
) -> None:
    """Train on a labelled catalogue and save a bundle."""
    from ..catalog.export import REJECTED
    from ..core.config import image_encoder_section, load_config
    from ..pipeline.bundle import BUNDLE
    from ..pipeline.pipeline import ListingPipeline

    out = out.resolve()
    require_free_folder(out, BUNDLE, replace=overwrite)
    require_free_file(out / "rejected.csv", REJECTED, inputs=(catalogue, promote, *(others or ())))
    if promote is not None:
        from ..evaluation.registry import check_registry

        check_registry(mlflow, model_name or out.name)
    unseen = file.catalog(promote, need_category=True) if promote else None
    settings = load_config(
        config,
        levels=levels,
        min_examples=min_examples,
        seed=seed,
        image=image_encoder_section(image_encoder) if image_encoder else None,
    )
    more = merged(file.catalog(catalogue, need_category=True), others or (), file)
    catalog = more.catalog
    say_levels(catalog, levels)
    options, strangers = encoders.run_options(photos), [*photos_outside(outside), *more.outside]
    pipeline = ListingPipeline.fit(catalog, settings, options, outside=strangers)
    file.require_usable(pipeline.catalog or catalog)
    pipeline = pipeline.save(out, overwrite=overwrite)
    catalog = pipeline.catalog or catalog
    catalog.write_rejected(out / "rejected.csv")
    say(catalog.summary(), rejected=out / "rejected.csv")
    _say_training(pipeline)
    say(f"Bundle {pipeline.version} is in {out}; its README.md says more.")
    evidence = {"_".join(e["modalities"]): e for e in pipeline.facts["evidence"]}
    run_id = log_run(
        mlflow,
        experiment="shelfsure-train",
        name=out.name,
        parameters=pipeline.config.model_dump()
        | {"catalogue": str(catalogue), "with": ", ".join(map(str, others or ()))},
        metrics={"n_listings": pipeline.facts["n_listings"], "unseen": evidence},
        files=out / "README.md",
        data=catalogue,
    )
    if unseen is not None:
        promote_and_say(mlflow, model_name or out.name, out, pipeline, unseen, run_id)
    elif run_id:
        from ..evaluation.registry import log_model

        log_model(mlflow, run_id, out)


def _say_training(pipeline: "ListingPipeline") -> None:
    facts = pipeline.facts
    if facts["left_out"]:
        named = ", ".join(f"{name} ({n})" for name, n in facts["left_out"].items())
        say(
            f"Warning: {len(facts['left_out'])} categories have fewer than "
            f"{pipeline.config.min_examples} listings and were left out: {named}"
        )
    say(f"{len(pipeline.class_names)} categories, {facts['n_listings']:,} listings.")
    say(_forecast(facts))
    say_expected(pipeline)
    say(joint_space_line(facts.get("joint_space", {})))


def joint_space_line(facts: Mapping[str, Any]) -> str:
    """Put into words what the catalogue's own pairs of photo and title taught."""
    if not facts:
        return "Photos and titles aren't aligned: too few listings have both."
    found = _change(facts["retrieval"])
    said = f"Of left-out photos, their own title comes up in the first 10 {found}"
    if "retrieval" not in facts["kept"]:
        return f"{said}: no gain, so photos and titles aren't aligned."
    if "left_out" not in facts:
        return f"{said} once aligned."
    named = (
        f"{said} once aligned. Listings of left-out categories are named rightly "
        f"{_change(facts['left_out'])}, of known ones {_change(facts['known'])}"
    )
    return (
        f"{named}." if "names" in facts["kept"] else f"{named}: no gain, so names stay as they are."
    )


def _change(gain: Mapping[str, float]) -> str:
    return f"{gain['after']:.1%} of the time (before: {gain['before']:.1%})"


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
