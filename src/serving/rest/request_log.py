"""One line a request in the log, one count in the metrics; nothing of a listing in either."""

import logging
import time
import uuid

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..metrics import Metrics
from .guard import is_rest
from .problems import REQUEST_ID, ProblemError

_LOG = logging.getLogger("shelfsure.requests")
_WATCHED = {"/healthz", "/readyz", "/metrics"}
"""Asked every few seconds by machines: counted, but not worth a line each."""
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
_COMMON = (("x-content-type-options", "nosniff"), ("referrer-policy", "same-origin"))
_REST = (
    *_COMMON,
    ("cache-control", "no-store"),
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
)


class RequestLog:
    """The outermost ASGI middleware: gives each request an id, its security headers and its line.

    What nothing else has caught becomes a problem 500; the trace goes to the log only.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 0
        scope[REQUEST_ID] = f"urn:uuid:{uuid.uuid4()}"
        extra = _REST if is_rest(scope["path"]) else _COMMON

        async def noting_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in extra:
                    headers.setdefault(name, value)
                headers.append("x-request-id", scope[REQUEST_ID])
            await send(message)

        self.metrics.in_progress.inc()
        try:
            await self.app(scope, receive, noting_send)
        except Exception:  # noqa: BLE001 (it is logged, and the client is answered)
            _LOG.exception("request %s failed", scope[REQUEST_ID])
            if status == 0:
                problem = ProblemError("internal", "The server's log says more under this id.")
                await problem.response(scope)(scope, receive, noting_send)
        finally:
            self.metrics.in_progress.dec()
            self._note(scope, status, time.perf_counter() - started)

    def _note(self, scope: Scope, status: int, took_s: float) -> None:
        route = route_of(scope)
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self.metrics.requests.labels(method, route, str(status)).inc()
        self.metrics.request_seconds.labels(route).observe(took_s)
        line = {
            "request": scope[REQUEST_ID],
            "method": method,
            "route": route,
            "status": status,
            "seconds": round(took_s, 4),
        }
        level = logging.DEBUG if route in _WATCHED else logging.INFO
        _LOG.log(level, "answered", extra={"fields": line})


def route_of(scope: Scope) -> str:
    """Name a request's route: one of the few that there are, never what the client wrote."""
    if not is_rest(scope["path"]):
        return "demo"
    return getattr(scope.get("route"), "path", "none")
