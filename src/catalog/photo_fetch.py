"""Photos that a catalogue names by address, brought into a folder: bounded, resumable, no detours.

Names are resolved here and the address that was checked is the one connected to, so that no name
leads into this machine's own network; a redirect leads to hosts that were agreed to, or nowhere.
"""

import hashlib
import ipaddress
import json
import mimetypes
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import urllib3

from ..core.errors import PhotoError
from ..core.files import atomic_path
from ..core.output import output

TIMEOUT_S, TOTAL_S = 15.0, 60.0
MAX_REDIRECTS = 3
_CHUNK = 1 << 16
_SCHEMES = {"http", "https"}
_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]+:)?//", re.IGNORECASE)
_BETWEEN = re.compile(r"[|;,\s]+(?=[a-z][a-z0-9+.-]+://)", re.IGNORECASE)
"""Between two addresses; a comma within one belongs to it."""
_SUFFIXES = {"image/jpeg": ".jpg", "image/jpg": ".jpg", "image/webp": ".webp"}


class FetchError(PhotoError):
    """A photo couldn't be had from its address."""


@dataclass(frozen=True)
class PhotoFetcher:
    """Brings photos into a folder, each under a name that its address alone decides.

    Parameters
    ----------
    folder
        Where they go; one that is there already isn't asked for again.
    hosts
        Those that may be asked.
    max_bytes
        Of one photo.
    allow_private
        Whether addresses that aren't public may be asked, such as this machine's.
    stopped
        Once set, photos under way are given up.
    """

    folder: Path
    hosts: Collection[str]
    max_bytes: int = 20_000_000
    allow_private: bool = False
    stopped: threading.Event = field(default_factory=threading.Event)
    _stems: dict[str, Path] = field(default_factory=dict)

    def __post_init__(self) -> None:
        with output(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        self._stems.update({path.stem: path for path in self.folder.iterdir() if path.is_file()})

    def there(self, url: str) -> Path | None:
        """Give the photo if it was brought before."""
        return self._stems.get(_stem(url))

    def fetch(self, url: str) -> Path:
        """Bring a photo, unless it is there, and give its place.

        Raises
        ------
        FetchError
            If it can't be had, or may not; says why.
        """
        if path := self.there(url):
            return path
        until, place = time.monotonic() + TOTAL_S, url
        for _ in range(MAX_REDIRECTS + 1):
            with closing(self._ask(place)) as answer:
                if answer.status in {301, 302, 303, 307, 308}:
                    place = urljoin(place, answer.headers.get("location", ""))
                    continue
                if answer.status != 200:
                    raise FetchError(f"it answered {answer.status}")
                return self._keep(url, answer, until)
        raise FetchError(f"more than {MAX_REDIRECTS} redirects")

    def _ask(self, url: str) -> urllib3.BaseHTTPResponse:
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError as error:
            raise FetchError(f"no web address: {error}") from error
        if parts.scheme not in _SCHEMES:
            raise FetchError(f"it must begin with http:// or https://, not {parts.scheme}://")
        if host not in self.hosts:
            raise FetchError(f"{parts.scheme}://{host} isn't among the hosts agreed to")
        port = port or (443 if parts.scheme == "https" else 80)
        address = public_address(host, port, allow_private=self.allow_private)
        pool: urllib3.HTTPConnectionPool
        if parts.scheme == "https":
            pool = urllib3.HTTPSConnectionPool(
                address, port, server_hostname=host, assert_hostname=host
            )
        else:
            pool = urllib3.HTTPConnectionPool(address, port)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = {"Host": parts.netloc.rpartition("@")[2], "Accept": "image/*"}
        try:
            return pool.urlopen(
                "GET",
                target,
                headers=headers,
                redirect=False,
                retries=False,
                timeout=TIMEOUT_S,
                preload_content=False,
                decode_content=False,
            )
        except urllib3.exceptions.HTTPError as error:
            raise FetchError(f"it can't be reached: {error}") from error

    def _keep(self, url: str, answer: urllib3.BaseHTTPResponse, until: float) -> Path:
        kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind and not kind.startswith("image/") and kind != "application/octet-stream":
            raise FetchError(f"it is {kind[:40]}, and no photo")
        suffix = _SUFFIXES.get(kind) or mimetypes.guess_extension(kind) or ".img"
        path = self.folder / (_stem(url) + suffix)
        n_bytes = 0
        try:
            with atomic_path(path) as partial, partial.open("wb") as file:
                for chunk in answer.stream(_CHUNK):
                    n_bytes += len(chunk)
                    if n_bytes > self.max_bytes:
                        raise FetchError(f"it has more than {self.max_bytes:,} bytes")
                    if self.stopped.is_set():
                        raise FetchError("it was stopped")
                    if time.monotonic() > until:
                        raise FetchError(f"it took more than {TOTAL_S:g} s")
                    file.write(chunk)
                if not n_bytes:
                    raise FetchError("it is empty")
        except urllib3.exceptions.HTTPError as error:
            raise FetchError(f"it broke off: {error}") from error
        self._stems[path.stem] = path
        return path


def public_address(host: str, port: int, *, allow_private: bool = False) -> str:
    """Resolve a name, and give an address of it.

    Raises
    ------
    FetchError
        If there is none, or any of them isn't public, unless that is allowed.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise FetchError(f"its host {host} has no address") from error
    addresses = [str(each[4][0]) for each in found]
    for address in addresses:
        if not allow_private and not is_public(address):
            raise FetchError(f"its host {host} has the address {address}, which isn't public")
    return addresses[0]


def is_public(address: str) -> bool:
    """Tell addresses of the public network; one that is wrapped in IPv6 is looked at as itself.

    >>> is_public("8.8.8.8"), is_public("127.0.0.1"), is_public("::ffff:10.0.0.1")
    (True, False, False)
    """
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        inner = parsed.ipv4_mapped or parsed.sixtofour
        parsed = inner or parsed
    return parsed.is_global and not parsed.is_multicast


def hosts_of(urls: Sequence[str]) -> Counter[str]:
    """Count the addresses by host; those that can't be asked for don't count."""
    counts: Counter[str] = Counter()
    for url in urls:
        with suppress(ValueError):
            parts = urlsplit(url)
            counts[(parts.scheme in _SCHEMES and parts.hostname) or ""] += 1
    del counts[""]
    return counts


def _stem(url: str) -> str:
    return hashlib.sha256(url.encode("utf-8", "replace")).hexdigest()[:32]


def web_addresses(value: object) -> list[str]:
    """Give the addresses among the photos that a field names: one, several, or a list.

    Those that can't be asked for (``ftp://``) are among them: `PhotoFetcher.fetch` says why not.

    >>> web_addresses("https://a/w_300,h_300/1.jpg, https://a/2.jpg|3.jpg")
    ['https://a/w_300,h_300/1.jpg', 'https://a/2.jpg|3.jpg']
    """
    if isinstance(value, dict):
        value = value.get("src") or value.get("url")
    if isinstance(value, str) and value.lstrip().startswith("["):
        with suppress(ValueError):
            value = json.loads(value)
    if isinstance(value, list | tuple):
        return [address for each in value for address in web_addresses(each)]
    text = value.strip() if isinstance(value, str) else ""
    return [one for one in _BETWEEN.split(text) if _ADDRESS.match(one)]
