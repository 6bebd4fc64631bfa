"""What a serving process needs before it serves: a free address, log lines, small memory."""

import ctypes
import json
import logging
import socket
import sys

from ..core.errors import ConfigError

_MMAP_THRESHOLD, _ARENA_MAX = -3, -8  # of malloc.h


def check_free(host: str, port: int) -> None:
    """Find out before the model is loaded whether the address can be listened on.

    Raises
    ------
    ConfigError
        If it can't: another program has it, or it isn't one of this machine's.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        raise ConfigError(
            f"The server must be able to listen on {host}, port {port}, but: {error.strerror}. "
            "Choose another --port (0: any free one) or --host."
        ) from error


def give_memory_back() -> None:
    """Have glibc return a large photo's memory as soon as it is free, instead of keeping it.

    Else a server's size is that of the worst photos that all its threads have ever decoded at once.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library has no such setting
        return
    mallopt(_ARENA_MAX, 2)
    mallopt(_MMAP_THRESHOLD, 8 << 20)


def write_log_lines() -> None:
    """Write Shelfsure's log to standard error, a line of JSON each."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLine())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for name in ("shelfsure", "uvicorn.error"):
        logging.getLogger(name).setLevel(logging.INFO)


class JsonLine(logging.Formatter):
    """A record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line)
