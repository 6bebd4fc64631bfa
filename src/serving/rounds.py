"""One model's part of a batch: which listings, what it said of them, and how that is logged."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ..catalog.listing import Listing
from ..embedding.listings import EmbeddedListings
from ..monitoring.log_rows import Link, Role
from ..monitoring.verdict_log import VerdictLog
from ..pipeline.pipeline import ListingPipeline
from ..pipeline.verdict import Verdict

__all__ = ["Role", "Round", "judge_round"]


@dataclass
class Round:
    """Listings that one model judged together.

    Parameters
    ----------
    rows
        Where each listing stands in its batch.
    blocks
        The listings as vectors, in order; empty unless they are to be logged.
    stood_in
        The other model has just failed on some of them, and isn't asked again.
    """

    pipeline: ListingPipeline
    role: Role
    rows: Sequence[int]
    listings: Sequence[Listing]
    verdicts: list[Verdict]
    blocks: list[EmbeddedListings] = field(default_factory=list)
    stood_in: bool = False

    def places(self, watched: Sequence[bool]) -> list[int]:
        """Find where in this round the listings stand that are watched; by rows of the batch."""
        return [place for place, row in enumerate(self.rows) if watched[row]]

    def log_to(
        self,
        log: VerdictLog,
        keep: Sequence[int],
        links: Sequence[Link | None],
        time: datetime,
    ) -> None:
        """Log some of the verdicts.

        Parameters
        ----------
        keep
            Places in this round, ascending.
        links
            One for each of them.
        time
            When they were answered.
        """
        first = 0
        link_of = dict(zip(keep, links, strict=True))
        for block in self.blocks:
            own = [place for place in keep if first <= place < first + len(block.listings)]
            log.add(
                block.take([place - first for place in own]),
                [self.verdicts[place] for place in own],
                [link_of[place] for place in own],
                time,
            )
            first += len(block.listings)


def judge_round(
    pipeline: ListingPipeline,
    role: Role,
    listings: Sequence[Listing],
    rows: Sequence[int],
    *,
    duplicates: bool,
    keep_vectors: bool,
) -> Round:
    """Let a model judge some of a batch's listings."""
    own, blocks = [listings[row] for row in rows], []
    options: dict[str, Any] = {}
    if keep_vectors:
        options["on_judged"] = lambda block, _: blocks.append(block)
    verdicts = pipeline.predict(own, duplicates=duplicates, on_shift="ignore", **options)
    if len(verdicts) != len(own):
        raise ValueError(f"{len(own)} listings need as many verdicts, got {len(verdicts)}.")
    return Round(pipeline, role, rows, own, verdicts, blocks)
