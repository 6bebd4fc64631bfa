"""uvicorn, with what it leaves out: a limit on slow headers, and demo streams that end in time."""

import asyncio
import socket
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

HEADERS_S = 10.0
"""For a request's header to arrive."""
FINISH_S = 30
"""For accepted requests to be answered once the server is told to end."""
MAX_CONNECTIONS = 500


class PunctualProtocol(H11Protocol):
    """Closes a connection that doesn't get a request's header across in time (slow loris).

    It closes one, too, that still sends a body after that was refused.
    """

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        super().connection_lost(exc)

    @property
    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _expect(self) -> None:
        if self._answering:
            self._forget()
        elif self._timer is None:
            self._timer = self.loop.call_later(HEADERS_S, self._close_late)

    def _forget(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _close_late(self) -> None:
        self._timer = None
        if not self._answering and not self.transport.is_closing():
            self.transport.close()


class Server(uvicorn.Server):
    """A server that runs something first when it is told to end."""

    def __init__(self, config: uvicorn.Config, ending: Callable[[], None]) -> None:
        super().__init__(config)
        self._ending = ending

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._ending()
        await super().shutdown(sockets)


def server_config(app: ASGIApp, host: str, port: int) -> uvicorn.Config:
    """Configure uvicorn: no websockets, no name of the software, its own log only on trouble."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        http=PunctualProtocol,
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=FINISH_S,
        backlog=512,
    )
