"""REST: the same verdicts over HTTP, as `docs/rest.md` describes them."""

from collections.abc import Collection
from importlib.metadata import version

import anyio
from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from ..service import Service
from .guard import Guard, is_rest
from .limits import BodyLimits, Limits
from .openapi import describe
from .problems import ProblemError
from .request_log import RequestLog
from .routes import router
from .shopify import PATH as SHOPIFY_PATH
from .shopify import SeenEvents

_STATUS_KINDS = {400: "malformed", 404: "not-found", 405: "method-not-allowed"}


def create_app(
    service: Service,
    *,
    limits: Limits | None = None,
    api_key: str | None = None,
    hosts: Collection[str] = (),
    demo: ASGIApp | None = None,
    shopify_secret: str | None = None,
) -> ASGIApp:
    """Make the server's application: REST, and a demo on every other path, behind one guard.

    `api_key` and `hosts` say who may ask, see `guard.Guard`; `shopify_secret` is what Shopify signs
    its events with, None: none are taken.
    """
    limits = limits or Limits()
    rest = rest_app(service, limits, needs_key=api_key is not None, shopify_secret=shopify_secret)
    signed = {SHOPIFY_PATH} if shopify_secret else set()
    limited = BodyLimits(rest, limits)

    async def front(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await (demo or rest)(scope, receive, send)
        elif demo is None or is_rest(scope["path"]):
            await limited(scope, receive, send)
        else:
            await demo(scope, receive, send)

    return RequestLog(Guard(front, api_key, hosts, signed), service.metrics)


def rest_app(
    service: Service,
    limits: Limits,
    *,
    needs_key: bool = False,
    shopify_secret: str | None = None,
) -> FastAPI:
    """Make REST alone: its routes, without the guards in front of them."""
    app = FastAPI(
        title="Shelfsure",
        version=version("shelfsure"),
        openapi_url="/v1/openapi.json",
        redirect_slashes=False,  # the redirect would repeat whatever Host was sent
        docs_url=None,  # their scripts would come from a foreign host
        redoc_url=None,
        exception_handlers=dict.fromkeys((ProblemError, HTTPException, Exception), answer),
    )
    app.openapi = lambda: describe(app, limits, needs_key=needs_key)  # type: ignore[method-assign]
    app.state.service, app.state.limits = service, limits
    app.state.shopify_secret, app.state.shopify_events = shopify_secret, SeenEvents()
    app.state.comparing, app.state.explaining = anyio.CapacityLimiter(1), anyio.CapacityLimiter(1)
    app.state.searching = anyio.CapacityLimiter(2)
    app.include_router(router)
    return app


async def answer(request: Request, error: Exception) -> Response:
    """Answer an error by its problem, also what the framework refuses by itself."""
    problem = ProblemError("internal", "The server's log says more under this request's id.")
    if isinstance(error, ProblemError):
        problem = error
    elif isinstance(error, HTTPException):
        kind = _STATUS_KINDS.get(error.status_code, "internal")
        problem = ProblemError(kind, str(error.detail), headers=error.headers)
    return problem.response(request.scope)
