"""Shopify's events: nothing unsigned is read, each is judged once, and no image is fetched."""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from shelfsure.catalog.listing import Listing
from shelfsure.pipeline.pipeline import ListingPipeline
from shelfsure.serving.rest import routes
from shelfsure.serving.rest.api import create_app
from shelfsure.serving.rest.shopify import NO_PHOTO, SeenEvents
from shelfsure.serving.service import Service

PATH, SECRET, API_KEY = "/v1/hooks/shopify", "hush", "correct-horse-battery"
PRODUCT: dict[str, Any] = {
    "id": 788032119674292922,
    "title": "lamp by Brand1",
    "body_html": "<p>A bulb for <b>home</b> use</p><style>watch</style>",
    "vendor": "Brand1",
    "product_type": "Lamps",
    "images": [{"id": 1, "src": "https://cdn.example/a.jpg"}],
    "variants": [{"id": 5, "price": "9.00", "sku": "a-1"}],
}


@pytest.fixture(scope="module")
def service(tiny_trained: ListingPipeline) -> Iterator[Service]:
    with Service(lambda: tiny_trained) as service:
        assert service.pipeline
        yield service


@pytest.fixture
def client(service: Service) -> TestClient:
    app = create_app(service, api_key=API_KEY, shopify_secret=SECRET)
    return TestClient(app, raise_server_exceptions=False)


def signed(body: bytes, secret: str = SECRET, event: str = "e-1", **more: str) -> dict[str, str]:
    digest = hmac.new(secret.encode(), body, hashlib.sha256).digest()
    return {
        "X-Shopify-Hmac-Sha256": base64.b64encode(digest).decode(),
        "X-Shopify-Topic": "products/update",
        "X-Shopify-Event-Id": event,
        "X-Shopify-Shop-Domain": "shop.example",
        "Content-Type": "application/json",
    } | more


def test_a_product_is_judged_by_its_words_and_says_that_no_image_was_fetched(
    client: TestClient, tiny_trained: ListingPipeline
) -> None:
    body = json.dumps(PRODUCT).encode()
    answer = client.post(PATH, content=body, headers=signed(body))  # needs no API key
    assert answer.status_code == 200, answer.text
    listing = Listing(str(PRODUCT["id"]), PRODUCT["title"], None, PRODUCT["body_html"])
    [expected] = tiny_trained.predict([listing], on_shift="ignore")
    said = expected.without_photo(NO_PHOTO).model_dump(mode="json")
    assert answer.json() == {"status": "judged", "verdict": said}
    assert said["route"] == "text_only"


def test_a_product_without_a_title_is_rejected_and_not_said_to_go_by_it(client: TestClient) -> None:
    empty = dict.fromkeys(("title", "body_html", "vendor", "variants", "image"))
    body = json.dumps(PRODUCT | empty).encode()
    answer = client.post(PATH, content=body, headers=signed(body, event="no-title"))
    assert answer.status_code == 200, answer.text
    verdict = answer.json()["verdict"]
    assert verdict["decision"] == "rejected"
    assert verdict["reasons"][-1] == f"Its photo can't be used: {NO_PHOTO}"


def test_a_photo_that_is_written_out_is_looked_at(client: TestClient, tiny_folder: Path) -> None:
    photo = base64.b64encode((tiny_folder / "photos/0.png").read_bytes()).decode()
    body = json.dumps(PRODUCT | {"images": [{"src": "https://x"}, {"attachment": photo}]}).encode()
    said = client.post(PATH, content=body, headers=signed(body)).json()["verdict"]
    assert said["route"] == "fusion"
    assert NO_PHOTO not in " ".join(said["reasons"])
    lines = base64.encodebytes((tiny_folder / "photos/1.png").read_bytes()).decode()
    assert lines.count("\n") > 1
    wrapped = json.dumps(PRODUCT | {"image": {"attachment": lines}}).encode()
    said = client.post(PATH, content=wrapped, headers=signed(wrapped, event="3")).json()["verdict"]
    assert said["route"] == "fusion"
    broken = json.dumps(PRODUCT | {"image": {"attachment": "!"}}).encode()
    assert client.post(PATH, content=broken, headers=signed(broken, event="2")).status_code == 422


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Shopify-Hmac-Sha256": ""},
        {"X-Shopify-Hmac-Sha256": "\xff"},
        {"X-Shopify-Hmac-Sha256": "0" * 44},
        signed(b"{", "another secret"),
        signed(b"{ "),
    ],
)
def test_what_is_not_signed_is_not_read(client: TestClient, headers: dict[str, str]) -> None:
    raw = {name: value.encode("latin-1") for name, value in headers.items()}
    answer = client.post(PATH, content=b"{", headers=raw)  # no JSON: reading it would be a 400
    assert answer.status_code == 401
    assert answer.json()["type"] == "urn:shelfsure:problem:signature"
    assert client.post(PATH, content=b"{", headers=signed(b"{")).status_code == 400


def test_an_event_is_judged_once_however_often_it_comes(client: TestClient) -> None:
    body = json.dumps(PRODUCT).encode()

    def status(**headers: str) -> str:
        return str(
            client.post(PATH, content=body, headers=signed(body, **headers)).json()["status"]
        )

    assert status() == "judged"
    assert status(**{"X-Shopify-Webhook-Id": "another try"}) == "repeated"
    assert status(event="e-2") == "judged"
    assert status(**{"X-Shopify-Shop-Domain": "other.example"}) == "judged"
    assert status(event="", **{"X-Shopify-Webhook-Id": "w"}) == "judged"
    assert status(event="", **{"X-Shopify-Webhook-Id": "w"}) == "repeated"
    assert status(event="", **{"X-Shopify-Topic": "products/delete"}) == "ignored"


def test_an_event_that_failed_may_come_again(client: TestClient) -> None:
    for bad in ([], {"title": "no id"}, {"id": True, "title": "x"}):
        body = json.dumps(bad).encode()
        assert client.post(PATH, content=body, headers=signed(body)).status_code == 422
    body = json.dumps(PRODUCT).encode()
    assert client.post(PATH, content=body, headers=signed(body)).json()["status"] == "judged"


def test_an_answer_that_takes_long_is_given_before_shopify_hangs_up(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "EVENT_S", 0.0)
    body = json.dumps(PRODUCT).encode()
    answer = client.post(PATH, content=body, headers=signed(body))
    assert (answer.status_code, answer.json()["status"]) == (202, "queued")
    assert client.post(PATH, content=body, headers=signed(body)).json()["status"] == "repeated"


def test_without_a_secret_nothing_is_taken(service: Service) -> None:
    client = TestClient(create_app(service))
    body = json.dumps(PRODUCT).encode()
    assert client.post(PATH, content=body, headers=signed(body, "")).status_code == 404
    locked = TestClient(create_app(service, api_key=API_KEY))
    assert locked.post(PATH, content=body, headers=signed(body)).status_code == 401
    assert (
        locked.post(PATH, content=body, headers=signed(body)).json()["type"].endswith("key-needed")
    )


def test_seen_events_forgets_the_oldest() -> None:
    seen = SeenEvents(2)
    for name in "abc":
        seen.add(("shop", "topic", name))
    assert [("shop", "topic", name) in seen for name in "abc"] == [False, True, True]
    seen.discard(("shop", "topic", "c"))
    assert ("shop", "topic", "c") not in seen
