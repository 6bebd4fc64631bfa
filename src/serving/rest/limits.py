"""How much a request may bring, and how long it may take to bring it."""

import asyncio
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .problems import ProblemError

MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Limits:
    """What one request, and all requests together, may ask of this server.

    Parameters
    ----------
    max_body_bytes
        Of one request; a longer one is refused as soon as that is known, by its header or by
        counting.
    max_held_bytes
        Of all bodies that are being read or worked on; beyond, new ones are told to come back.
    max_items
        Listings in one request.
    upload_s, answer_s
        Seconds for a body to arrive, and for the model to answer.
    """

    max_body_bytes: int = 32 * MEGABYTE
    max_held_bytes: int = 256 * MEGABYTE
    max_items: int = 64
    upload_s: float = 60.0
    answer_s: float = 60.0


class BodyLimits:
    """ASGI middleware: counts what arrives, by bytes and by the clock.

    Its refusal takes the place of whatever the application makes of the broken body.
    """

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self.app, self.limits = app, limits
        self.held_bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        body = _Body(self, receive, send)
        try:
            body.check_declared(dict(scope["headers"]).get(b"content-length", b""))
            await self.app(scope, body.receive, body.send)
        except Exception:
            if body.refusal is None:
                raise
        finally:
            self.held_bytes -= body.n_bytes
        if body.refusal and not body.answered:
            await body.refusal.response(scope)(scope, receive, send)


class _Body:
    """One request's body on its way in."""

    def __init__(self, owner: BodyLimits, receive: Receive, send: Send) -> None:
        self.refusal: ProblemError | None = None
        self.answered = False
        self.n_bytes = 0
        self._owner, self._receive, self._send = owner, receive, send
        self._whole = False
        self._until = asyncio.get_running_loop().time() + owner.limits.upload_s

    def check_declared(self, content_length: bytes) -> None:
        if not content_length.isdigit():
            if content_length:
                raise self._refuse("malformed", "Content-Length must be a whole number.")
        elif len(content_length) > 18 or int(content_length) > self._owner.limits.max_body_bytes:
            raise self._too_large()

    async def receive(self) -> Message:
        if self._whole:  # what may still come is the client's farewell, in its own time
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._until):
                message = await self._receive()
        except TimeoutError:
            raise self._refuse(
                "too-slow",
                f"A request must arrive within {self._owner.limits.upload_s:g} s, but this one "
                "didn't. Send less, or over a faster line.",
            ) from None
        n_bytes = len(message.get("body", b""))
        self._whole = not message.get("more_body", False)
        self.n_bytes += n_bytes
        self._owner.held_bytes += n_bytes
        if self.n_bytes > self._owner.limits.max_body_bytes:
            raise self._too_large()
        if self._owner.held_bytes > self._owner.limits.max_held_bytes:
            raise self._refuse("busy", "Too many uploads at once. Ask again in a moment.", 2)
        return message

    async def send(self, message: Message) -> None:
        if self.refusal is None:
            self.answered = True
            await self._send(message)

    def _refuse(self, kind: str, detail: str, retry_after_s: int = 0) -> ProblemError:
        self.refusal = ProblemError(kind, detail, retry_after_s=retry_after_s)
        return self.refusal

    def _too_large(self) -> ProblemError:
        return self._refuse(
            "too-large",
            f"A request may have at most {self._owner.limits.max_body_bytes / MEGABYTE:g} MB, but "
            "this one has more. Send smaller photos, or fewer at a time.",
        )
