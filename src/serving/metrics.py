"""What a running Shelfsure counts, for Prometheus; no listing's content is ever among it."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from ..core.extras import require_extra
from ..monitoring.log_rows import Role
from ..pipeline.verdict import Verdict
from .review.audit import AuditedPromise
from .verdict_webhook import VerdictWebhook

try:
    from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
    from prometheus_client.exposition import CONTENT_TYPE_LATEST as CONTENT_TYPE
except ImportError:
    require_extra("serve", "Serving")
    raise

__all__ = ["CONTENT_TYPE", "Metrics"]

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """Counters of one process, in a registry of their own: two services don't add up."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        own: dict[str, Any] = {"namespace": "shelfsure", "registry": self.registry}
        timed = own | {"buckets": _SECONDS}
        self.requests = Counter(
            "http_requests", "Answered HTTP requests.", ("method", "route", "status"), **own
        )
        said = "From the request's header to the last byte of the answer."
        self.request_seconds = Histogram("http_request_seconds", said, ("route",), **timed)
        said = "Requests that aren't answered yet."
        self.in_progress = Gauge("http_requests_in_progress", said, **own)
        said = "Listings judged together."
        self.batch_listings = Histogram("batch_listings", said, buckets=_SIZES, **own)
        self.batch_seconds = Histogram("batch_seconds", "What judging a batch took.", **timed)
        said = "How long a job waited for the model."
        self.waited_seconds = Histogram("queue_wait_seconds", said, **timed)
        self.decisions = Counter("verdicts", "Verdicts by decision.", ("decision",), **own)
        self.failures = Counter("failures", "Jobs that ended in an error.", **own)
        self.refused = Counter("refused", "Jobs refused because the queue was full.", **own)
        self.reloads = Counter("reloads", "Bundles opened anew.", ("outcome",), **own)
        self.queued = Gauge("queue_listings", "Listings waiting now.", **own)
        said = "Small once listings have drifted away from the training listings; 1 if they don't."
        self.shift_p_value = Gauge("shift_p_value", said, **own)
        self.shift_p_value.set(1)
        said = "Accepted listings that somebody was asked about, and how many were right."
        self.audits = {
            "champion": Gauge("audited", said, ("outcome",), **own),
            "challenger": Gauge("challenger_audited", said, ("outcome",), **own),
        }
        said = "Bounds of the share of accepted listings that are right, by audits, at any time."
        self.audited_precision = {
            "champion": Gauge("audited_precision", said, ("bound",), **own),
            "challenger": Gauge("challenger_audited_precision", said, ("bound",), **own),
        }
        said = "Verdicts that weren't logged because the disk couldn't take them."
        self.log_dropped = Gauge("verdict_log_dropped", said, **own)
        said = "What became of verdicts for --webhook; dropped: too many waited."
        self.webhook = Gauge("webhook_verdicts", said, ("outcome",), **own)
        said = "Listings answered, by the model that did."
        self.answers = Counter("answers", said, ("role",), **own)
        said = "Listings for the other model to judge behind the answer, and what became of them."
        self.shadow = Counter("shadow", said, ("outcome",), **own)
        said = "Listings that both have judged, by whether they name the same category."
        self.pairs = Counter("ab_pairs", said, ("agree",), **own)
        said = "Batches that the champion answered because the challenger failed."
        self.challenger_failures = Counter("challenger_failures", said, **own)
        said = "1 while a challenger is on; `why` it is off."
        self.challenger = Gauge("challenger", said, ("version", "why"), **own)
        self.ready = Gauge("ready", "1 once the model is loaded.", **own)

    def count_batch(self, verdicts: Sequence[Verdict], took_s: float) -> None:
        self.batch_listings.observe(len(verdicts))
        self.batch_seconds.observe(took_s)
        for verdict in verdicts:
            self.decisions.labels(verdict.decision).inc()

    def show_audits(self, promise: AuditedPromise, role: Role = "champion") -> None:
        audits, precision = self.audits[role], self.audited_precision[role]
        audits.labels("right").set(promise.n_right)
        audits.labels("wrong").set(promise.n - promise.n_right)
        precision.labels("low").set(promise.low)
        precision.labels("high").set(promise.high)

    def show_challenger(self, version: str, why: str | None) -> None:
        self.challenger.clear()
        self.challenger.labels(version, why or "").set(why is None and version != "")

    def watch_webhook(self, webhook: VerdictWebhook) -> None:
        """Show what becomes of the verdicts that are posted, at each look."""
        for outcome in ("sent", "given_up", "dropped", "waiting"):
            self.webhook.labels(outcome).set_function(partial(getattr, webhook, f"n_{outcome}"))

    def page(self) -> bytes:
        """Write the page that Prometheus reads."""
        return generate_latest(self.registry)
