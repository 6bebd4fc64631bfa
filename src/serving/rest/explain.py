"""What adds up to one listing's answer."""

from fastapi import Request
from pydantic import ValidationError

from ...catalog.listing import Listing
from ...core.errors import ExplanationError, PhotoError
from ...fusion.views import DESCRIPTION, PHOTO, TITLE
from ...pipeline.account import Account
from ...pipeline.explanation import account_listing
from ...pipeline.pipeline import ListingPipeline
from .problems import ProblemError, invalid
from .schemas import ExplainOptions, ListingAccount, RegionValue, TextValue, WordValue

_PARTS = (PHOTO, TITLE, DESCRIPTION)


def explain_options(request: Request) -> ExplainOptions:
    """Read what stands after ``?``; else a problem, ``invalid``."""
    given = request.query_params.multi_items()
    if len(given) > len(dict(given)):
        raise ProblemError(
            "invalid", "Each option after `?` may be given once, but one comes twice."
        )
    try:
        return ExplainOptions.model_validate(dict(given))
    except ValidationError as error:
        raise invalid(error, "?") from error


def listing_account(
    pipeline: ListingPipeline, listing: Listing, options: ExplainOptions
) -> ListingAccount:
    """Account for an answer; what is wrong with the listing, or an unknown category, is in it."""
    known = {"listing_id": listing.listing_id, "model_version": pipeline.version}
    try:
        details = options.details == "true"
        account = account_listing(pipeline, listing, options.category, details=details)
    except (PhotoError, ExplanationError) as error:
        problem = ProblemError("invalid", str(error)).problem()
        return ListingAccount.model_validate(known | {"error": problem})
    return ListingAccount.model_validate(known | _values(account))


def _values(account: Account) -> dict[str, object]:
    regions = account.regions
    return {
        "category": account.category,
        "prior_nats": account.prior_nats,
        "parts": account.parts,
        "answer_nats": account.answer_nats,
        "photo_text_nats": account.photo_text_nats,
        "dividends": {
            "+".join(part for part in _PARTS if part in parts): nats
            for parts, nats in account.dividends.items()
        },
        "words": {
            part: TextValue(
                text=words.text,
                words=[WordValue(start=w.start, end=w.end, nats=w.nats) for w in words.words],
            )
            for part, words in account.words.items()
        },
        "regions": regions
        and RegionValue(
            nats=regions.nats.tolist(), blurred_nats=regions.blurred_nats, box=regions.box
        ),
    }
