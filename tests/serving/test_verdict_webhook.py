"""Verdicts posted: what isn't accepted, each once, again after a failure, and nobody waits."""

import json
import threading
import time
from collections.abc import Callable

import pytest
from shelfsure.catalog.listing import Listing
from shelfsure.core.errors import WebhookError
from shelfsure.pipeline.pipeline import ListingPipeline
from shelfsure.pipeline.verdict import Verdict
from shelfsure.serving.service import Service
from shelfsure.serving.verdict_webhook import VerdictWebhook

URL, KEY = "http://receiver.example/", "sixteen-letters!"


def verdicts(*decisions: str) -> list[Verdict]:
    return [Verdict(listing_id=f"n{n}", decision=each) for n, each in enumerate(decisions)]


class Receiver:
    """Keeps what comes; the first `n_failures` tries fail."""

    def __init__(self, n_failures: int = 0, *, final: bool = False) -> None:
        self.n_failures, self.final = n_failures, final
        self.got: list[tuple[str, dict[str, object]]] = []
        self.tries: list[str] = []

    def __call__(self, url: str, body: bytes, key: str, message_id: str) -> None:
        assert (url, key) == (URL, KEY)
        self.tries.append(message_id)
        if len(self.tries) <= self.n_failures:
            raise WebhookError("it answered 503", final=self.final)
        self.got.append((message_id, json.loads(body)))


def wait_for(there: Callable[[], bool]) -> None:
    until = time.monotonic() + 5
    while not there():
        assert time.monotonic() < until
        time.sleep(0.002)


@pytest.mark.parametrize(("every", "posted"), [(False, ["n1", "n2"]), (True, ["n0", "n1", "n2"])])
def test_what_is_not_accepted_is_posted(every: bool, posted: list[str]) -> None:
    receiver = Receiver()
    with VerdictWebhook(URL, KEY, every=every, send=receiver) as webhook:
        webhook.add(verdicts("accept", "review", "out_of_catalogue"))
        wait_for(lambda: webhook.n_sent == len(posted))
    bodies = [body for _, body in receiver.got]
    assert [body["data"]["listing_id"] for body in bodies] == posted
    assert bodies[-1]["type"] == "verdict.out_of_catalogue"
    assert Verdict.model_validate(bodies[-2]["data"]) == verdicts("accept", "review")[1]
    assert len({message_id for message_id, _ in receiver.got}) == len(posted)
    assert (webhook.n_given_up, webhook.n_dropped, webhook.n_waiting) == (0, 0, 0)


def test_a_failed_message_goes_out_again_under_its_id_and_holds_up_no_other() -> None:
    receiver = Receiver(1)
    with VerdictWebhook(URL, KEY, delays_s=(0.05,), send=receiver) as webhook:
        webhook.add(verdicts("review", "review"))
        wait_for(lambda: webhook.n_sent == 2)
    first, second, again = receiver.tries
    assert first == again != second
    assert [body["data"]["listing_id"] for _, body in receiver.got] == ["n1", "n0"]


@pytest.mark.parametrize(("final", "n_tries"), [(False, 3), (True, 1)])
def test_a_message_is_given_up_after_its_tries(final: bool, n_tries: int) -> None:
    receiver = Receiver(99, final=final)
    with VerdictWebhook(URL, KEY, delays_s=(0.001, 0.001), send=receiver) as webhook:
        webhook.add(verdicts("review"))
        wait_for(lambda: webhook.n_given_up == 1)
    assert (len(receiver.tries), webhook.n_sent, webhook.n_waiting) == (n_tries, 0, 0)


def test_a_slow_receiver_makes_nobody_wait_and_what_is_too_much_is_counted() -> None:
    let_go, begun = threading.Event(), threading.Event()

    def stuck(*_: object) -> None:
        begun.set()
        assert let_go.wait(5)

    with VerdictWebhook(URL, KEY, max_waiting=3, send=stuck) as webhook:
        webhook.add(verdicts("review"))
        assert begun.wait(5)
        start = time.perf_counter()
        webhook.add(verdicts(*["review"] * 10))
        assert time.perf_counter() - start < 0.5
        assert (webhook.n_waiting, webhook.n_dropped) == (3, 7)
        let_go.set()
    assert (webhook.n_sent, webhook.n_waiting) == (4, 0)  # closing sends what waits


def test_closing_tries_what_waits_once_more() -> None:
    receiver = Receiver(1)
    with VerdictWebhook(URL, KEY, delays_s=(600.0,), send=receiver) as webhook:
        webhook.add(verdicts("review"))
        wait_for(lambda: len(receiver.tries) == 1)
    assert webhook.n_sent == 1
    webhook.add(verdicts("review"))
    assert webhook.n_dropped == 1


def test_the_service_posts_what_it_answers_and_not_what_is_tried_out(
    tiny_trained: ListingPipeline,
) -> None:
    receiver = Receiver()
    webhook = VerdictWebhook(URL, KEY, every=True, send=receiver)
    with webhook, Service(lambda: tiny_trained, webhook=webhook) as service:
        service.judge(Listing("tried", "lamp"), watched=False)
        [said] = service.submit([Listing("a", "lamp")], photo_problem="it is a URL").result()
        wait_for(lambda: webhook.n_sent == 1)
        page = service.metrics.page().decode()
    assert said.reasons[-1] == "It goes by its title, as its photo can't be used: it is a URL"
    assert [body["data"] for _, body in receiver.got] == [said.model_dump(mode="json")]
    assert 'shelfsure_webhook_verdicts{outcome="sent"} 1.0' in page
    assert 'shelfsure_webhook_verdicts{outcome="waiting"} 0.0' in page
