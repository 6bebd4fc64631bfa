"""Messages to an address of the user's own, signed as Standard Webhooks say, and sent once."""

import base64
from datetime import UTC, datetime
from functools import cache
from urllib.parse import urlsplit

import urllib3
from standardwebhooks.webhooks import Webhook

from .errors import ConfigError, WebhookError

TIMEOUT_S = 10.0
MIN_KEY_BYTES = 16
_BASE64 = "whsec_"
_MAX_ANSWER_BYTES = 65_536
_GONE = 410


def check_address(url: str, key: str | None, option: str, variable: str) -> str:
    """Complain before the work starts; gives the key.

    Parameters
    ----------
    option, variable
        What `url` was given to, and the environment variable that has the key.

    Raises
    ------
    ConfigError
        If it is no web address, or there is no key to sign with.
    """
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname)
        usable = usable and parts.port != 0
    except ValueError:  # a port that is none
        usable = False
    if not usable:
        raise ConfigError(f"{option} must begin with http:// or https://, got {url!r}.")
    try:
        _signer(key or "")
    except ValueError as error:
        raise ConfigError(
            f"What is sent to {option} is signed: set {variable} to at least {MIN_KEY_BYTES} "
            "characters, which the receiver knows, too. Make it with: python -c 'import base64, "
            'secrets; print("whsec_" + base64.b64encode(secrets.token_bytes(32)).decode())\''
        ) from error
    return key or ""


def signed_headers(body: bytes, key: str, message_id: str, at: datetime) -> dict[str, str]:
    """Sign a message: HMAC-SHA256 over ``id.timestamp.body``.

    Parameters
    ----------
    body
        In UTF-8.
    key
        ``whsec_`` and base64, as Standard Webhooks write it; any other text is the key itself.
    message_id
        The same each time that this message is tried.
    at
        Of this try, in UTC.
    """
    return {
        "Content-Type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": _signer(key).sign(message_id, at, body.decode()),
    }


def send(url: str, body: bytes, key: str, message_id: str) -> None:
    """Send a message once; no redirect is followed.

    Raises
    ------
    WebhookError
        If there is no answer within seconds, or it isn't a success.
    """
    headers = signed_headers(body, key, message_id, datetime.now(UTC))
    host = urlsplit(url).hostname
    try:
        answer = _client().request(
            "POST", url, body=body, headers=headers, redirect=False, preload_content=False
        )
    except urllib3.exceptions.HTTPError as error:
        raise WebhookError(f"Sending to {host} failed: {error}.") from error
    try:
        answer.read(_MAX_ANSWER_BYTES)  # then the connection serves again
    except urllib3.exceptions.HTTPError:
        answer.close()  # the status is known, and that is what counts
    finally:
        answer.release_conn()
    if not 200 <= answer.status < 300:
        raise WebhookError(
            f"Sending to {host} failed: it answered {answer.status}.", final=answer.status == _GONE
        )


@cache
def _client() -> urllib3.PoolManager:
    return urllib3.PoolManager(timeout=TIMEOUT_S, retries=False, maxsize=4)


def _signer(key: str) -> Webhook:
    """Raise a ValueError for a key that is too short, or isn't what it says."""
    secret = key.encode()
    if key.startswith(_BASE64):
        written = key.removeprefix(_BASE64)
        secret = base64.b64decode(written + "=" * (-len(written) % 4), validate=True)
    if len(secret) < MIN_KEY_BYTES:
        raise ValueError(f"{len(secret)} bytes")
    return Webhook(secret)
