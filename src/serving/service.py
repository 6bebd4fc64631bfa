"""One model, many callers: requests wait in a bounded queue and are judged together.

The demo, REST and whoever embeds Shelfsure all ask here, so that they all get the same verdicts.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from itertools import compress, islice

from ..catalog.listing import Listing
from ..monitoring.verdict_log import VerdictLog
from ..pipeline.pipeline import ListingPipeline
from ..pipeline.shift import OnShift
from ..pipeline.verdict import Verdict
from .ab_test import ABTest
from .answering import Answering, in_order
from .challenger import Challenger
from .job_queue import Job, JobQueue, Part, QueueFullError, ServiceClosedError
from .metrics import Metrics
from .review.audit import Auditor
from .search import Searcher
from .shadow import QUIET_S
from .stream_watch import StreamWatch
from .verdict_webhook import VerdictWebhook

__all__ = ["QueueFullError", "Service", "ServiceClosedError"]

_LOG = logging.getLogger(__name__)
WAITED_FRACTION = 0.1


class Service(AbstractContextManager["Service"]):
    """A pipeline behind a queue; open at once, ready when the pipeline is loaded.

    Parameters
    ----------
    open_pipeline
        Loads the pipeline: now, in the worker's thread, and again at each `reload`.
    max_batch
        Listings judged together, at most.
    max_wait_s
        After a batch, wait at most this long, or a tenth of what the batch took, for those who were
        just answered to ask again: who misses a batch waits for all of it. Somebody who asks alone
        never waits.
    max_queue
        Listings that may wait; beyond, QueueFullError. A job larger than that is taken only while
        nothing else waits.
    on_shift
        What to do once the listings that come in have drifted away from the training listings, as
        for `ListingPipeline.predict`; it lasts until another bundle is loaded. Also for whoever
        looks at a drift among their own.
    auditor
        Draws accepted listings for a look, and ends accepting where those say that the promise is
        broken.
    verdict_log, webhook
        Keeps, and posts, what was judged in the stream that is watched; no answer waits for them.
    challenger
        Answers its share of that stream in place of the pipeline, and judges the rest behind the
        answers; whatever becomes of it, the pipeline answers.
    """

    def __init__(
        self,
        open_pipeline: Callable[[], ListingPipeline],
        *,
        max_batch: int = 16,
        max_wait_s: float = 0.004,
        max_queue: int = 256,
        on_shift: OnShift = "ignore",
        auditor: Auditor | None = None,
        verdict_log: VerdictLog | None = None,
        webhook: VerdictWebhook | None = None,
        challenger: Challenger | None = None,
    ) -> None:
        self.max_batch, self.max_wait_s = max_batch, max_wait_s
        self.ending = False  # whether whoever serves has been told to end
        self.metrics, self.searcher = Metrics(), Searcher()
        self.webhook = webhook
        if webhook:
            self.metrics.watch_webhook(webhook)
        self.on_shift, self.verdict_log, self.challenger = on_shift, verdict_log, challenger
        self.watch = StreamWatch(on_shift, auditor, self.metrics)
        self._open = open_pipeline
        self._pipeline: ListingPipeline | None = None
        self._load_error: BaseException = ServiceClosedError("No pipeline was loaded.")
        self._loaded = threading.Event()
        self._reloading = threading.Lock()
        self._queue = JobQueue(max_queue)
        self._listing_s = 0.1  # a guess until the first batch
        self.metrics.queued.set_function(lambda: self._queue.n_waiting)
        self.metrics.ready.set_function(lambda: self.ready)
        self._idle_since: float | None = time.perf_counter()
        self._ab_test: ABTest | None = None
        if challenger:
            self._ab_test = ABTest(challenger, self.watch, self.metrics, verdict_log, self._quiet)
        self._answering = Answering(self.watch, self.metrics, verdict_log, self._ab_test)
        self._worker = threading.Thread(target=self._work, name="shelfsure-model", daemon=True)
        self._worker.start()

    @property
    def ready(self) -> bool:
        """Whether it answers now: loaded, and not closing."""
        return self._pipeline is not None and not self.closing

    @property
    def closing(self) -> bool:
        """Whether nothing new is taken any more."""
        return self._queue.closed

    @property
    def n_waiting(self) -> int:
        """Listings in the queue, those under way left out."""
        return self._queue.n_waiting

    @property
    def pipeline(self) -> ListingPipeline:
        """The pipeline in use; take it once a request, because `reload` exchanges it.

        Waits until it is loaded.

        Raises
        ------
        ShelfsureError
            What loading raised.
        """
        self._loaded.wait()
        if self._pipeline is None:
            raise self._load_error
        return self._pipeline

    def submit(
        self,
        listings: Sequence[Listing],
        *,
        duplicates: bool = True,
        watched: bool = True,
        photo_problem: str | None = None,
    ) -> "Future[list[Verdict]]":
        """Queue listings; the future holds their verdicts, in order.

        Cancel the future to take out of the queue what isn't judged yet.

        Parameters
        ----------
        duplicates
            As for `ListingPipeline.predict`.
        watched
            They belong to the stream that is watched for a drift, and audited. Else it neither
            counts them nor holds them: for somebody who tries things out, or watches a stream of
            their own, and asks for `audited` at its end.
        photo_problem
            Why photos that the listings have aren't among them; their verdicts say it.

        Raises
        ------
        QueueFullError
            If too many listings wait.
        ServiceClosedError
            If the service is closing.
        """
        job = Job(list(listings), duplicates, watched, photo_problem)
        if not job.listings:
            job.finish()
            return job.future
        try:
            self._queue.put(job, self._listing_s)
        except QueueFullError:
            self.metrics.refused.inc()
            raise
        return job.future

    def judge(self, listing: Listing, *, watched: bool = True) -> Verdict:
        """Submit one listing and wait for its verdict; a broken promise holds it in any case."""
        verdict = self.submit([listing], watched=watched).result()[0]
        return verdict if watched else self.watch.held(self.pipeline, verdict)

    def reload(self) -> str:
        """Open the pipeline anew and use it from now on; jobs under way end with the old one.

        Gives the version in use now.

        Raises
        ------
        ShelfsureError
            If the new one can't be opened; the old one stays in use.
        """
        with self._reloading:
            old = self.pipeline
            try:
                fresh = self._open()
            except BaseException:
                self.metrics.reloads.labels("failed").inc()
                raise
            self._pipeline = fresh
        self.metrics.reloads.labels("done").inc()
        _LOG.info("bundle %s replaced by %s", old.version, fresh.version)
        return fresh.version

    def close(self) -> None:
        """Take nothing new, finish what was accepted, and end."""
        self._queue.close()
        self._worker.join()
        if self._ab_test:
            self._ab_test.close()

    def __exit__(self, *error: object) -> None:
        self.close()

    def _work(self) -> None:
        try:
            self._pipeline = self._open()
        except BaseException as error:  # noqa: BLE001 (whoever asks gets it)
            self._load_error = error
            self._queue.close(error)
            return
        finally:
            self._loaded.set()
        took_s = 0.0
        while self._queue.wait(max(self.max_wait_s, WAITED_FRACTION * took_s), self.max_batch):
            parts = self._queue.take(self._pipeline, self.max_batch)
            start, self._idle_since = time.perf_counter(), None
            if parts:
                self._answer(parts)
            self._idle_since = time.perf_counter()
            took_s = self._idle_since - start

    def _quiet(self) -> bool:
        """Whether nobody asks, and nobody has just been answered, who may ask again."""
        idle = self._idle_since
        return idle is not None and time.perf_counter() > idle + QUIET_S and not self.n_waiting

    def _answer(self, parts: Sequence[Part]) -> None:
        pipeline, duplicates = parts[0][0].pipeline or self.pipeline, parts[0][0].duplicates
        listings = [listing for job, n in parts for listing in job.next(n)]
        watched = [job.watched for job, n in parts for _ in range(n)]
        start = time.perf_counter()
        for job, _ in parts:
            if not job.verdicts:
                self.metrics.waited_seconds.observe(start - job.queued_at)
        try:
            rounds = self._answering.judge(pipeline, listings, watched, duplicates=duplicates)
        except Exception as error:  # noqa: BLE001 (it goes to whoever asked)
            if len(parts) > 1:  # one caller's trouble isn't another's
                for part in parts:
                    self._answer([part])
                return
            _LOG.exception("judging %d listings failed", len(listings))
            self.metrics.failures.inc()
            parts[0][0].fail(error)
            return
        verdicts = in_order(rounds)
        problems = [job.photo_problem for job, n in parts for _ in range(n)]
        verdicts = [
            verdict.without_photo(why) if why else verdict
            for verdict, why in zip(verdicts, problems, strict=True)
        ]
        took_s = time.perf_counter() - start
        self._listing_s += 0.2 * (took_s / len(verdicts) - self._listing_s)
        self.metrics.count_batch(verdicts, took_s)
        self._queue.expect(len(parts))
        rest = iter(verdicts)
        for job, n in parts:
            job.verdicts += islice(rest, n)
            if job.n_left:
                self._queue.put_back(job)
            else:
                job.finish()
        if self.webhook:
            self.webhook.add([*compress(verdicts, watched)])
        self._answering.keep(pipeline, rounds, watched, duplicates=duplicates)

    def audited(
        self, pipeline: ListingPipeline, listings: Sequence[Listing], verdicts: list[Verdict]
    ) -> list[Verdict]:
        """Have some accepted listings looked at, of a stream that somebody watches by himself."""
        return self.watch.audited(pipeline, listings, verdicts)
