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
        self.requests = self._counter(
            "http_requests", "Answered HTTP requests.", "method", "route", "status"
        )
        self.request_seconds = self._histogram(
            "http_request_seconds",
            "From the request's header to the last byte of the answer.",
            _SECONDS,
            "route",
        )
        self.in_progress = self._gauge(
            "http_requests_in_progress", "Requests that aren't answered yet."
        )
        self.batch_listings = self._histogram("batch_listings", "Listings judged together.", _SIZES)
        self.batch_seconds = self._histogram(
            "batch_seconds", "What judging a batch took.", _SECONDS
        )
        self.waited_seconds = self._histogram(
            "queue_wait_seconds", "How long a job waited for the model.", _SECONDS
        )
        self.decisions = self._counter("verdicts", "Verdicts by decision.", "decision")
        self.failures = self._counter("failures", "Jobs that ended in an error.")
        self.refused = self._counter("refused", "Jobs refused because the queue was full.")
        self.reloads = self._counter("reloads", "Bundles opened anew.", "outcome")
        self._queued = self._gauge("queue_listings", "Listings waiting now.")
        self._ready = self._gauge("ready", "1 once the model is loaded.")

    def _counter(self, name: str, said: str, *labels: str) -> Counter:
        return Counter(f"shelfsure_{name}", said, labels, registry=self.registry)

    def _gauge(self, name: str, said: str) -> Gauge:
        return Gauge(f"shelfsure_{name}", said, registry=self.registry)

    def _histogram(self, name: str, said: str, buckets: Sequence[float], *labels: str) -> Histogram:
        name = f"shelfsure_{name}"
        return Histogram(name, said, labels, buckets=buckets, registry=self.registry)

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
