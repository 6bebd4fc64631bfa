from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tools.sample_catalogue.appearance import Appearance, draw_appearance
from tools.sample_catalogue.categories import CATEGORIES
from tools.sample_catalogue.plan import plan_catalogue, plan_uploads
from tools.sample_catalogue.titles import Wording, corrupt_text, describe, draw_wording, misspelt


def test_title_closes_the_gaps_of_empty_parts() -> None:
    wording = Wording(
        template="{noun} by {brand}, {colour} {pattern}, {size}", brand="Norvik", adjective="x",
        colour="blue", pattern="", noun="mug", size="330 ml", number=1, pack="pack of 2",
    )  # fmt: skip
    assert wording.title() == "mug by Norvik, blue, 330 ml, pack of 2"


@given(st.text(max_size=40), st.integers(0, 1000))
def test_misspelt_changes_one_letter_at_most(title: str, seed: int) -> None:
    result = misspelt(np.random.default_rng(seed), title)
    assert abs(len(result) - len(title)) <= 1
    if len(result) == len(title):
        assert Counter(result) == Counter(title)
    else:
        longer, shorter = sorted((title, result), key=len, reverse=True)
        assert any(longer[:i] + longer[i + 1 :] == shorter for i in range(len(longer)))


@given(st.integers(0, 500))
def test_spoilt_never_empties_a_title(seed: int) -> None:
    rng = np.random.default_rng(seed)
    category = CATEGORIES[seed % len(CATEGORIES)]
    assert corrupt_text(rng, draw_wording(rng, category, draw_appearance(rng)).title()).strip()


@pytest.mark.parametrize("category", CATEGORIES, ids=lambda category: category.path)
def test_draw_wording_full_names_noun_colour_and_size(category) -> None:
    look = Appearance("coral", "navy", "plain")
    for seed in range(20):
        wording = draw_wording(np.random.default_rng(seed), category, look, full=True)
        assert wording.noun in category.nouns
        for part in (wording.noun, "coral", wording.size):
            assert part in wording.title()


def test_titles_leave_work_for_the_photo(rng: np.random.Generator) -> None:
    """A vague or shared title names no category; about every fifth is one of them."""
    named = 0
    for i in range(1200):
        category = CATEGORIES[i % 12]
        title = draw_wording(rng, category, draw_appearance(rng)).title()
        named += any(word in title for word in category.nouns + category.foreign)
    assert 0.72 < named / 1200 < 0.9


def test_describe_writes_quotes_commas_and_line_breaks(rng: np.random.Generator) -> None:
    wording = draw_wording(rng, CATEGORIES[0], draw_appearance(rng))
    text = "".join(describe(rng, wording) for _ in range(100))
    assert set('",\n;') <= set(text)


def test_plan_spoils_six_percent_each_way_and_never_both(rng: np.random.Generator) -> None:
    rows = plan_catalogue(rng, 1, 40)
    notes = Counter(row.note for row in rows)
    assert len(rows) == 480
    assert notes["missing_title"] == notes["missing_photo"] == round(0.06 * 480)
    assert all(row.photo or row.listing.title for row in rows)
    assert 0 < sum(row.listing.description is None for row in rows) < 60
    assert len({row.listing.listing_id for row in rows}) == 480


def test_plan_follows_its_seed() -> None:
    one, again, other = (plan_catalogue(np.random.default_rng(seed), seed, 4) for seed in (5, 5, 6))
    assert one == again
    assert {row.listing.title for row in one} != {row.listing.title for row in other}
    assert not {row.photo for row in one} & {row.photo for row in other}


def test_plan_uploads_copies_only_whole_catalogue_listings(rng: np.random.Generator) -> None:
    catalogue = plan_catalogue(rng, 1, 16)
    whole = {row.listing.listing_id for row in catalogue if row.photo and row.listing.title}
    copies = [row for row in plan_uploads(rng, 1, catalogue, 16) if row.of]
    assert len(copies) == 24
    assert {row.of for row in copies} <= whole
