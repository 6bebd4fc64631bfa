"""Messages out: signed as the published vector says, sent once, and no redirect followed."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler

import pytest
from shelfsure.core.errors import ConfigError, WebhookError
from shelfsure.core.webhooks import check_address, send, signed_headers
from standardwebhooks.webhooks import Webhook

KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_signed_headers_are_those_of_the_published_vector() -> None:
    at = datetime.fromtimestamp(1614265330, UTC)
    body = b'{"test": 2432232314}'
    headers = signed_headers(body, KEY, "msg_p5jXN8AQM9LWM0D4loKWxJek", at)
    assert headers == {
        "Content-Type": "application/json",
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_a_key_that_is_plain_text_is_the_key_itself() -> None:
    body, now = '{"name": "Tür"}'.encode(), datetime.now(UTC)
    headers = signed_headers(body, "sixteen-letters!", "msg_1", now)
    assert Webhook(b"sixteen-letters!").verify(body, headers) == {"name": "Tür"}
    with pytest.raises(Exception, match="No matching signature"):
        Webhook(b"sixteen-letterz!").verify(body, headers)


@pytest.fixture
def receiver(
    answering_server: Callable[..., AbstractContextManager[str]],
) -> Iterator[tuple[str, list[str]]]:
    """A server that answers with the number in the path, and for 302 points to itself."""
    got: list[str] = []

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.rfile.read(int(request.headers["Content-Length"]))
        got.append(request.path)
        request.send_response(int(request.path[1:]))
        request.send_header("Location", "/200")
        request.send_header("Content-Length", "2")
        request.end_headers()
        request.wfile.write(b"ok")

    with answering_server(answer) as address:
        yield address, got


def test_send_says_what_failed_and_follows_no_redirect(receiver: tuple[str, list[str]]) -> None:
    url, got = receiver
    for status in (200, 202, 204):
        send(f"{url}/{status}", b"{}", KEY, "msg_1")
    for status, final in ((302, False), (400, False), (503, False), (410, True)):
        with pytest.raises(WebhookError, match=f"127.0.0.1 failed: it answered {status}") as found:
            send(f"{url}/{status}", b"{}", KEY, "msg_1")
        assert found.value.final == final
    assert got == ["/200", "/202", "/204", "/302", "/400", "/503", "/410"]
    with pytest.raises(WebhookError, match=r"Sending to 127\.0\.0\.1 failed: .*refused"):
        send("http://127.0.0.1:9/", b"{}", KEY, "msg_1")


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "https://", "shop.example", "http://[", "http://a:port/"]
)
def test_check_address_takes_web_addresses_only(url: str) -> None:
    with pytest.raises(ConfigError, match=r"--webhook must begin with http:// or https://, got '"):
        check_address(url, KEY, "--webhook", "KEY")


@pytest.mark.parametrize(
    "key", [None, "", "short", "whsec_", "whsec_c2hvcnQ=", "whsec_not!base64!at!all!"]
)
def test_check_address_needs_a_key(key: str | None) -> None:
    with pytest.raises(ConfigError, match="set MY_KEY to at least 16 characters"):
        check_address("https://shop.example/hook", key, "--webhook", "MY_KEY")
    assert check_address("https://shop.example:1/", KEY, "--webhook", "MY_KEY") == KEY
