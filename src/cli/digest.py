"""`shelfsure digest`: what of a file of verdicts a category manager should look at."""

from pathlib import Path
from typing import Annotated

import typer

from .messages import say
from .options import (
    BundleFolder,
    CatalogueFile,
    EncoderOptions,
    FileOptions,
    PhotoOptions,
    takes_options,
)


@takes_options
def digest(
    bundle: BundleFolder,
    verdicts: Annotated[Path, typer.Argument(help="What `shelfsure predict` wrote.")],
    listings: CatalogueFile,
    out: Annotated[Path, typer.Option(help="Folder of the report.")],
    file: FileOptions,
    photos: PhotoOptions,
    encoders: EncoderOptions,
) -> None:
    """Gather what is doubtful, by category and into groups of a kind: a page and tables.

    Where held-out answers show one, each category has a cut-off of its own beside it; nothing is
    accepted by it.
    """
    from ..core.files import atomic_folder, require_free_folder
    from ..exploration.digest import digest_verdicts, doubtful_rows, require_same_file
    from ..exploration.digest_report import DIGEST, write_digest
    from ..pipeline.category_rules import CategoryRule
    from ..pipeline.pipeline import ListingPipeline
    from ..pipeline.verdict_file import read_rows

    require_free_folder(out, DIGEST, replace=True, inputs=(verdicts, listings))
    judged = read_rows(verdicts)
    catalog = file.catalog(listings, need_category=False)
    by_row = dict(zip(catalog.rows, catalog.listings, strict=True))
    require_same_file(judged, by_row, verdicts, listings)
    pipeline = ListingPipeline.load(bundle, encoders.run_options(photos))
    rules = [*map(CategoryRule.from_json, pipeline.facts.get("category_rules", ()))]
    if others := {row.verdict.model_version for row in judged} - {pipeline.version, ""}:
        rules = []
        say(
            f"Warning: {verdicts} is by bundle {', '.join(sorted(others))}, not "
            f"{pipeline.version}: no category's own cut-off is shown."
        )
    rows = doubtful_rows(judged)
    embedded = pipeline.embedder.embed([by_row[row] for row in rows], description=False)
    min_examples = pipeline.config.accept.min_examples
    found = digest_verdicts(judged, embedded, rows, rules, min_examples)
    header = {"bundle": pipeline.version, "verdicts": verdicts.name, "listings": listings.name}
    with atomic_folder(out, DIGEST, replace=True) as staging:
        write_digest(found, staging, by_row, header)
    said = ", ".join(f"{n:,} {decision}" for decision, n in found.decisions.most_common())
    say(f"{said}; {len(rows):,} doubtful ones are in {out / 'digest.html'}.")
