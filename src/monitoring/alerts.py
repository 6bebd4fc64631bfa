"""Tell somebody: a signed request to an address, or a command; neither may lose the report."""

import json
import shlex
import subprocess
import uuid
from collections.abc import Mapping
from typing import Any

from ..core import webhooks
from ..core.errors import WebhookError

COMMAND_TIMEOUT_S = 60.0


class AlertError(Exception):
    """An alert didn't get through; the report is there all the same."""


def alert_of(said: Mapping[str, Any]) -> dict[str, Any]:
    """Say what is wrong; no listing is among it."""
    names = ("model_version", "made", "n", "drift", "promise")
    return {name: said[name] for name in names}


def check_url(url: str, key: str | None) -> None:
    """Complain before the work starts, by a ConfigError: no web address, or no key to sign with."""
    webhooks.check_address(url, key, "--alert-url", "SHELFSURE_ALERT_KEY")


def send(url: str, alert: Mapping[str, Any], key: str) -> None:
    """Send an alert as JSON.

    Raises
    ------
    AlertError
        If there is no answer within seconds, or it isn't a success.
    """
    try:
        webhooks.send(url, json.dumps(alert).encode(), key, f"msg_{uuid.uuid4().hex}")
    except WebhookError as error:
        raise AlertError(f"The alert didn't get through. {error}") from error


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
