"""Tell somebody: a signed request to an address, or a command; neither may lose the report."""

import hashlib
import hmac
import json
import shlex
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from ..core.errors import ConfigError

TIMEOUT_S = 10.0
COMMAND_TIMEOUT_S = 60.0
MIN_KEY_CHARS = 16
SIGNATURE, TIMESTAMP = "X-Shelfsure-Signature", "X-Shelfsure-Timestamp"


class AlertError(Exception):
    """An alert didn't get through; the report is there all the same."""


def alert_of(said: Mapping[str, Any]) -> dict[str, Any]:
    """Say what is wrong; no listing is among it."""
    names = ("model_version", "made", "n", "drift", "promise")
    return {name: said[name] for name in names}


def check_url(url: str, key: str | None) -> None:
    """Complain before the work starts.

    Raises
    ------
    ConfigError
        If it is no web address, or there is no key to sign with.
    """
    if urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname:
        raise ConfigError(f"--alert-url must begin with http:// or https://, got {url!r}.")
    if key is None or len(key) < MIN_KEY_CHARS:
        raise ConfigError(
            f"Alerts are signed: set SHELFSURE_ALERT_KEY to at least {MIN_KEY_CHARS} characters, "
            "which the receiver knows, too."
        )


def signature(body: bytes, key: str, timestamp: str) -> str:
    """Sign what is sent, HMAC-SHA256 of ``TIMESTAMP.BODY``."""
    signed = timestamp.encode() + b"." + body
    return "sha256=" + hmac.new(key.encode(), signed, hashlib.sha256).hexdigest()


def send(url: str, alert: Mapping[str, Any], key: str) -> None:
    """Send an alert as JSON.

    Raises
    ------
    AlertError
        If there is no answer within seconds, or it isn't a success.
    """
    body, timestamp = json.dumps(alert).encode(), str(int(time.time()))
    headers = {
        "Content-Type": "application/json",
        TIMESTAMP: timestamp,
        SIGNATURE: signature(body, key, timestamp),
    }
    request = urllib.request.Request(url, body, headers)  # noqa: S310 (check_url has looked)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S):  # noqa: S310
            return
    except (OSError, urllib.error.URLError, ValueError) as error:
        raise AlertError(f"The alert to {urlsplit(url).hostname} failed: {error}.") from error


def run(command: str, alert: Mapping[str, Any]) -> None:
    """Run a command, without a shell, that reads the alert as JSON.

    Raises
    ------
    AlertError
        If it can't be run, fails, or takes too long.
    """
    try:
        subprocess.run(  # noqa: S603 (the user's own command)
            shlex.split(command),
            input=json.dumps(alert).encode(),
            check=True,
            timeout=COMMAND_TIMEOUT_S,
        )
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise AlertError(f"The alert command failed: {error}.") from error
