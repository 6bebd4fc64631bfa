"""Demo and REST on one port, the bundle watched, an orderly end."""

import ctypes
import json
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TypeAlias

from ..core.errors import ConfigError, ShelfsureError
from ..monitoring.verdict_log import VerdictLog
from ..pipeline.manifest import MANIFEST
from ..pipeline.pipeline import ListingPipeline
from ..pipeline.shift import OnShift
from .challenger import Challenger
from .demo.firewall import Firewall
from .rest.api import create_app
from .rest.guard import LOOPBACK_NAMES
from .rest.limits import Limits
from .rest.server import Server, server_config
from .review.audit import Auditor
from .review.store import ReviewStore
from .service import Service
from .verdict_webhook import VerdictWebhook

_LOG = logging.getLogger(__name__)
_WATCH_S, _RETRY_S = 2.0, 30.0
_Stamp: TypeAlias = tuple[int, int, int] | None
_MMAP_THRESHOLD, _ARENA_MAX = -3, -8  # of malloc.h


def serve(
    open_pipeline: Callable[[], ListingPipeline],
    *,
    bundle: Path | None = None,
    host: str = "127.0.0.1",
    port: int = 8000,
    api_key: str | None = None,
    public_hosts: Collection[str] = (),
    demo: bool = True,
    reviews: Path | None = None,
    limits: Limits | None = None,
    max_queue: int = 256,
    on_shift: OnShift = "ignore",
    audit: float | None = None,
    verdict_log: VerdictLog | None = None,
    webhook: VerdictWebhook | None = None,
    shopify_secret: str | None = None,
    challenger: Challenger | None = None,
) -> None:
    """Serve until SIGTERM or Ctrl-C; SIGHUP, or a new bundle in the folder, exchanges the model.

    Parameters
    ----------
    bundle
        The folder to watch; None watches nothing.
    public_hosts
        Names under which a proxy reaches this server. On a loopback address without any, only
        this machine is served, and the demo takes paths of its folders.
    reviews
        Where the review queue is kept; None for the usual place.
    on_shift
        As for `Service`.
    audit
        Share of accepted listings that is put into the review queue; None: none.
    verdict_log, webhook
        Keeps, and posts, what REST judged; they are closed in the end.
    shopify_secret
        What Shopify signs its events with; None: none are taken.
    challenger
        On trial beside the bundle; its folder is watched, too, and one that goes ends the trial.

    Raises
    ------
    ShelfsureError
        If the address can't be listened on, or the pipeline can't be loaded.
    """
    write_log_lines()
    give_memory_back()
    check_free(host, port)
    challenged = Path(challenger.bundles[1]) if challenger and challenger.bundles[1] else None
    before = {folder: _stamp(folder) for folder in (bundle, challenged) if folder}
    local = host in LOOPBACK_NAMES and not public_hosts
    hosts = {*LOOPBACK_NAMES, *public_hosts} if local or public_hosts else ()
    auditor = Auditor(ReviewStore(reviews), audit) if audit else None
    making = Service(
        open_pipeline,
        max_queue=max_queue,
        on_shift=on_shift,
        auditor=auditor,
        verdict_log=verdict_log,
        webhook=webhook,
        challenger=challenger,
    )
    with verdict_log or nullcontext(), webhook or nullcontext(), making as service:
        site = demo_site(service, reviews, local=local) if demo else None
        app = create_app(
            service,
            limits=limits,
            api_key=api_key,
            hosts=hosts,
            demo=site,
            shopify_secret=shopify_secret,
        )
        server = Server(server_config(app, host, port), lambda: _end(service, site))
        failure: list[BaseException] = []
        threading.Thread(target=_end_unless_loaded, args=(service, server, failure)).start()
        # ours, to leave with success: uvicorn raises its signals again once all is answered
        ending = _on_signals(("SIGINT", "SIGTERM"), lambda: setattr(server, "should_exit", True))
        watched: list[tuple[Service | Challenger, Path | None]] = [(service, bundle)]
        if challenger:
            watched.append((challenger, challenged))
        with _reloading(watched, before), ending:
            server.run()
    if failure:
        raise failure[0]


def demo_site(service: Service, reviews: Path | None, *, local: bool) -> Firewall:
    """Make the demo's application behind its firewall."""
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # Gradio reads it as it is imported
    from .demo.ui import mount_ui

    return mount_ui(service, ReviewStore(reviews), local=local)


def reload_once(model: Service | Challenger) -> bool:
    """Exchange a model; a new one that can't be opened leaves the old one in use."""
    try:
        model.reload()
    except ShelfsureError as error:
        _LOG.warning("the bundle in use stays, because the new one can't be opened: %s", error)
        return False
    except Exception:  # noqa: BLE001 (whatever it is, serving goes on)
        _LOG.exception("the bundle in use stays, because opening the new one failed")
        return False
    return True


def _stamp(bundle: Path | None) -> _Stamp:
    """Tell one manifest from the next; None while there is none."""
    if bundle is None:
        return None
    try:
        found = (bundle / MANIFEST).stat()
    except OSError:  # between two bundles there is none for a moment
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


@contextmanager
def _reloading(
    watched: Sequence[tuple[Service | Challenger, Path | None]], before: Mapping[Path, _Stamp]
) -> Iterator[None]:
    """Reload on SIGHUP and when a manifest changes; try again if that failed."""
    awake, ended = [threading.Event() for _ in watched], threading.Event()

    def wake() -> None:
        for each in awake:
            each.set()

    def watch(model: Service | Challenger, bundle: Path | None, woken: threading.Event) -> None:
        in_use, pause_s, n_gone = before.get(bundle) if bundle else None, _WATCH_S, 0
        while not ended.is_set():
            asked = woken.wait(pause_s)
            woken.clear()
            found = _stamp(bundle)
            n_gone = n_gone + 1 if bundle and not found else 0
            if n_gone > 1 and isinstance(model, Challenger):  # not just between two bundles
                model.stop("removed", "Its bundle is gone.")
                in_use = None
            if ended.is_set() or not (asked or (found and found != in_use)):
                continue
            done = reload_once(model)
            in_use, pause_s = (found, _WATCH_S) if done else (in_use, _RETRY_S)

    for (model, bundle), woken in zip(watched, awake, strict=True):
        arguments = (model, bundle, woken)
        threading.Thread(target=watch, args=arguments, name="shelfsure-reload", daemon=True).start()
    try:
        with _on_signals(("SIGHUP",), wake):
            yield
    finally:
        ended.set()
        wake()


@contextmanager
def _on_signals(names: Sequence[str], act: Callable[[], None]) -> Iterator[None]:
    """Act on signals, those left out that the system doesn't have (SIGHUP on Windows)."""
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    previous = {number: signal.signal(number, lambda *_: act()) for number in numbers}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _end_unless_loaded(service: Service, server: Server, failure: list[BaseException]) -> None:
    try:
        _LOG.info("bundle %s is loaded", service.pipeline.version)
    except BaseException as error:  # noqa: BLE001 (raised again in the main thread)
        failure.append(error)
        server.should_exit = True


def _end(service: Service, site: Firewall | None) -> None:
    """Begin nothing that takes long, and let open pages go: the server would wait for both."""
    service.ending = True
    for route in site.app.routes if site else ():
        if stop := getattr(getattr(route, "app", None), "stop_event", None):
            stop.set()


def check_free(host: str, port: int) -> None:
    """Raise a ConfigError, before the model is loaded, if the address can't be listened on."""
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
