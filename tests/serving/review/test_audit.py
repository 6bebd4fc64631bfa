"""Audits: which accepted listings are drawn, what their answers say, and when accepting ends."""

from pathlib import Path

import numpy as np
import pytest
import shelfsure.serving.review.audit as module
from shelfsure.catalog.listing import Listing
from shelfsure.core.config import AcceptConfig
from shelfsure.core.errors import ConfigError
from shelfsure.fusion.confidence_sequence import confidence_sequence
from shelfsure.pipeline.verdict import Verdict
from shelfsure.serving.review.audit import Auditor, audited_promise
from shelfsure.serving.review.store import ReviewStore

ACCEPT = AcceptConfig(target_precision=0.9, confidence=0.95)


@pytest.fixture
def store(tmp_path: Path) -> ReviewStore:
    return ReviewStore(tmp_path / "reviews.sqlite")


@pytest.fixture(autouse=True)
def _look_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_S", 0.0)


def said(n: int, decision: str = "accept", version: str = "v1") -> Verdict:
    return Verdict(
        listing_id=f"id{n}", decision=decision, category="Home > Lamps", probability=0.99,
        model_version=version,
    )  # fmt: skip


def listings(n: int) -> list[Listing]:
    return [Listing(f"id{i}", f"lamp {i}") for i in range(n)]


def answered(store: ReviewStore, right: list[bool], version: str = "v1") -> None:
    for n, one in enumerate(right):
        marked = said(n, version=version).model_copy(update={"audit": True})
        item = store.add(Listing(f"{version}-{n}", f"{version} lamp {n}"), marked)
        store.label(item, "Home > Lamps > Floor lamps" if one else "Home > Rugs", "ann")


def test_auditor_draws_its_share_of_what_is_accepted_and_always_the_same(
    store: ReviewStore,
) -> None:
    auditor, own = Auditor(store, 0.1), listings(400)
    verdicts = [said(n, "review" if n % 2 else "accept") for n in range(400)]
    audited = auditor.audit(own, verdicts, ACCEPT)
    drawn = [n for n, verdict in enumerate(audited) if verdict.audit]
    assert len(drawn) == pytest.approx(20, abs=12)  # 10 % of 200, three standard deviations
    assert {n % 2 for n in drawn} == {0}
    assert {v.decision for v in audited} == {"accept", "review"}
    waiting = store.pending(400)
    assert sorted(item.listing.listing_id for item in waiting) == sorted(f"id{n}" for n in drawn)
    assert all(item.verdict.audit for item in waiting)
    again = Auditor(store, 0.1).audit(own, verdicts, ACCEPT)
    assert again == audited
    assert store.counts().n_pending == len(drawn)
    everything = Auditor(store, 1.0).audit(own, verdicts, ACCEPT)
    assert [v.audit for v in everything] == [v.decision == "accept" for v in verdicts]


def test_audited_promise_counts_standing_answers_about_this_bundle(store: ReviewStore) -> None:
    assert audited_promise(store, "v1", ACCEPT).said.startswith("No accepted listing was audited")
    answered(store, [True, True, False, True])
    answered(store, [False] * 50, version="v2")
    flagged = store.add(Listing("f", "flagged by hand"), said(99))
    store.label(flagged, "Home > Rugs", "bob")  # somebody's complaint is no audit
    unknown = store.add(Listing("u", "u"), said(98).model_copy(update={"audit": True}))
    store.answer(unknown, "cant_tell", "bob")
    promise = audited_promise(store, "v1", ACCEPT)
    assert (promise.n, promise.n_right) == (4, 3)
    bounds = confidence_sequence(np.array([True, True, False, True]))
    assert (promise.low, promise.high) == bounds
    assert promise.shift is None
    strange = store.add(Listing("s", "s"), said(97).model_copy(update={"audit": True}))
    store.answer(strange, "not_sold", "bob")
    assert audited_promise(store, "v1", ACCEPT).n_right == 3
    assert audited_promise(store, "v1", ACCEPT).n == 5
    store.undo("bob")
    assert audited_promise(store, "v1", ACCEPT).n == 4


def test_bounds_are_as_sure_as_the_bundle_promises(store: ReviewStore) -> None:
    answered(store, [True] * 30)
    surer = AcceptConfig(target_precision=0.9, confidence=0.999)
    for accept in (ACCEPT, surer):
        bounds = confidence_sequence(np.ones(30, dtype=bool), accept.confidence)
        promise = audited_promise(store, "v1", accept)
        assert (promise.low, promise.high) == bounds
        assert Auditor(store, 0.5).promise("v1", accept) == promise
    assert audited_promise(store, "v1", surer).low < audited_promise(store, "v1", ACCEPT).low


def test_auditor_accepts_nothing_once_the_promise_is_broken_and_says_why(
    store: ReviewStore,
) -> None:
    auditor = Auditor(store, 0.5)
    answered(store, [n % 2 == 0 for n in range(60)])
    held = auditor.audit(listings(3), [said(0), said(1, "review"), said(2, "rejected")], ACCEPT)
    assert [v.decision for v in held] == ["review", "review", "rejected"]
    assert held[0].shift is not None
    assert "Of 60 accepted listings that were audited 30 were right" in held[0].reasons[0]
    assert "90.0% were promised. That breaks the promise." in held[0].shift.what
    assert not any(v.audit for v in held)
    # another bundle starts anew
    assert auditor.audit(listings(1), [said(0, version="v2")], ACCEPT)[0].decision == "accept"


def test_auditor_looks_up_answers_only_now_and_then(
    store: ReviewStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOK_S", 3600.0)
    auditor = Auditor(store, 0.5)
    assert auditor.promise("v1", ACCEPT).n == 0
    answered(store, [True])
    assert auditor.promise("v1", ACCEPT).n == 0
    assert auditor.promise("v2", ACCEPT).n == 0
    assert auditor.promise("v1", ACCEPT).n == 0  # also where another bundle was in between
    monkeypatch.setattr(module, "LOOK_S", 0.0)
    assert auditor.promise("v1", ACCEPT).n == 1


def test_auditor_leaves_out_what_cannot_be_queued(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    auditor = Auditor(ReviewStore(tmp_path / "r.sqlite", max_pending=2), 1.0)
    audited = auditor.audit(listings(4), [said(n) for n in range(4)], ACCEPT)
    assert [v.audit for v in audited] == [True, True, False, False]
    assert {v.decision for v in audited} == {"accept"}
    assert "not audited: At most 2 listings may wait" in caplog.text


@pytest.mark.parametrize("share", [0.0, -0.1, 1.5, float("nan")])
def test_auditor_refuses_a_share_that_is_none(store: ReviewStore, share: float) -> None:
    with pytest.raises(ConfigError, match="above 0% and at most 100%"):
        Auditor(store, share)
