"""Who may ask: the API key, the names this server goes by, and no other site's pages."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Collection, Mapping, Set
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from .problems import ProblemError

OPEN_PATHS = {"/healthz", "/readyz", "/v1/openapi.json"}
"""Need no key: they tell nothing of listings, and who watches a server has none."""
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_OWN_PAGES = {b"", b"same-origin", b"none"}
_READING = {"GET", "HEAD", "OPTIONS"}


class Guard:
    """ASGI middleware that stands before REST and demo alike, so that neither is a way around.

    Parameters
    ----------
    api_key
        None lets everybody in. Taken as ``Authorization: Bearer``, ``X-API-Key``, or the password
        of HTTP Basic, which is how browsers ask for it.
    hosts
        Names that ``Host`` may give; empty for any. Without this, a web page could give its own
        name this machine's address and then ask as if it were of this origin (DNS rebinding).
    signed_paths
        Need no key either: what comes there is known by its signature.
    """

    def __init__(
        self,
        app: ASGIApp,
        api_key: str | None,
        hosts: Collection[str] = (),
        signed_paths: Set[str] = frozenset(),
    ) -> None:
        self.app = app
        self._open = OPEN_PATHS | signed_paths
        self._digest = _digest(api_key.encode()) if api_key else None
        self._hosts = {host.lower() for host in hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":  # nothing here speaks it
            await send({"type": "websocket.close", "code": 1000})
            return
        if scope["type"] == "http":
            try:
                self.check(scope["method"], scope["path"], dict(scope["headers"]))
            except ProblemError as problem:
                await problem.response(scope)(scope, receive, send)
                return
        await self.app(scope, receive, send)

    def check(self, method: str, path: str, headers: Mapping[bytes, bytes]) -> None:
        """Refuse a request under a wrong name, from another site's page, or without the key."""
        host = headers.get(b"host", b"").decode("latin-1")
        if self._hosts and host_name(host) not in self._hosts:
            raise ProblemError(
                "wrong-host",
                f"This server goes by {', '.join(sorted(self._hosts))}. Behind a proxy, start it "
                "with --allow-host and the public name.",
            )
        if method not in _READING and headers.get(b"sec-fetch-site", b"") not in _OWN_PAGES:
            raise ProblemError("cross-site", "A page of another site may not ask this server.")
        if self._digest is None or path in self._open:
            return
        if not any(hmac.compare_digest(_digest(key), self._digest) for key in given_keys(headers)):
            scheme = "Bearer" if is_rest(path) else 'Basic realm="Shelfsure", charset="UTF-8"'
            raise ProblemError(
                "key-needed",
                "Send the server's API key as `Authorization: Bearer KEY` or `X-API-Key: KEY`; in "
                "a browser, give it as the password.",
                headers={"WWW-Authenticate": scheme},
            )


def is_rest(path: str) -> bool:
    """Tell REST's paths from the demo's."""
    return path in {"/healthz", "/readyz", "/metrics", "/v1"} or path.startswith("/v1/")


def host_name(host: str) -> str:
    """Take the port off a Host header; empty if it is none.

    >>> host_name("[::1]:8000"), host_name("LocalHost")
    ('::1', 'localhost')
    """
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def given_keys(headers: Mapping[bytes, bytes]) -> list[bytes]:
    """Find what a request offers as key."""
    keys = [headers[b"x-api-key"]] if b"x-api-key" in headers else []
    scheme, _, value = headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() == b"bearer":
        keys.append(value.strip())
    elif scheme.lower() == b"basic":
        try:
            keys.append(base64.b64decode(value.strip()).partition(b":")[2])
        except binascii.Error:
            return keys
    return keys


def _digest(key: bytes) -> bytes:
    """Hash, so that comparing takes the same time whatever the lengths."""
    return hashlib.sha256(key).digest()
