"""A batch of listings to verdicts: judged, looked at as a stream, and kept once it is answered."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime

from ..catalog.listing import Listing
from ..monitoring.log_rows import Link
from ..monitoring.verdict_log import VerdictLog
from ..pipeline.pipeline import ListingPipeline
from ..pipeline.verdict import Verdict
from .ab_test import ABTest
from .metrics import Metrics
from .rounds import Round, judge_round
from .stream_watch import StreamWatch

_LOG = logging.getLogger(__name__)


class Answering:
    """Judges batches by the pipeline that is given, or in a trial by two.

    Parameters
    ----------
    ab_test
        The trial; None: there is no challenger.
    """

    def __init__(
        self,
        watch: StreamWatch,
        metrics: Metrics,
        verdict_log: VerdictLog | None,
        ab_test: ABTest | None,
    ) -> None:
        self.watch, self.metrics = watch, metrics
        self.verdict_log, self.ab_test = verdict_log, ab_test

    def judge(
        self,
        pipeline: ListingPipeline,
        listings: Sequence[Listing],
        watched: Sequence[bool],
        *,
        duplicates: bool,
    ) -> list[Round]:
        """Judge a batch; what is `watched` is looked at as part of the stream.

        Raises
        ------
        Exception
            What the pipeline raises.
        """
        if self.ab_test:
            rounds = self.ab_test.judge(pipeline, listings, watched, duplicates=duplicates)
        else:
            keep, rows = self.verdict_log is not None, range(len(listings))
            options = {"duplicates": duplicates, "keep_vectors": keep}
            rounds = [judge_round(pipeline, "champion", listings, rows, **options)]
        for each in rounds:
            self._look_at(each, each.places(watched))
        return rounds

    def keep(
        self,
        pipeline: ListingPipeline,
        rounds: Sequence[Round],
        watched: Sequence[bool],
        *,
        duplicates: bool,
    ) -> None:
        """Log what is `watched`, and have the other model judge it; trouble stops nothing."""
        links: list[list[Link | None]] = [[None] * len(each.places(watched)) for each in rounds]
        now = datetime.now(UTC)
        try:
            if self.ab_test:
                links = self.ab_test.answered(pipeline, rounds, watched, now, duplicates=duplicates)
            for each, own in zip(rounds, links, strict=True):
                if self.verdict_log is not None:
                    each.log_to(self.verdict_log, each.places(watched), own, now)
        except Exception:  # noqa: BLE001 (whatever it is, serving goes on)
            _LOG.exception("%d verdicts couldn't be logged", sum(watched))
        if self.verdict_log is not None:
            self.metrics.log_dropped.set(self.verdict_log.n_dropped)

    def _look_at(self, judged: Round, places: Sequence[int]) -> None:
        """Look for a drift in the stream, and at the promise."""
        listings = [judged.listings[place] for place in places]
        verdicts = [judged.verdicts[place] for place in places]
        looked_at = self.watch.watched(judged.pipeline, listings, verdicts, judged.role)
        for place, verdict in zip(places, looked_at, strict=True):
            judged.verdicts[place] = verdict


def in_order(rounds: Sequence[Round]) -> list[Verdict]:
    """Put the verdicts of a batch's rounds back into its order."""
    said = {row: v for each in rounds for row, v in zip(each.rows, each.verdicts, strict=True)}
    return [said[row] for row in sorted(said)]
