"""Doubted labels as verdicts, so that they can wait in the review queue."""

from collections.abc import Iterator

from ..catalog.listing import Listing
from ..pipeline.verdict import Guess, Verdict
from .audit import Audit
from .findings import LABEL_KINDS

AUDITOR = "audit"
"""Stands where a verdict names its bundle."""


def review_items(audit: Audit) -> Iterator[tuple[Listing, Verdict]]:
    """Give each listing whose label is doubted once, the strongest first, with what it may be."""
    listings = dict(zip(audit.catalog.rows, audit.catalog.listings, strict=True))
    seen: set[int] = set()
    for finding in audit.findings:
        row = finding.row
        if finding.kind not in LABEL_KINDS or row is None or row in seen or row not in listings:
            continue
        seen.add(row)
        sure = finding.strength if finding.kind != "duplicate_conflict" else 0.5
        guesses = (
            Guess(category=finding.suggested, probability=sure),
            Guess(category=finding.category, probability=1.0 - sure),
        )
        top = tuple(sorted(guesses, key=lambda guess: -guess.probability))
        yield (
            listings[row],
            Verdict(
                listing_id=finding.listing_id,
                category=top[0].category,
                probability=top[0].probability,
                decision="review",
                top_k=top,
                reasons=(f"Labelled {finding.category}. {finding.reason}",),
                model_version=AUDITOR,
            ),
        )
