"""REST's routes; what they serve lies in the application's state, see `api.rest_app`.

They wait for the model without blocking the event loop; its refusals become problems.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Annotated, TypeVar, TypeVarTuple

import anyio.to_thread
from fastapi import APIRouter, Depends, Request, Response

from ...catalog.listing import Listing
from ...pipeline.verdict import Verdict
from ..metrics import CONTENT_TYPE
from ..service import QueueFullError, Service, ServiceClosedError
from .duplicates import duplicate_batch
from .explain import explain_options, listing_account
from .limits import Limits
from .openapi import batch_body, documented, event_body, listing_body, query, search_body
from .problems import ProblemError
from .reading import parse_json, read_batch, read_listing, read_search
from .schemas import (
    Categories,
    Category,
    ChallengerHealth,
    DuplicateBatch,
    ExplainOptions,
    Health,
    ListingAccount,
    SearchAnswer,
    VerdictBatch,
    VerdictItem,
)
from .search import search_answer
from .shopify import PATH as SHOPIFY_PATH
from .shopify import TOPICS, EventAnswer, event_of, read_product, require_signature

Done = TypeVar("Done")
Given = TypeVarTuple("Given")
MAX_COMPARING = 4
"""Requests for duplicates, for explanations, or for a search, that may wait for each other."""
RETRY_S = 5
EVENT_S = 3.0
"""For the answer to an event: whoever sent it waits 5 s, and then sends it again."""
router = APIRouter()
_ASKED = documented(
    *("malformed", "key-needed", "cross-site", "too-slow", "too-large", "media-type"),
    *("invalid", "busy", "not-ready", "shutting-down", "out-of-time"),
)
_SEARCHED = _ASKED | documented("not-found", "no-index")
_EVENT = documented(
    *("malformed", "signature", "cross-site", "not-found", "too-slow", "too-large"),
    *("invalid", "busy", "not-ready", "shutting-down"),
)
_UNREADY, _LOCKED = documented("not-ready"), documented("key-needed")


async def ready_service(request: Request) -> Service:
    """Give the service, or refuse, before anything is read, what couldn't be answered."""
    service: Service = request.app.state.service
    if not service.ready:
        kind = "shutting-down" if service.closing else "not-ready"
        raise ProblemError(kind, f"Ask again in {RETRY_S} s.", retry_after_s=RETRY_S)
    return service


ReadyService = Annotated[Service, Depends(ready_service)]


@router.post("/v1/verdict", responses=_ASKED, openapi_extra=listing_body())
async def verdict(request: Request, service: ReadyService) -> Verdict:
    """Judge one listing; what can't be used is `rejected`, with the reasons."""
    listing = await read_listing(request)
    return (await verdicts_of(service, [listing], request.app.state.limits))[0]


@router.post("/v1/verdicts", responses=_ASKED, openapi_extra=batch_body())
async def verdicts(request: Request, service: ReadyService) -> VerdictBatch:
    """Judge many listings; a bad item gets an error of its own."""
    limits: Limits = request.app.state.limits
    items = await read_batch(request, limits)
    good = {n: item for n, item in enumerate(items) if isinstance(item, Listing)}
    answers = await verdicts_or_problems(service, list(good.values()), limits)
    said = dict(enumerate(items)) | dict(zip(good, answers, strict=True))
    return VerdictBatch(results=[_answer(n, each) for n, each in said.items()])


@router.post("/v1/duplicates", responses=_ASKED, openapi_extra=batch_body())
async def duplicates(request: Request, service: ReadyService) -> DuplicateBatch:
    """Find which catalogue listings these are again, and which of these are each other."""
    items = await read_batch(request, request.app.state.limits)
    limiter = request.app.state.comparing
    return await in_turn(service, limiter, duplicate_batch, service.pipeline, items)


@router.post("/v1/search", responses=_SEARCHED, openapi_extra=search_body())
async def search(request: Request, service: ReadyService) -> SearchAnswer:
    """Find the listings of an index that are most like a photo, words, both, or one of its own."""
    asked = await read_search(request)
    limiter = request.app.state.searching
    given = (service.searcher, service.pipeline, asked)
    return await in_turn(service, limiter, search_answer, *given)


@router.post("/v1/explain", responses=_ASKED, openapi_extra=listing_body() | query(ExplainOptions))
async def explain(request: Request, service: ReadyService) -> ListingAccount:
    """Say what photo, title and description add to one listing's answer."""
    options = explain_options(request)
    listing = await read_listing(request)
    limiter = request.app.state.explaining
    return await in_turn(service, limiter, listing_account, service.pipeline, listing, options)


@router.post(SHOPIFY_PATH, responses=_EVENT, openapi_extra=event_body())
async def shopify(request: Request, response: Response) -> EventAnswer:
    """Judge a product that Shopify tells of; its verdict goes out by `--webhook`, too."""
    state = request.app.state
    if state.shopify_secret is None:
        raise ProblemError("not-found", "Start the server with SHELFSURE_SHOPIFY_SECRET set.")
    body = await request.body()
    require_signature(body, state.shopify_secret, request.headers.get("x-shopify-hmac-sha256", ""))
    if request.headers.get("x-shopify-topic") not in TOPICS:
        return EventAnswer(status="ignored")
    event, seen = event_of(request.headers), state.shopify_events
    if event in seen:
        return EventAnswer(status="repeated")
    if event:
        seen.add(event)  # at once: a second try may come while the first is judged
    try:
        shop = request.headers.get("x-shopify-shop-domain", "")
        upload = read_product(await parse_json(body), shop)
        service = await ready_service(request)
        future = submitted(service, [upload.listing], photo_problem=upload.photo_problem)
        answer = asyncio.wrap_future(future)
        done, _ = await asyncio.wait({answer}, timeout=EVENT_S)
        if done:
            return EventAnswer(status="judged", verdict=answer.result()[0])
    except BaseException:
        seen.discard(event)  # it may come again
        raise
    response.status_code = 202
    return EventAnswer(status="queued")


@router.get("/v1/categories", responses=_UNREADY | _LOCKED)
async def categories(service: ReadyService) -> Categories:
    """List the categories that this model can answer."""
    pipeline = service.pipeline
    trained = set(pipeline.class_names)
    names = pipeline.retrieval.names if pipeline.retrieval else ()
    every = dict.fromkeys([*pipeline.class_names, *names])
    return Categories(
        model_version=pipeline.version,
        categories=[Category(category=name, trained=name in trained) for name in every],
    )


@router.get("/healthz")
async def healthz(request: Request) -> Health:
    """Tell that the process runs, and how a model on trial is."""
    return Health(status="ok", challenger=_challenger_of(request.app.state.service))


@router.get("/readyz", responses=_UNREADY)
async def readyz(service: ReadyService) -> Health:
    """Tell whether the model is loaded and takes requests."""
    version = service.pipeline.version
    return Health(status="ready", model_version=version, challenger=_challenger_of(service))


@router.get("/metrics", responses={**_LOCKED, 200: {"content": {CONTENT_TYPE: {}}}})
async def metrics(request: Request) -> Response:
    """Give Prometheus its page."""
    return Response(request.app.state.service.metrics.page(), media_type=CONTENT_TYPE)


async def in_turn(
    service: Service, limiter: anyio.CapacityLimiter, work: Callable[[*Given], Done], *given: *Given
) -> Done:
    """Work in a thread, after those who came before.

    Else a problem: ``busy``, if too many wait, ``shutting-down``, if the server's end came first.
    """
    if limiter.statistics().tasks_waiting >= MAX_COMPARING:
        detail = "Too many requests of this kind wait. Ask again in a moment."
        raise ProblemError("busy", detail, retry_after_s=RETRY_S)
    async with limiter:  # not as `limiter`, which would count only after a turn of the loop
        if service.ending:  # it may take longer than the end waits
            raise ProblemError("shutting-down", "Ask again in a moment.", retry_after_s=RETRY_S)
        return await anyio.to_thread.run_sync(work, *given)


def submitted(
    service: Service, listings: Sequence[Listing], photo_problem: str | None = None
) -> "Future[list[Verdict]]":
    """Put listings into the service's queue; else a problem, ``busy`` or ``shutting-down``."""
    try:
        return service.submit(listings, photo_problem=photo_problem)
    except QueueFullError as error:
        raise ProblemError("busy", str(error), retry_after_s=error.retry_after_s) from error
    except ServiceClosedError as error:
        raise ProblemError("shutting-down", str(error), retry_after_s=RETRY_S) from error


async def verdicts_of(
    service: Service, listings: Sequence[Listing], limits: Limits
) -> list[Verdict]:
    """Get the verdicts of listings that belong together.

    Else a problem: ``busy``, ``shutting-down`` or ``out-of-time``.
    """
    future = submitted(service, listings)
    try:
        async with asyncio.timeout(limits.answer_s):
            return await asyncio.wrap_future(future)
    except TimeoutError as error:
        raise ProblemError(
            "out-of-time",
            f"The model must answer within {limits.answer_s:g} s, but didn't. Send fewer listings, "
            "or ask again later.",
        ) from error


async def verdicts_or_problems(
    service: Service, listings: Sequence[Listing], limits: Limits
) -> list[Verdict | ProblemError]:
    """Get verdicts; if judging them together fails, judge one at a time and fail only the bad."""
    try:
        return list(await verdicts_of(service, listings, limits))
    except ProblemError:
        raise
    except Exception:  # noqa: BLE001 (the service has logged it)
        return [await _alone(service, listing, limits) for listing in listings]


async def _alone(service: Service, listing: Listing, limits: Limits) -> Verdict | ProblemError:
    try:
        return (await verdicts_of(service, [listing], limits))[0]
    except ProblemError as problem:
        return problem
    except Exception:  # noqa: BLE001 (the service has logged it)
        return ProblemError("internal", "Judging this listing failed; the server's log says why.")


def _answer(index: int, said: object) -> VerdictItem:
    if isinstance(said, ProblemError):
        return VerdictItem(index=index, error=said.problem())
    return VerdictItem(index=index, verdict=said)


def _challenger_of(service: Service) -> ChallengerHealth | None:
    challenger = service.challenger
    if challenger is None:
        return None
    return ChallengerHealth(
        model_version=challenger.last.version if challenger.last else None,
        share=challenger.share,
        on=challenger.pipeline is not None,
        off=challenger.off.reason if challenger.off else None,
    )
