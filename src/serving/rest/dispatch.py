"""Waiting for the model without blocking the event loop; its refusals become problems."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

import anyio
import anyio.to_thread

from ...catalog.listing import Listing
from ...pipeline.verdict import Verdict
from ..service import QueueFullError, Service, ServiceClosedError
from .limits import Limits
from .problems import ProblemError, busy

T = TypeVar("T")
_RETRY_S = 5


def require_ready(service: Service) -> None:
    """Refuse, before anything is read, what couldn't be answered."""
    if service.ready:
        return
    kind = "shutting-down" if service.closing else "not-ready"
    detail = f"Ask again in {_RETRY_S} s."
    raise ProblemError(kind, detail, headers={"Retry-After": f"{_RETRY_S}"})


async def verdicts_of(
    service: Service, listings: Sequence[Listing], limits: Limits
) -> list[Verdict]:
    """Get the verdicts of listings that belong together.

    Raises
    ------
    ProblemError
        ``busy``, ``shutting-down`` or ``out-of-time``.
    """
    try:
        future = service.submit(listings)
    except QueueFullError as error:
        raise busy(str(error), error.retry_after_s) from error
    except ServiceClosedError as error:
        headers = {"Retry-After": f"{_RETRY_S}"}
        raise ProblemError("shutting-down", str(error), headers=headers) from error
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


class SerialExecutor:
    """Runs long work in a thread, one after the other; refuses when too many wait."""

    def __init__(self, max_waiting: int) -> None:
        self._max_waiting, self._n_waiting = max_waiting, 0
        self._turn = asyncio.Lock()

    async def run(self, work: Callable[[], T]) -> T:
        if self._n_waiting > self._max_waiting:
            raise busy("Too many requests of this kind wait. Ask again in a moment.", _RETRY_S)
        self._n_waiting += 1
        try:
            async with self._turn:
                return await anyio.to_thread.run_sync(work)
        finally:
            self._n_waiting -= 1
