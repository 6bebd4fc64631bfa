"""The digest: like listings lie together, tables have every doubtful one, and the page is whole."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shelfsure.catalog.listing import Listing
from shelfsure.core.errors import CatalogError
from shelfsure.embedding.listings import EmbeddedListings
from shelfsure.exploration import digest as digest_module
from shelfsure.exploration.digest import (
    UNSOLD,
    Digest,
    digest_verdicts,
    doubt_of,
    doubtful_rows,
    joint_vectors,
    like_groups,
    passes,
    require_same_file,
)
from shelfsure.exploration.digest_report import digest_values, write_digest
from shelfsure.fusion.accept_rule import AcceptRule
from shelfsure.fusion.views import View
from shelfsure.pipeline.category_rules import CategoryRule
from shelfsure.pipeline.verdict import Duplicate, Guess, Shift, Verdict
from shelfsure.pipeline.verdict_file import JudgedRow, read_rows, write_rows

BOTH = frozenset({"photo", "title"})
VIEWS = {part: Guess(category="Lamps", probability=0.6) for part in sorted(BOTH)}
RULES = [
    CategoryRule("Lamps", BOTH, AcceptRule(0.6, 0.97, 0.975, 1.0, 0.99, 200, 200, 122)),
    CategoryRule("Rugs", BOTH, AcceptRule(2.0, 0.97, 0.975, 0.0, 0.0, 150, 150, 122)),
]


def verdict(n: int, decision: str = "review", category: str = "Lamps", **more: Any) -> Verdict:
    top = (Guess(category="Lamps", probability=0.7), Guess(category="Rugs", probability=0.2))
    given = {"probability": 0.7, "route": "fusion", "views": VIEWS, "top_k": top} | more
    return Verdict(listing_id=f"n{n}", decision=decision, category=category, **given)


@pytest.fixture
def found() -> tuple[list[JudgedRow], EmbeddedListings, list[int]]:
    """Two kinds of doubtful lamps, sixteen each, and one of what isn't sold, one accepted."""
    judged, listings = [], []
    for n in range(40):
        title = "red desk lamp" if n % 2 else "blue floor lamp"
        said = verdict(n, probability=0.5 if n < 4 else 0.7)
        if n >= 32:
            said, title = verdict(n, "out_of_catalogue"), "family car"
        judged.append(JudgedRow(row=n + 1, verdict=said, title=title))
        listings.append(Listing(f"n{n}", title))
    judged.append(JudgedRow(row=41, verdict=verdict(40, "accept"), title="lamp"))
    judged.append(JudgedRow(row=42, verdict=Verdict.rejected("n41", "missing title: x", "")))
    rng = np.random.default_rng(0)
    centres = {"red desk lamp": 0, "blue floor lamp": 1, "family car": 2}
    vectors = np.eye(3, 8)[[centres[each.title or ""] for each in listings]]
    vectors = vectors + 0.05 * rng.standard_normal(vectors.shape)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    there = np.ones(40, bool)
    view = View(vectors.astype(np.float32), there)
    embedded = EmbeddedListings.of_photos(listings, view, [None] * 40, view)
    return judged, embedded, doubtful_rows(judged)


def test_like_listings_are_grouped_and_every_doubtful_one_is_in_one_group(
    found: tuple[list[JudgedRow], EmbeddedListings, list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    judged, embedded, rows = found
    assert rows == [*range(1, 41)]
    monkeypatch.setattr(digest_module, "MAX_CLUSTERS", 2)
    digest = digest_verdicts(judged, embedded, rows, RULES)
    assert [(each.name, each.n, each.n_accepted) for each in digest.categories] == [
        ("Lamps", 33, 1),
        (UNSOLD, 8, 0),
    ]
    lamps, unsold = digest.categories
    assert sorted(row for group in lamps.clusters for row in group.rows) == [*range(1, 33)]
    assert {frozenset(row % 2 for row in group.rows) for group in lamps.clusters} == {
        frozenset({0}),
        frozenset({1}),
    }
    words = {group.words[:2] for group in lamps.clusters}
    assert words == {("blue", "floor"), ("desk", "red")}
    assert all(group.doubts == {"not sure enough": 16} for group in lamps.clusters)
    assert {word for group in unsold.clusters for word in group.words} == {"car", "family"}
    assert lamps.would_pass == {*range(5, 33)}
    assert lamps.own_rules == (RULES[0],)
    assert digest.rejected == {"missing title": 1}
    assert digest.decisions == {"review": 32, "out_of_catalogue": 8, "accept": 1, "rejected": 1}


def test_like_groups_puts_the_most_typical_first_and_loses_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(digest_module, "MAX_COMPARED", 60)
    rng = np.random.default_rng(1)
    kind = np.repeat([0, 1, 2], [100, 60, 40])
    vectors = np.eye(3, 16)[kind] + 0.1 * rng.standard_normal((200, 16))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    monkeypatch.setattr(digest_module, "MAX_CLUSTERS", 3)
    groups = like_groups(vectors)
    assert [len(group) for group in groups] == [100, 60, 40]
    assert sorted(row for group in groups for row in group) == [*range(200)]
    assert all(len(set(kind[group])) == 1 for group in groups)
    typical = vectors[groups[0]] @ vectors[groups[0]].mean(axis=0)
    assert (np.diff(typical) <= 1e-12).all()
    assert like_groups(vectors[:0]) == []
    assert like_groups(vectors[:1]) == [[0]]


def test_joint_vectors_go_by_what_is_there() -> None:
    photo = View(np.array([[1.0, 0], [1, 0], [0, 1]], np.float32), np.array([True, True, False]))
    title = View(np.array([[0, 1.0], [0, 1], [0, 1]], np.float32), np.array([True, False, True]))
    listings = [Listing(str(n)) for n in range(3)]
    joint = joint_vectors(EmbeddedListings.of_photos(listings, photo, [None] * 3, title))
    half = np.sqrt(0.5)
    np.testing.assert_allclose(joint, [[half, 0, 0, half], [1, 0, 0, 0], [0, 0, 0, 1]], atol=1e-6)


COPY = Duplicate(
    listing_id="x", verdict="same_product", probability=1, evidence="same", mergeable=True
)


@pytest.mark.parametrize(
    ("said", "doubt"),
    [
        (verdict(0, "accept"), ""),
        (Verdict.rejected("a", "missing title", ""), ""),
        (verdict(0), "not sure enough"),
        (verdict(0, duplicates=(COPY,)), "in the catalogue already"),
        (verdict(0, "out_of_catalogue"), "unlike the catalogue"),
        (verdict(0, route="zero_shot"), "known by its name only"),
        (verdict(0, mismatch=True), "photo and title don't match"),
        (verdict(0, shift=Shift(p_value=0.01, what="x")), "listings have drifted"),
    ],
)
def test_doubt_of_says_why_and_only_unsure_ones_may_pass(said: Verdict, doubt: str) -> None:
    assert doubt_of(said) == doubt
    assert passes(said, RULES) == (doubt == "not sure enough")


def test_passes_asks_for_the_same_evidence_category_and_examples() -> None:
    assert not passes(verdict(0, probability=0.59), RULES)
    assert not passes(verdict(0, views={"title": VIEWS["title"]}), RULES)
    assert not passes(verdict(0, category="Rugs", probability=0.99), RULES)
    assert not passes(verdict(0, n_examples=4), RULES, min_examples=5)
    assert passes(verdict(0, n_examples=5), RULES, min_examples=5)


def test_write_digest_writes_a_page_without_network_and_tables_of_all(
    found: tuple[list[JudgedRow], EmbeddedListings, list[int]], tmp_path: Path, tiny_folder: Path
) -> None:
    judged, embedded, rows = found
    bad = "<script>alert(1)</script>\ud800"
    judged[0] = judged[0].model_copy(update={"title": bad})
    digest = digest_verdicts(judged, embedded, rows, RULES)
    photo = tiny_folder / "photos/0.png"
    listings = {row.row: Listing(row.verdict.listing_id, row.title, photo) for row in judged}
    page = write_digest(digest, tmp_path, listings, {"bundle": "b&b"}).read_text()
    assert "<script" not in page
    assert "http" not in page.replace('http-equiv="Content-Security-Policy"', "")
    assert page.count('<img src="data:image/jpeg;base64,') >= 4
    assert "b&amp;b" in page
    assert "photo + title: 0.600 (99.0% of 200 held-out right)" in page
    assert json.loads((tmp_path / "digest.json").read_text()) == json.loads(
        json.dumps(digest_values(digest))
    )
    with (tmp_path / "digest.csv").open(encoding="utf-8", newline="") as file:
        table = [*csv.DictReader(file)]
    assert sorted(int(row["row"]) for row in table) == [*range(1, 41)]
    assert sum(row["reaches_own_cut_off"] == "True" for row in table) == 28
    assert {row["second_guess"] for row in table} == {"Rugs (20%)"}
    with (tmp_path / "categories.csv").open(encoding="utf-8", newline="") as file:
        assert [row["doubtful"] for row in csv.DictReader(file)] == ["32", "8"]


def test_a_file_without_doubt_has_a_page_too(tmp_path: Path) -> None:
    empty = EmbeddedListings.of_photos([], View(np.zeros((0, 2)), np.zeros(0, bool)), [])
    judged = [JudgedRow(row=1, verdict=verdict(0, "accept"))]
    page = write_digest(digest_verdicts(judged, empty, []), tmp_path, {}, {}).read_text()
    assert "Nothing to look at" in page
    none = write_digest(Digest({}, (), {}), tmp_path, {}, {}).read_text()
    assert "Nothing to look at" in none


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_read_rows_takes_back_what_was_written(suffix: str, tmp_path: Path) -> None:
    full = verdict(
        3, duplicates=(COPY,), shift=Shift(p_value=0.01, what="x"), sure_of=VIEWS["title"],
        reasons=("a", "b"), n_examples=7, mismatch=True, ood_p_value=0.25, model_version="v",
    )  # fmt: skip
    rows = [
        JudgedRow(row=1, verdict=full, title="Lamp, “red”\nnew"),
        JudgedRow(row=2, verdict=Verdict.rejected("", "missing listing_id", "v")),
    ]
    path = tmp_path / f"verdicts{suffix}"
    write_rows(path, rows)
    assert read_rows(path) == rows


def test_read_rows_and_require_same_file_say_what_is_wrong(tmp_path: Path) -> None:
    for name, text in (("a.csv", "id,title\n1,x\n"), ("a.jsonl", "[1]\n{"), ("a.parquet", "no")):
        (tmp_path / name).write_text(text)
        with pytest.raises(CatalogError, match=f"{name} must be a file of verdicts"):
            read_rows(tmp_path / name)
    with pytest.raises(CatalogError, match=r"but: decision: must be given, but is missing\.$"):
        read_rows(tmp_path / "a.csv")
    with pytest.raises(CatalogError, match="but: No such file"):
        read_rows(tmp_path / "none.csv")
    for name, text in (("b.csv", ""), ("b.jsonl", ""), ("c.csv", "listing_id,decision,row\n")):
        (tmp_path / name).write_text(text)
        with pytest.raises(CatalogError, match="but has no row"):
            read_rows(tmp_path / name)
    judged = [JudgedRow(row=7, verdict=verdict(0))]
    require_same_file(judged, {7: Listing("n0")}, Path("v.csv"), Path("shop.csv"))
    for listings, what in (({7: Listing("b")}, "is b there"), ({}, "can't be read there")):
        with pytest.raises(CatalogError, match=f"its row 7, n0, {what}"):
            require_same_file(judged, listings, Path("v.csv"), Path("shop.csv"))
