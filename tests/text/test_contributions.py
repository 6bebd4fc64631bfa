from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shelfsure.core.arrays import Floats
from shelfsure.text.contributions import Word, without, word_contributions, word_spans

WORTH = {"towel": 2.0, "red": 0.5, "car": -1.0}


def log_odds(texts: Sequence[str]) -> Floats:
    return np.array([sum(WORTH.get(word, 0.0) for word in text.lower().split()) for text in texts])


def words_of(text: str) -> list[str]:
    return [text[start:end] for start, end in word_spans(text)]


def test_word_contributions_are_what_each_word_is_worth() -> None:
    found = word_contributions("Red bath TOWEL car", log_odds)
    assert [(w.text, w.nats) for w in found.words] == [
        ("Red", 0.5),
        ("bath", 0.0),
        ("TOWEL", 2.0),
        ("car", -1.0),
    ]


def test_word_contributions_ask_once_the_whole_text_first() -> None:
    asked: list[Sequence[str]] = []

    def remember(texts: Sequence[str]) -> Floats:
        asked.append(texts)
        return log_odds(texts)

    word_contributions("red, towel", remember)
    assert asked == [["red, towel", ", towel", "red,"]]


def test_word_contributions_give_the_only_word_of_a_text_all_of_it() -> None:
    def empty_or_not(texts: Sequence[str]) -> Floats:
        return np.array([3.0 if text else -1.0 for text in texts])

    (only,) = word_contributions("«Towel»!", empty_or_not).words
    assert only == Word("Towel", 1, 6, 4.0)


@pytest.mark.parametrize("text", [None, "", "  ", "!!! — ?", "<br>&nbsp;"])
def test_word_contributions_of_a_text_without_words_are_none(text: str | None) -> None:
    def never(texts: Sequence[str]) -> Floats:
        raise AssertionError("nothing to ask")

    assert word_contributions(text, never).words == ()


def test_word_contributions_lie_over_the_text_as_it_is_read() -> None:
    found = word_contributions("<b>Red</b>&nbsp;towel<script>", log_odds)
    assert found.text == "Red towel"
    assert [(w.start, w.end, w.nats) for w in found.words] == [(0, 3, 0.5), (4, 9, 2.0)]


def test_word_contributions_try_a_long_text_in_runs_and_leave_none_out() -> None:
    text = " ".join(["plain"] * 60 + ["towel"] + ["plain"] * 9)
    found = word_contributions(text, log_odds, max_pieces=8)
    assert len(found.words) == 8
    assert sum(len(word.text.split()) for word in found.words) == 70
    assert [word.nats for word in found.words if "towel" in word.text] == [2.0]
    assert sum(word.nats for word in found.words) == 2.0


@given(st.text(), st.integers(1, 5))
def test_word_contributions_keep_place_and_text(text: str, max_pieces: int) -> None:
    found = word_contributions(text, lambda texts: np.zeros(len(texts)), max_pieces=max_pieces)
    assert len(found.words) <= max_pieces
    end = 0
    for word in found.words:
        assert end <= word.start < word.end <= len(found.text)
        assert found.text[word.start : word.end] == word.text
        end = word.end


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Men's T-shirt, (red) 3.5mm M&M", ["Men's", "T-shirt", "red", "3.5mm", "M&M"]),
        ("red/blue 100% - ok", ["red", "blue", "100", "ok"]),
        ("हिन्दी तौलिया", ["हिन्दी", "तौलिया"]),
        ("红毛巾 A4纸", ["红", "毛", "巾", "A4", "纸"]),
        ("สีแดง", ["สี", "แ", "ด", "ง"]),
        ("👩‍👩‍👧 قميص", ["👩‍👩‍👧", "قميص"]),
        ("-a- 'b' c.", ["a", "b", "c"]),
    ],
)
def test_word_spans_know_words_of_many_scripts(text: str, words: list[str]) -> None:
    assert words_of(text) == words


@given(st.text())
def test_word_spans_cover_every_letter_once(text: str) -> None:
    covered = [place for start, end in word_spans(text) for place in range(start, end)]
    assert covered == sorted(set(covered))
    assert {place for place, c in enumerate(text) if c.isalnum()} <= set(covered)


def test_without_cuts_a_stretch_and_tidies_the_gap() -> None:
    assert without("red cotton towel", [(4, 10)]) == "red towel"
    assert without("«towel»!", [(1, 6)]) == ""
