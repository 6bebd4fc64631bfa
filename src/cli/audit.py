"""`shelfsure audit`: what to repair in a catalogue before training on it."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .messages import say, say_levels
from .options import (
    CatalogueFile,
    ConfigOption,
    EncoderOptions,
    FileOptions,
    PhotoOptions,
    takes_options,
)

if TYPE_CHECKING:
    from ..exploration.audit import Audit


@takes_options
def audit(
    catalogue: CatalogueFile,
    out: Annotated[Path, typer.Option(help="Folder of the report.")],
    file: FileOptions,
    photos: PhotoOptions,
    encoders: EncoderOptions,
    config: ConfigOption = "starter",
    levels: Annotated[int | None, typer.Option(help="Category levels to look at.", min=1)] = None,
    min_examples: Annotated[
        int, typer.Option(help="Judge no category with fewer listings.", min=2)
    ] = 5,
    seed: Annotated[int | None, typer.Option(min=0)] = None,
    test: Annotated[
        Path | None, typer.Option(help="Listings to be measured on: name those that leak into it.")
    ] = None,
    split_column: Annotated[
        str | None,
        typer.Option(help="Column that names each row's part, train or test: name leaks."),
    ] = None,
    learning_curve: Annotated[
        bool,
        typer.Option(
            "--learning-curve/--no-learning-curve", help="Forecast what more examples would bring."
        ),
    ] = True,
    review: Annotated[
        bool, typer.Option("--review", help="Put doubted labels into the review queue.")
    ] = False,
) -> None:
    """Find what to repair before training: labels, duplicates, categories, photos, titles."""
    from ..core.config import load_config
    from ..core.files import atomic_folder, require_free_folder
    from ..embedding.embedder import load_embedder
    from ..exploration.audit import audit_catalog
    from ..exploration.report import AUDIT, write_audit

    require_free_folder(out, AUDIT, replace=True, inputs=(catalogue, test))
    settings = load_config(config, levels=levels, min_examples=min_examples, seed=seed)
    catalog = file.catalog(catalogue, need_category=True)
    file.require_usable(catalog)
    say_levels(catalog, levels)
    part = _parts(file, catalogue, split_column) if split_column else None
    measured = file.catalog(test, need_category=False) if test else None
    options = encoders.run_options(photos)
    settings = options.applied_to(settings)
    found = audit_catalog(
        catalog,
        settings,
        embedder=load_embedder(settings, options),
        test=measured,
        part=part,
        learning_curve=learning_curve,
    )
    file.require_usable(found.catalog)
    with atomic_folder(out, AUDIT, replace=True) as staging:
        write_audit(found, staging, header={"catalogue": catalogue.name})
        found.catalog.write_rejected(staging / "rejected.csv")
    say(found.catalog.summary(), rejected=out / "rejected.csv")
    counts = Counter(finding.kind.replace("_", " ") for finding in found.findings)
    say("Found: " + (", ".join(f"{n:,} {kind}" for kind, n in counts.items()) or "nothing") + ".")
    say(f"An estimated {found.wrong_fraction:.1%} of {found.n_judged:,} labels are wrong.")
    if review:
        _queue(found)
    say(f"The report is {out / 'audit.html'}; findings.csv beside it is for a spreadsheet.")


def _parts(file: FileOptions, catalogue: Path, column: str) -> dict[int, str]:
    """Read each data row's part; the reader gives a column of any name as a brand."""
    from ..core.errors import CatalogError

    named = replace(file, brand_column=column)
    try:
        catalog = named.catalog(catalogue, need_category=True)
    except CatalogError as error:
        raise CatalogError(str(error).replace("--brand-column", "--split-column")) from error
    return {
        row: one.brand for row, one in zip(catalog.rows, catalog.listings, strict=True) if one.brand
    }


def _queue(found: "Audit") -> None:
    from ..core.errors import PhotoError
    from ..exploration.review_items import review_items
    from ..serving.review.store import ReviewStore

    store, n_queued = ReviewStore(), 0
    for listing, verdict in review_items(found):
        try:
            store.add(listing, verdict)
        except PhotoError as error:
            say(f"Not queued: {listing.listing_id}: {error}")
            continue
        n_queued += 1
    say(f"{n_queued:,} listings wait in the review queue {store.path}.")
