"""From an HTTP body to listings: JSON with base64, or a form with a file; nothing else."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from fastapi import Request
from pydantic import ValidationError
from pydantic_core import from_json
from python_multipart.multipart import parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from ...catalog.listing import MAX_PHOTOS, Listing
from .fields import MAX_DESCRIPTION_CHARS, MAX_ID_CHARS, MAX_TITLE_CHARS
from .limits import Limits
from .problems import ProblemError, invalid
from .schemas import ListingIn, SearchIn

JSON, FORM = "application/json", "multipart/form-data"
_MAX_FIELDS = 8
_MAX_VALUES = MAX_ID_CHARS + MAX_TITLE_CHARS + MAX_DESCRIPTION_CHARS + 4 * _MAX_FIELDS + MAX_PHOTOS
"""Commas and brackets in a listing's JSON, at most: each may stand for a value, and a body of
32 MB of them would take a gigabyte of memory. Photos have none, texts no more than characters."""
_MAX_FIELD_BYTES = 4 * MAX_DESCRIPTION_CHARS  # UTF-8's longest


async def read_listing(request: Request) -> Listing:
    """Read one listing; else a problem, ``media-type``, ``malformed`` or ``invalid``."""
    fields = await _read_fields(request, MAX_PHOTOS)
    outcome = await run_in_threadpool(_try_listing, fields, "#")
    if isinstance(outcome, ProblemError):
        raise outcome
    return outcome


async def read_search(request: Request) -> SearchIn:
    """Read what to search by; else a problem, as for one listing."""
    fields = await _read_fields(request, 1)
    try:
        return await run_in_threadpool(SearchIn.model_validate, fields)
    except ValidationError as error:
        raise invalid(error) from error


async def _read_fields(request: Request, max_photos: int) -> Any:
    """Read one object; in a form, where all is text, a number's digits are that number."""
    if media_type(request, JSON, FORM) == JSON:
        return await _read_json(request, 1)
    fields = await _read_form(request, max_photos)
    k = fields.get("k", "")
    return fields | {"k": int(k)} if k.isdecimal() and len(k) < 10 else fields


async def read_batch(request: Request, limits: Limits) -> list[Listing | ProblemError]:
    """Read ``{"listings": [...]}``; an item that isn't valid comes as its problem.

    A problem is raised if the body as a whole is none, or has no item, or too many.
    """
    media_type(request, JSON)
    given = await _read_json(request, limits.max_items)
    if not (isinstance(given, dict) and list(given) == ["listings"]):
        raise ProblemError("invalid", 'The body must be {"listings": [...]} and nothing else.')
    items = given["listings"]
    if not isinstance(items, list) or not 1 <= len(items) <= limits.max_items:
        found = f"{len(items)}" if isinstance(items, list) else "no list"
        raise ProblemError(
            "invalid", f"`listings` must hold 1 to {limits.max_items} items, got {found}."
        )
    return await run_in_threadpool(
        lambda: [_try_listing(item, f"#/listings/{n}") for n, item in enumerate(items)]
    )


def media_type(request: Request, *read_here: str) -> str:
    """Name the body's media type, if it is one of those read here, in UTF-8 and not compressed."""
    kind, options = parse_options_header(request.headers.get("content-type"))
    found = kind.decode("latin-1").lower()
    charset = options.get(b"charset", b"utf-8").lower()
    encoding = request.headers.get("content-encoding", "identity").lower()
    if found in read_here and charset in {b"utf-8", b"utf8"} and encoding == "identity":
        return found
    raise ProblemError(
        "media-type",
        f"The body must be {' or '.join(read_here)}, in UTF-8 and not compressed. Set "
        "Content-Type accordingly.",
    )


async def _read_json(request: Request, n_listings: int) -> Any:
    body = await request.body()
    if sum(body.count(mark) for mark in (b",", b"[", b"{")) > n_listings * _MAX_VALUES:
        raise ProblemError("too-large", "The JSON has more values than listings can have.")
    return await parse_json(body)


async def parse_json(body: bytes) -> Any:
    """Parse a body, or raise a problem, ``malformed``."""
    try:
        return await run_in_threadpool(from_json, body, allow_inf_nan=False)
    except (ValueError, RecursionError) as error:
        raise ProblemError("malformed", f"The body must be JSON, but: {error}.") from error


class _FormParser(MultiPartParser):
    """Insists on a form's end; Starlette alone takes what has come until then."""

    ended = False

    def on_end(self) -> None:
        self.ended = True

    async def whole(self, stream: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        """Pass a body on; raise at its end, while the parser can still close its files."""
        async for chunk in stream:
            yield chunk
        if not self.ended:
            raise MultiPartException("The form must end with its boundary, but is cut off.")


async def _whole_form(request: Request, max_photos: int) -> FormData:
    async with aclosing(request.stream()) as stream:
        parser = _FormParser(
            request.headers,
            stream,
            max_files=max_photos,
            max_fields=_MAX_FIELDS,
            max_part_size=_MAX_FIELD_BYTES,
        )
        parser.stream = parser.whole(stream)
        return await parser.parse()


async def _read_form(request: Request, max_photos: int) -> dict[str, Any]:
    try:
        form = await _whole_form(request, max_photos)
    except OSError as error:  # photos above a megabyte pass through the disk
        detail = "There is no room for uploads now. Ask again later."
        raise ProblemError("busy", detail, retry_after_s=60) from error
    except MultiPartException as error:
        raise ProblemError("malformed", error.message) from error
    except ValueError as error:  # python_multipart's own errors
        raise ProblemError("malformed", f"The form can't be read: {error}.") from error
    fields: dict[str, Any] = {}
    photos: list[bytes] = []
    try:
        for name, value in form.multi_items():
            if name in fields and name != "photo":
                raise ProblemError("invalid", "Each field may be given once, but one comes twice.")
            if (name == "photo") != isinstance(value, UploadFile):
                raise ProblemError(
                    "invalid", "`photo` must be a file (with a filename), the other fields text."
                )
            if isinstance(value, UploadFile):
                photos.append(await value.read())
            else:
                fields[name] = value
    finally:
        await form.close()
    if photos:
        fields["photo"] = photos if len(photos) > 1 else photos[0]
    return fields


def _try_listing(fields: Any, where: str) -> Listing | ProblemError:
    if isinstance(fields, dict) and len(fields) > _MAX_FIELDS:  # or each would be complained of
        return ProblemError("invalid", f"{where}: a listing has at most {_MAX_FIELDS} fields.")
    try:
        return ListingIn.model_validate(fields).listing()
    except ValidationError as error:
        return invalid(error, where)
