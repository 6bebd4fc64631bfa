"""Champion and challenger on the same requests: who answers, and what the other says behind it."""

import logging
import secrets
import threading
from collections.abc import Callable, Sequence
from datetime import datetime

from ..catalog.listing import Listing
from ..core.config import AcceptConfig
from ..core.errors import ShelfsureError
from ..monitoring.experiment import Contender, Experiment
from ..monitoring.log_rows import Link
from ..monitoring.pairs import agree
from ..monitoring.verdict_log import VerdictLog
from ..pipeline.pipeline import ListingPipeline
from .challenger import Challenger, Off
from .metrics import Metrics
from .rounds import Round, judge_round
from .routing import in_share
from .shadow import Shadow, ShadowTask
from .stream_watch import StreamWatch

_LOG = logging.getLogger(__name__)


class ABTest:
    """Has a challenger judge beside the champion; whatever it does, the champion can answer.

    Parameters
    ----------
    watch
        Looks at each one's verdicts, and knows what audits say of them.
    quiet
        As for `Shadow`.
    """

    def __init__(
        self,
        challenger: Challenger,
        watch: StreamWatch,
        metrics: Metrics,
        verdict_log: VerdictLog | None,
        quiet: Callable[[], bool],
    ) -> None:
        self.challenger, self.watch = challenger, watch
        self.metrics, self.verdict_log = metrics, verdict_log
        self._champion: ListingPipeline | None = None
        self._noted: tuple[str, str, Off | None] | None = None
        self._noting = threading.Lock()
        self._shadow = Shadow(self._judge_behind, quiet, self._count_dropped)
        threading.Thread(target=challenger.load, name="shelfsure-challenger", daemon=True).start()

    def opponent(self, champion: ListingPipeline) -> ListingPipeline | None:
        """Give the challenger that may judge now; None while there is none."""
        pipeline, self._champion = self.challenger.pipeline, champion
        if pipeline is not None:
            promise = self.watch.promise(pipeline)
            if pipeline.version and pipeline.version == champion.version:
                self.challenger.stop("promoted", "It is the champion now.")
            elif promise is not None and promise.broken:
                self.challenger.stop("promise", f"{promise.said} That breaks the promise.")
        self._note()
        return self.challenger.pipeline

    def judge(
        self,
        champion: ListingPipeline,
        listings: Sequence[Listing],
        watched: Sequence[bool],
        *,
        duplicates: bool,
    ) -> list[Round]:
        """Judge a batch: the challenger its share, the champion the rest, and all if that fails.

        Raises
        ------
        Exception
            What the champion raises.
        """
        opponent = self.opponent(champion)
        theirs: list[int] = []
        if opponent is not None:
            share = self.challenger.share
            theirs = [n for n, x in enumerate(listings) if watched[n] and in_share(x, share)]
        rounds, failure = [], None
        options = {"duplicates": duplicates, "keep_vectors": self.verdict_log is not None}
        if opponent is not None and theirs:
            try:
                rounds.append(judge_round(opponent, "challenger", listings, theirs, **options))
            except Exception as error:  # noqa: BLE001 (whatever it is, the champion answers)
                failure, theirs = error, []
        own = sorted({*range(len(listings))} - {*theirs})
        if own:
            rounds.append(judge_round(champion, "champion", listings, own, **options))
        if failure is not None:  # and the champion could: it wasn't the listings
            rounds[-1].stood_in = True
            self.metrics.challenger_failures.inc()
            self.challenger.failed(failure)
        elif theirs:
            self.challenger.succeeded()
        return rounds

    def answered(
        self,
        champion: ListingPipeline,
        rounds: Sequence[Round],
        watched: Sequence[bool],
        answered_at: datetime,
        *,
        duplicates: bool,
    ) -> list[list[Link | None]]:
        """Have the other model judge what was answered; links for the rounds' watched listings."""
        opponent = self.challenger.pipeline
        links: list[list[Link | None]] = []
        tasks: list[ShadowTask] = []
        for each in rounds:
            places = each.places(watched)
            self.metrics.answers.labels(each.role).inc(len(places))
            theirs = each.role == "challenger"
            other = champion if theirs else None if each.stood_in else opponent
            own = [
                Link(secrets.token_hex(8), each.role, answered=True) if other else None
                for _ in places
            ]
            links.append(own)
            for place, link in zip(places, own, strict=True):
                if link is None or other is None:
                    continue
                behind = Link(link.pair, "champion" if theirs else "challenger", answered=False)
                said = each.verdicts[place]
                listing = each.listings[place]
                tasks.append(ShadowTask(listing, said, answered_at, other, behind, duplicates))
        self._shadow.put(tasks)
        return links

    def close(self) -> None:
        self._shadow.close()

    def _judge_behind(self, tasks: Sequence[ShadowTask]) -> None:
        if self.challenger.off:
            self._count_dropped(len(tasks))
            return
        pipeline, role = tasks[0].pipeline, tasks[0].link.role
        listings = [task.listing for task in tasks]
        try:
            said = judge_round(
                pipeline,
                role,
                listings,
                range(len(listings)),
                duplicates=tasks[0].duplicates,
                keep_vectors=self.verdict_log is not None,
            )
            said.verdicts = self.watch.watched(pipeline, listings, said.verdicts, role)
        except Exception as error:  # noqa: BLE001 (whatever it is, serving goes on)
            self.metrics.shadow.labels("failed").inc(len(tasks))
            if role == "challenger":
                self.challenger.failed(error)
            else:
                _LOG.exception("judging %d listings behind the answer failed", len(tasks))
            self._note()
            return
        if role == "challenger":
            self.challenger.succeeded()
        self.metrics.shadow.labels("judged").inc(len(tasks))
        for task, verdict in zip(tasks, said.verdicts, strict=True):
            same = agree(task.answer.category, verdict.category)
            self.metrics.pairs.labels("yes" if same else "no").inc()
        self._log_behind(tasks, said)

    def _log_behind(self, tasks: Sequence[ShadowTask], said: Round) -> None:
        if self.verdict_log is None:
            return
        try:
            for place, task in enumerate(tasks):  # each at its own answer's time
                said.log_to(self.verdict_log, [place], [task.link], task.answered_at)
        except Exception:  # noqa: BLE001 (whatever it is, serving goes on)
            _LOG.exception("%d verdicts couldn't be logged", len(tasks))

    def _count_dropped(self, n: int) -> None:
        self.metrics.shadow.labels("dropped").inc(n)

    def _note(self) -> None:
        """Say and write down who is compared with whom, whenever that changes."""
        champion, challenger, off = self._champion, self.challenger.last, self.challenger.off
        versions = [each.version if each else "" for each in (champion, challenger)]
        with self._noting:
            if self._noted == (*versions, off):
                return
            self._noted = versions[0], versions[1], off
        self.metrics.show_challenger(versions[1], off.why if off else None)
        if self.verdict_log is None or champion is None:
            return
        if challenger is None and (off is None or off.why != "loading"):
            return
        if off and off.why == "promoted":  # what was compared stays to be read
            return
        reason = off.reason if off and off.why != "removed" else None  # that was somebody's wish
        one, other = self.challenger.bundles
        experiment = Experiment(
            _contender(champion.version, one, champion.config.accept),
            _contender(versions[1], other, (challenger or champion).config.accept),
            share=self.challenger.share,
            off=reason,
        )
        try:
            experiment.write(self.verdict_log.folder.path)
        except ShelfsureError as error:
            _LOG.warning("the trial can't be written down: %s", error)


def _contender(version: str, bundle: str, accept: AcceptConfig) -> Contender:
    return Contender(version, bundle, accept.target_precision, accept.confidence)
