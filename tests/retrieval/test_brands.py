"""Brands by name and by look, on listings whose looks are known by construction."""

from pathlib import Path

import numpy as np
import pytest
from shelfsure.core.arrays import unit_rows
from shelfsure.fusion.views import View
from shelfsure.retrieval.brands import MAX_FRACTION, BrandLooks, brands_in, fit_brand_looks
from shelfsure.retrieval.index.records import Record
from shelfsure.retrieval.index.store import ListingIndex

BRANDS = ("Acme", "Borealis", "Corvo", "Dulcet", "Ember", "Fjord", "Galette", "Hexa")
N_EACH, DIM = 25, 32


def looks_of(brand: int, n: int, rng: np.random.Generator) -> np.ndarray:
    """Photos of a brand: around a direction of its own."""
    centre = np.eye(DIM)[brand] * 2
    return unit_rows(centre + rng.normal(scale=0.25, size=(n, DIM)))


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> ListingIndex:
    rng = np.random.default_rng(20261128)
    photos = np.concatenate([looks_of(brand, N_EACH, rng) for brand in range(len(BRANDS))])
    records = [
        Record(f"{brand}-{n}", f"{brand} mug {n}, red", category="Mugs")
        for brand in BRANDS
        for n in range(N_EACH)
    ]
    there = np.ones(len(photos), bool)
    folder = tmp_path_factory.mktemp("brands") / "index"
    return ListingIndex.build(folder, records, {"photo": View(photos, there)}, {"photo": "x"})


@pytest.fixture(scope="module")
def looks(index: ListingIndex) -> BrandLooks:
    found = fit_brand_looks(index)
    assert found is not None
    assert sorted(found.names) == sorted(BRANDS)
    return found


def test_hint_finds_a_planted_counterfeit_with_its_evidence(
    looks: BrandLooks, index: ListingIndex
) -> None:
    [photo] = looks_of(BRANDS.index("Corvo"), 1, np.random.default_rng(1))
    hint = looks.hint(index, "ACME watch, gold", photo)
    assert hint is not None
    assert (hint.says, hint.looks_like) == ("Acme", "Corvo")
    assert (hint.n_says, hint.n_looks_like) == (N_EACH, N_EACH)
    assert hint.nearest_says.listing_id.startswith("Acme-")
    assert hint.nearest_looks_like.listing_id.startswith("Corvo-")
    rows = index.take([hint.nearest_looks_like.listing_id])
    expected = float(rows.views["photo"].array[0] @ photo)
    assert hint.nearest_looks_like.similarity == pytest.approx(expected, abs=1e-5)
    assert hint.nearest_looks_like.similarity > hint.nearest_says.similarity
    assert 0 < hint.own_fraction <= MAX_FRACTION


def test_hint_is_rare_on_new_listings_of_the_same_brands(
    looks: BrandLooks, index: ListingIndex
) -> None:
    rng = np.random.default_rng(2)
    flagged = [
        looks.hint(index, f"{name} mug", photo) is not None
        for brand, name in enumerate(BRANDS)
        for photo in looks_of(brand, 100, rng)
    ]
    # the 160 own photos allow a p-value of .01 only beyond all of them: expected are .6 %
    assert np.mean(flagged) <= 2 * MAX_FRACTION


def test_hint_leaves_a_listing_of_the_index_out(looks: BrandLooks, index: ListingIndex) -> None:
    own = looks.ids[0]
    rows = index.take([own])
    photo = rows.views["photo"].array[0]
    says = next(name for name in BRANDS if not own.startswith(name))
    other = looks.hint(index, f"{says} mug", photo, own)
    assert other is not None
    assert other.nearest_looks_like.listing_id != own


@pytest.mark.parametrize("title", ["", "Unheard of mug", "Mug by Acme"])
def test_hint_is_silent_where_no_known_brand_is_said(
    looks: BrandLooks, index: ListingIndex, title: str
) -> None:
    assert looks.hint(index, title, looks_of(2, 1, np.random.default_rng(3))[0]) is None


def test_hint_needs_a_hundred_listings_before_it_says_one_percent(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    photos = np.concatenate([looks_of(brand, 10, rng) for brand in (0, 1)])
    records = [Record(f"{name}{n}", f"{name} mug") for name in BRANDS[:2] for n in range(10)]
    view = View(photos, np.ones(20, bool))
    index = ListingIndex.build(tmp_path / "few", records, {"photo": view}, {"photo": "x"})
    few = fit_brand_looks(index)
    assert few is not None
    assert few.hint(index, "Acme mug", photos[15]) is None


def test_brands_lead_titles_and_stand_nowhere_else() -> None:
    titles = {f"a{n}": f"Acme lamp {n}" for n in range(5)}
    titles |= {f"r{n}": f"Red lamp {n}" for n in range(5)} | {"x": "Big red lamp"}
    titles |= {f"d{n}": f"4 lamps {n}" for n in range(9)} | {"few": "Corvo lamp", "no": ""}
    titles |= {f"u{n}": f"UNITED Colours {n} lamp" for n in range(4)} | {
        "u4": "united colours lamp"
    }
    assert brands_in(titles) == {
        "Acme": [f"a{n}" for n in range(5)],
        "UNITED Colours": [f"u{n}" for n in range(5)],
    }


def test_brand_looks_need_photos_and_two_brands(tmp_path: Path) -> None:
    records = [Record(f"{n}", f"Acme mug {n}") for n in range(6)]
    view = View(unit_rows(np.ones((6, 4), np.float32)), np.ones(6, bool))
    for space in ("photo", "title"):
        index = ListingIndex.build(tmp_path / space, records, {space: view}, {space: "x"})
        assert fit_brand_looks(index) is None
