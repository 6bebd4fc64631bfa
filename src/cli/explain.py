"""`shelfsure explain`: what adds up to a listing's answer."""

from pathlib import Path
from typing import Annotated

import typer

from .messages import print_table, say
from .options import BundleFolder, EncoderOptions, PhotoOptions, takes_options


@takes_options
def explain(
    bundle: BundleFolder,
    photos: PhotoOptions,
    encoders: EncoderOptions,
    photo: Annotated[Path | None, typer.Option(help="The listing's photo.")] = None,
    title: Annotated[str | None, typer.Option(help="Its title.")] = None,
    description: Annotated[str | None, typer.Option(help="Its description.")] = None,
    category: Annotated[
        str | None, typer.Option(help="Explain this trained category (default: the answer).")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Also write a page (HTML), with the heat maps.")
    ] = None,
    details: Annotated[
        bool,
        typer.Option(
            "--details/--parts-only", help="Also say what words and regions of the photo add."
        ),
    ] = True,
) -> None:
    """Say what photo, title and description add to the answer's log-odds, and how much each.

    In nats: positive speaks for the category. The parts sum to the answer, words to their text,
    regions to the photo.
    """
    from ..catalog.listing import Listing
    from ..core.files import require_free_file
    from ..pipeline.explanation import explain_listing
    from ..pipeline.explanation_report import EXPLANATION, signed, write_explanation
    from ..pipeline.pipeline import ListingPipeline

    if out:
        require_free_file(out, EXPLANATION, inputs=(photo,))
    pipeline = ListingPipeline.load(bundle, encoders.run_options(photos, progress=False))
    listing = Listing(title=title, image=photo, description=description)
    found = explain_listing(pipeline, listing, category, details=details, progress=True)
    account = found.account
    say(f"{account.category}: log-odds {signed(account.answer_nats)} nats")
    rows = [(row["part"], row["what"], signed(float(row["nats"]))) for row in account.table()]
    print_table(("part", "of it", "nats"), rows)
    if account.photo_text_nats is not None:
        say(f"Photo and text together, beside each alone: {signed(account.photo_text_nats)}.")
    if out:
        header = {"bundle": f"{bundle.name} ({pipeline.version})"}
        header |= {"photo": photo.name} if photo else {}
        header |= {"title": title} if title else {}
        write_explanation(found, out, header=header)
        say(f"The page is {out}.")
