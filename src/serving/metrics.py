"""What a running Shelfsure counts, for Prometheus; no listing's content is ever among it."""

from collections.abc import Callable, Sequence

from ..core.extras import require_extra
from ..pipeline.verdict import Verdict

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
        self.requests = Counter(
            "shelfsure_http_requests",
            "Answered HTTP requests.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self.request_seconds = Histogram(
            "shelfsure_http_request_seconds",
            "From the request's header to the last byte of the answer.",
            ["route"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.in_progress = Gauge(
            "shelfsure_http_requests_in_progress",
            "Requests that aren't answered yet.",
            registry=self.registry,
        )
        self.batch_listings = Histogram(
            "shelfsure_batch_listings",
            "Listings judged together.",
            buckets=_SIZES,
            registry=self.registry,
        )
        self.batch_seconds = Histogram(
            "shelfsure_batch_seconds",
            "What judging a batch took.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.waited_seconds = Histogram(
            "shelfsure_queue_wait_seconds",
            "How long a job waited for the model.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.decisions = Counter(
            "shelfsure_verdicts", "Verdicts by decision.", ["decision"], registry=self.registry
        )
        self.failures = Counter(
            "shelfsure_failures", "Jobs that ended in an error.", registry=self.registry
        )
        self.refused = Counter(
            "shelfsure_refused", "Jobs refused because the queue was full.", registry=self.registry
        )
        self.reloads = Counter(
            "shelfsure_reloads", "Bundles opened anew.", ["outcome"], registry=self.registry
        )
        self._queued = Gauge(
            "shelfsure_queue_listings", "Listings waiting now.", registry=self.registry
        )
        self._ready = Gauge(
            "shelfsure_ready", "1 once the model is loaded.", registry=self.registry
        )

    def watch(self, n_queued: Callable[[], float], ready: Callable[[], float]) -> None:
        """Read these whenever somebody asks for the page."""
        self._queued.set_function(n_queued)
        self._ready.set_function(ready)

    def count_batch(self, verdicts: Sequence[Verdict], took_s: float) -> None:
        self.batch_listings.observe(len(verdicts))
        self.batch_seconds.observe(took_s)
        for verdict in verdicts:
            self.decisions.labels(verdict.decision).inc()

    def page(self) -> bytes:
        """Write the page that Prometheus reads."""
        return generate_latest(self.registry)
