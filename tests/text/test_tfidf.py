import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.sparse import hstack
from scipy.sparse.linalg import norm
from shelfsure.text.clean import clean_text
from shelfsure.text.tfidf import FEW, Tfidf

TITLES = [
    "Blue cotton towel",
    "Red cotton towel",
    "Philips HX3641 toothbrush",
    "Desk lamp, black",
    "Black wall lamp",
]
# letters that casing, joining and composing treat in their own ways, and any others
TEXT = st.text(st.sampled_from("aB1 -İßéか한ि👍") | st.characters(), max_size=20).map(clean_text)
WITH_A_WORD = st.lists(TEXT, max_size=8).map(lambda texts: [*texts, "one word"])
same_folder = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@same_folder
@given(texts=WITH_A_WORD, new=st.lists(TEXT, min_size=1, max_size=5))
def test_load_gives_back_what_was_saved(texts: list[str], new: list[str], tmp_path: Path) -> None:
    path = tmp_path / "tfidf.json"
    fitted = Tfidf.fit(texts)
    fitted.save(path)
    loaded = Tfidf.parse(path.read_bytes())
    expected = fitted.transform(new + texts).toarray()
    np.testing.assert_allclose(loaded.transform(new + texts).toarray(), expected, atol=1e-5)
    before = path.read_bytes()
    loaded.save(path)
    assert path.read_bytes() == before


@settings(max_examples=40, deadline=None)
@given(texts=WITH_A_WORD, new=st.lists(TEXT, min_size=1, max_size=10))
def test_transform_has_rows_of_at_most_unit_length(texts: list[str], new: list[str]) -> None:
    weighed = Tfidf.fit(texts).transform(new)
    assert weighed.dtype == np.float32
    assert weighed.shape[0] == len(new)
    assert (weighed.data >= 0).all()
    assert norm(weighed, axis=1).max() <= 1 + 1e-5


def test_transform_has_unit_length_where_words_and_characters_are_known() -> None:
    fitted = Tfidf.fit(TITLES)
    np.testing.assert_allclose(norm(fitted.transform(TITLES), axis=1), 1, rtol=1e-5)
    assert norm(fitted.transform(["", "Ω≠∂"]), axis=1).tolist() == [0, 0]


@settings(max_examples=40, deadline=None)
@given(texts=WITH_A_WORD, new=st.lists(TEXT, max_size=10))
def test_transform_weighs_few_as_scikit_learn_does_many(texts: list[str], new: list[str]) -> None:
    fitted = Tfidf.fit(texts)
    asked = [*new, *texts, ""][:FEW]
    many = fitted.transform(asked * (1 + FEW // len(asked)))[: len(asked)]
    halves = [vectorizer.transform(asked) for vectorizer in fitted.vectorizers]
    expected = hstack(halves, format="csr") * np.float32(1 / np.sqrt(2))
    expected.sort_indices()
    for weighed in (fitted.transform(asked), many):
        assert weighed.has_sorted_indices
        np.testing.assert_array_equal(weighed.indptr, expected.indptr)
        np.testing.assert_array_equal(weighed.indices, expected.indices)
        np.testing.assert_allclose(weighed.data, expected.data, rtol=1e-6)


def test_transform_sees_likeness_through_typos_and_model_numbers() -> None:
    fitted = Tfidf.fit(TITLES)
    known = fitted.transform(TITLES)
    for query, nearest in [("blu coton towell", 0), ("philips hx-3641", 2), ("LAMPS black wal", 4)]:
        similarity = (fitted.transform([query]) @ known.T).toarray()[0]
        assert similarity.argmax() == nearest


def test_transform_ignores_row_order_and_other_rows() -> None:
    fitted = Tfidf.fit(TITLES)
    straight = fitted.transform(TITLES).toarray()
    np.testing.assert_array_equal(fitted.transform(TITLES[::-1]).toarray(), straight[::-1])
    np.testing.assert_array_equal(fitted.transform(TITLES[2:3]).toarray()[0], straight[2])


def test_fit_keeps_the_most_frequent_grams_only() -> None:
    fitted = Tfidf.fit([*TITLES, "lamp, black"], max_features=2)
    assert fitted.transform(TITLES).shape == (5, 4)
    words, _ = fitted.vectorizers
    assert set(words.get_feature_names_out()) == {"black", "lamp"}


def test_fit_takes_many_texts_that_have_nothing_in_common() -> None:
    titles = [chr(0x4E00 + 7 * i) for i in range(40)]
    np.testing.assert_allclose(norm(Tfidf.fit(titles).transform(titles), axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("texts", [[], ["", "  "], ["🎉", "!!"]])
def test_fit_needs_a_word(texts: list[str]) -> None:
    with pytest.raises(ValueError, match="empty vocabulary"):
        Tfidf.fit(texts)


def test_save_writes_readable_json(tmp_path: Path) -> None:
    path = tmp_path / "tfidf.json"
    Tfidf.fit(["Gürtel für Frauen"]).save(path)
    halves = json.loads(path.read_text(encoding="utf-8"))
    assert list(halves) == ["word", "character"]
    assert "gürtel für" in halves["word"]["terms"]
    assert "gürtel" in path.read_text(encoding="utf-8")
    assert [child.name for child in tmp_path.iterdir()] == ["tfidf.json"]
