"""REST: the same verdicts over HTTP, as `docs/rest.md` describes them."""

from collections.abc import Collection, Sequence
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from ...pipeline.verdict import Duplicate, Verdict
from ...retrieval.duplicates.verdict import DuplicatePair
from ..metrics import CONTENT_TYPE
from ..service import Service
from .dispatch import SerialExecutor, require_ready, verdicts_of, verdicts_or_problems
from .duplicates import DuplicateMatches, match_duplicates
from .guard import Guard, is_rest
from .limits import BodyLimits, Limits
from .openapi import batch_body, describe, documented, listing_body
from .problems import ProblemError
from .reading import read_batch, read_listing
from .request_log import RequestLog
from .schemas import (
    Categories,
    Category,
    DuplicateBatch,
    DuplicateItem,
    DuplicateWithin,
    Health,
    VerdictBatch,
    VerdictItem,
)

_BODY_PROBLEMS = ("malformed", "key-needed", "cross-site", "too-slow", "too-large", "media-type")
_ANSWER_PROBLEMS = ("invalid", "busy", "not-ready", "shutting-down", "out-of-time")
_ASKED = documented(*_BODY_PROBLEMS, *_ANSWER_PROBLEMS)
_MAX_COMPARING = 4
"""Requests for duplicates that may wait for each other."""


def create_app(
    service: Service,
    *,
    limits: Limits | None = None,
    api_key: str | None = None,
    hosts: Collection[str] = (),
    demo: ASGIApp | None = None,
) -> ASGIApp:
    """Make the server's application: REST, and the demo on every other path.

    Parameters
    ----------
    api_key, hosts
        Who may ask, see `guard.Guard`.
    demo
        Answers every path that isn't REST's, behind the same guard.
    """
    rest = rest_app(service, limits or Limits(), needs_key=api_key is not None)
    limited = BodyLimits(rest, limits or Limits())

    async def front(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await (demo or rest)(scope, receive, send)
        elif demo is None or is_rest(scope["path"]):
            await limited(scope, receive, send)
        else:
            await demo(scope, receive, send)

    return RequestLog(Guard(front, api_key, hosts), service.metrics)


def rest_app(service: Service, limits: Limits, *, needs_key: bool = False) -> FastAPI:
    """Make REST alone: its routes, without the guards in front of them."""
    app = FastAPI(
        title="Shelfsure",
        version=version("shelfsure"),
        openapi_url="/v1/openapi.json",
        redirect_slashes=False,  # the redirect would repeat whatever Host was sent
        docs_url=None,  # their scripts would come from a foreign host
        redoc_url=None,
    )
    app.openapi = lambda: describe(app, needs_key=needs_key)  # type: ignore[method-assign]
    _answer_with_problems(app)
    _add_questions(app, service, limits)
    _add_watching(app, service)
    return app


def _add_questions(app: FastAPI, service: Service, limits: Limits) -> None:
    comparing = SerialExecutor(_MAX_COMPARING)

    @app.post("/v1/verdict", responses=_ASKED, openapi_extra=listing_body())
    async def verdict(request: Request) -> Verdict:
        """Judge one listing; what can't be used is `rejected`, with the reasons."""
        require_ready(service)
        listing = await read_listing(request)
        return (await verdicts_of(service, [listing], limits))[0]

    @app.post(
        "/v1/verdicts",
        responses=_ASKED,
        openapi_extra=batch_body(limits),
    )
    async def verdicts(request: Request) -> VerdictBatch:
        """Judge many listings; a bad item gets an error of its own."""
        require_ready(service)
        items = await read_batch(request, limits)
        good = [n for n, item in enumerate(items) if not isinstance(item, ProblemError)]
        listings = [item for item in items if not isinstance(item, ProblemError)]
        answers: list[Any] = list(items)
        for n, answer in zip(
            good, await verdicts_or_problems(service, listings, limits), strict=True
        ):
            answers[n] = answer
        return VerdictBatch(
            results=[
                VerdictItem(index=n, error=answer.problem())
                if isinstance(answer, ProblemError)
                else VerdictItem(index=n, verdict=answer)
                for n, answer in enumerate(answers)
            ]
        )

    @app.post("/v1/duplicates", responses=_ASKED, openapi_extra=batch_body(limits))
    async def duplicates(request: Request) -> DuplicateBatch:
        """Find which catalogue listings these are again, and which of these are each other."""
        require_ready(service)
        items = await read_batch(request, limits)
        good = [n for n, item in enumerate(items) if not isinstance(item, ProblemError)]
        listings = [item for item in items if not isinstance(item, ProblemError)]
        pipeline = service.pipeline
        matches = await comparing.run(lambda: match_duplicates(pipeline, listings))
        return _duplicate_batch(items, good, matches)


def _duplicate_batch(
    items: Sequence[Any], good: Sequence[int], matches: DuplicateMatches
) -> DuplicateBatch:
    """Put findings under the request's indexes; `good` are those of the items looked at."""
    results = []
    place = {n: row for row, n in enumerate(good)}
    for n, item in enumerate(items):
        if isinstance(item, ProblemError):
            results.append(DuplicateItem(index=n, error=item.problem()))
            continue
        problem = matches.problems.get(place[n])
        results.append(
            DuplicateItem(
                index=n,
                listing_id=item.listing_id,
                duplicates=[_duplicate(pair) for pair in matches.known.get(place[n], ())],
                error=ProblemError("invalid", problem).problem() if problem else None,
            )
        )
    return DuplicateBatch(
        n_catalogue=matches.n_catalogue,
        results=results,
        within=[
            DuplicateWithin(
                a=good[int(pair.a.listing_id)],
                b=good[int(pair.b.listing_id)],
                verdict=pair.verdict,
                probability=round(pair.photo.probability, 4),
                evidence=pair.evidence,
            )
            for pair in matches.within.pairs
        ],
        groups=[
            [good[int(listing.listing_id)] for listing in (group.keeper, *group.members)]
            for group in matches.within.groups
        ],
    )


def _duplicate(pair: DuplicatePair) -> Duplicate:
    return Duplicate(
        listing_id=pair.b.listing_id,
        verdict=pair.verdict,
        probability=round(pair.photo.probability, 4),
        evidence=pair.evidence,
    )


def _add_watching(app: FastAPI, service: Service) -> None:
    unready = documented("not-ready")
    locked = documented("key-needed")

    @app.get("/v1/categories", responses=unready | locked)
    async def categories() -> Categories:
        """List the categories that this model can answer."""
        require_ready(service)
        pipeline = service.pipeline
        trained = set(pipeline.class_names)
        names = pipeline.retrieval.names if pipeline.retrieval else ()
        every = dict.fromkeys([*pipeline.class_names, *names])
        return Categories(
            model_version=pipeline.version,
            categories=[Category(category=name, trained=name in trained) for name in every],
        )

    @app.get("/healthz")
    async def healthz() -> Health:
        """Tell that the process runs."""
        return Health(status="ok")

    @app.get("/readyz", responses=unready)
    async def readyz() -> Health:
        """Tell whether the model is loaded and takes requests."""
        require_ready(service)
        return Health(status="ready", model_version=service.pipeline.version)

    @app.get("/metrics", responses={**locked, 200: {"content": {CONTENT_TYPE: {}}}})
    async def metrics() -> Response:
        """Give Prometheus its page."""
        return Response(service.metrics.page(), media_type=CONTENT_TYPE)


def _answer_with_problems(app: FastAPI) -> None:
    kinds = {400: "malformed", 404: "not-found", 405: "method-not-allowed"}

    @app.exception_handler(ProblemError)
    async def problem(request: Request, error: ProblemError) -> Response:
        return error.response(request.scope)

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        kind = kinds.get(error.status_code, "internal")
        found = ProblemError(kind, str(error.detail), headers=error.headers)
        return found.response(request.scope)

    @app.exception_handler(Exception)
    async def internal(request: Request, error: Exception) -> Response:  # noqa: ARG001
        found = ProblemError("internal", "The server's log says more under this request's id.")
        return found.response(request.scope)
