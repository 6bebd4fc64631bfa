"""Families of titles, on corpora whose numbers are worked out by hand."""

import math

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from shelfsure.core.errors import ConfigError
from shelfsure.exploration.features.bag_of_words import BagOfWords, word_counts
from shelfsure.exploration.features.reduced import reduced
from shelfsure.exploration.features.tfidf import TfidfWords
from shelfsure.exploration.features.word_vectors import WordVectors, ppmi
from shelfsure.exploration.features.words import Cleaning

TITLES = ["Red Lamp", "red lamps for the desk", "Blue rug", "blue rugs, woven"]


def test_ppmi_is_the_logarithm_of_how_much_more_often_words_meet() -> None:
    # titles: a b | a b | a c | d e; ordered pairs: ab 2, ba 2, ac 1, ca 1, de 1, ed 1: 8 in all
    there, words = word_counts([["a", "b"], ["a", "b"], ["a", "c"], ["d", "e"]])
    assert words == ["a", "b", "c", "d", "e"]
    expected = np.zeros((5, 5))
    expected[0, 1] = expected[1, 0] = math.log((2 / 8) / ((3 / 8) * (2 / 8)))
    expected[0, 2] = expected[2, 0] = math.log((1 / 8) / ((3 / 8) * (1 / 8)))
    expected[3, 4] = expected[4, 3] = math.log((1 / 8) / ((1 / 8) * (1 / 8)))
    assert ppmi(there).toarray() == pytest.approx(expected, abs=1e-6)


def test_ppmi_of_words_that_avoid_each_other_is_zero() -> None:
    there, _ = word_counts([["a", "b"]] + [["a", "c"]] * 9 + [["b", "d"]] * 9)
    assert ppmi(there)[0, 1] == 0  # 1 of 38 pairs, by chance 100 of 38 * 38


def test_ppmi_of_single_words_is_empty() -> None:
    assert ppmi(csr_matrix(np.eye(3, dtype=np.float32))).nnz == 0


def test_word_vectors_bring_titles_close_that_share_companions() -> None:
    titles = ["lamp bulb light", "bulb light glow", "lamp glow"] * 5
    titles += ["rug carpet woven", "carpet woven wool", "rug wool"] * 5
    rows = WordVectors(dim=4).encode([*titles, ""])
    assert rows.shape == (31, 4)
    assert not rows[-1].any()
    similar = rows @ rows.T
    assert similar[0, 2] > 0.8 > 0.2 > similar[0, 17]


def test_bag_of_words_counts_a_word_once() -> None:
    rows = BagOfWords().encode(["red red lamp", "lamp"]).toarray()
    assert rows == pytest.approx(np.array([[math.sqrt(0.5)] * 2, [1, 0]]))  # lamp, red


def test_tfidf_weighs_rare_words_more() -> None:
    rows = TfidfWords().encode(["lamp red", "lamp blue", "lamp red"]).toarray()  # blue lamp red
    idf = {"lamp": 1.0, "red": math.log(4 / 3) + 1}
    length = math.hypot(idf["lamp"], idf["red"])
    assert rows[0] == pytest.approx([0, idf["lamp"] / length, idf["red"] / length], abs=1e-6)


def test_cleaning_does_what_its_options_say() -> None:
    assert Cleaning(lower=False).words(TITLES[:1]) == [["Red", "Lamp"]]
    assert Cleaning(stop_words=False).words(TITLES[1:2]) == [["red", "lamps", "desk"]]
    assert Cleaning(stems="english").words(TITLES[1:2])[0][:2] == ["red", "lamp"]
    assert Cleaning(stems="german").words(["Lampen"]) == [["lamp"]]


def test_cleaning_names_the_languages_it_knows() -> None:
    with pytest.raises(ConfigError, match=r"german.*klingon.*--language"):
        Cleaning(stems="klingon").words(TITLES)


def test_word_vectors_say_that_one_word_is_too_few() -> None:
    with pytest.raises(ValueError, match="two different words or more, but titles have 1"):
        WordVectors().encode(["lamp", "lamp"])


def test_reduced_keeps_a_single_feature_as_it_is() -> None:
    assert reduced(csr_matrix([[1.0], [2.0]]), 50).tolist() == [[1.0], [2.0]]
