"""What goes wrong with a request, as RFC 9457 says it: never a path of this server, never a trace.

A problem is about the request. What is wrong with a listing (a photo that can't be read) is a
verdict, `rejected`, with its reasons.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, Field, ValidationError
from starlette.responses import Response
from starlette.types import Scope

MEDIA_TYPE = "application/problem+json"
KINDS: Mapping[str, tuple[int, str]] = {
    "malformed": (400, "The request can't be read"),
    "key-needed": (401, "An API key is needed"),
    "signature": (401, "The signature is wrong"),
    "cross-site": (403, "Another site's page may not ask"),
    "not-found": (404, "There is nothing here"),
    "method-not-allowed": (405, "This method isn't allowed here"),
    "too-slow": (408, "The request took too long to arrive"),
    "no-index": (409, "No index can answer this"),
    "too-large": (413, "The request is too large"),
    "media-type": (415, "This media type isn't read"),
    "wrong-host": (421, "This server doesn't go by that name"),
    "invalid": (422, "The request isn't valid"),
    "internal": (500, "Something went wrong here"),
    "busy": (503, "Too much at once"),
    "not-ready": (503, "The model isn't loaded"),
    "shutting-down": (503, "The server is shutting down"),
    "out-of-time": (504, "The answer took too long"),
}
"""Name -> status and title; `type` is the name after ``urn:shelfsure:problem:``."""
REQUEST_ID = "shelfsure.request_id"


class Fault(BaseModel):
    """One thing that is wrong: where (a JSON pointer), and what must hold."""

    pointer: str
    detail: str


class Problem(BaseModel):
    """The body of every answer that isn't a success (RFC 9457)."""

    type: str = Field(examples=["urn:shelfsure:problem:invalid"])
    title: str
    status: int
    detail: str
    instance: str | None = Field(None, description="This request; the server's log names it too.")
    errors: list[Fault] = Field([], description="With `invalid`: everything that is.")


class ProblemError(Exception):
    """Ends a request with a problem.

    Parameters
    ----------
    kind
        A key of `KINDS`.
    detail
        What must hold, what was received, what to do.
    retry_after_s
        Seconds after which to come back, for a refusal that is for now.
    """

    def __init__(
        self,
        kind: str,
        detail: str,
        *,
        errors: Sequence[Fault] = (),
        headers: Mapping[str, str] | None = None,
        retry_after_s: int = 0,
    ) -> None:
        super().__init__(detail)
        self.kind, self.detail, self.errors = kind, detail, list(errors)
        self.headers = dict(headers or {})
        if retry_after_s:
            self.headers["Retry-After"] = str(retry_after_s)

    def problem(self, scope: Scope | None = None) -> Problem:
        """Put it into the words of RFC 9457; `scope` is the request's."""
        status, title = KINDS[self.kind]
        return Problem(
            type=f"urn:shelfsure:problem:{self.kind}",
            title=title,
            status=status,
            detail=self.detail,
            instance=(scope or {}).get(REQUEST_ID),
            errors=self.errors,
        )

    def response(self, scope: Scope | None = None) -> Response:
        problem = self.problem(scope)
        fields = problem.model_dump(exclude_defaults=True)
        # ASCII: what a client sent and we quote may hold what UTF-8 can't
        return Response(json.dumps(fields), problem.status, self.headers, media_type=MEDIA_TYPE)


_NAMES_OURS = {"model_type": "Input should be an object"}
"""In place of messages that name a class of this program."""


def invalid(error: ValidationError, where: str = "#") -> ProblemError:
    """Turn pydantic's findings on what stands at a JSON pointer into a problem, input left out."""
    faults = [
        Fault(
            pointer="/".join([where, *(_escaped(part) for part in found["loc"])]),
            detail=_NAMES_OURS.get(found["type"]) or found["msg"].removeprefix("Value error, "),
        )
        for found in error.errors(include_url=False, include_input=False)
    ]
    first = f"{faults[0].pointer}: {faults[0].detail}"
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return ProblemError("invalid", first + more, errors=faults)


def _escaped(part: Any) -> str:
    """Write one step of a JSON pointer (RFC 6901), a long or odd name cut and made printable."""
    text = str(part)[:80].encode("unicode_escape").decode("ascii")
    return text.replace("~", "~0").replace("/", "~1")
