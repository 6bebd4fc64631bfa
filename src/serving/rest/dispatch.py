"""Waiting for the model without blocking the event loop; its refusals become problems."""

import asyncio
from collections.abc import Sequence

from ...catalog.listing import Listing
from ...pipeline.verdict import Verdict
from ..service import QueueFullError, Service, ServiceClosedError
from .limits import Limits
from .problems import ProblemError

RETRY_S = 5


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
        raise ProblemError("busy", str(error), retry_after_s=error.retry_after_s) from error
    except ServiceClosedError as error:
        raise ProblemError("shutting-down", str(error), retry_after_s=RETRY_S) from error
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
