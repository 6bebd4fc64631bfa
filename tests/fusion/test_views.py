import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from shelfsure.fusion.views import (
    View,
    modality,
    n_rows,
    patterns,
    restrict,
    rounds,
    rows_by_pattern,
    take,
)


def view(*present: bool, width: int = 2) -> View:
    mask = np.array(present, dtype=bool)
    return View(np.arange(1, len(mask) + 1)[:, None] * mask[:, None] * np.ones(width), mask)


VIEWS = {
    "photo": view(True, True, False, False),
    "title_embedding": view(True, False, True, False),
    "title_tfidf": view(False, False, True, False),
}


@pytest.mark.parametrize(
    ("name", "part"),
    [("photo", "photo"), ("title_tfidf", "title"), ("description_embedding", "description")],
)
def test_modality_is_what_stands_before_the_underscore(name: str, part: str) -> None:
    assert modality(name) == part


def test_view_refuses_a_mask_of_another_length() -> None:
    with pytest.raises(ValueError, match="got 3 and 2"):
        View(np.zeros((3, 4)), np.ones(2, dtype=bool))


@pytest.mark.parametrize("rows", [[2, 0], np.array([True, False, True, False])])
def test_take_keeps_features_and_mask_of_the_same_rows(rows: object) -> None:
    kept = take(VIEWS, rows)
    picked = np.arange(4)[rows]
    for name, whole in VIEWS.items():
        assert kept[name].features.tolist() == whole.features[picked].tolist()
        assert kept[name].present.tolist() == whole.present[picked].tolist()


def test_dense_is_the_same_for_sparse_features_and_none_where_nobody_has_the_view() -> None:
    whole = VIEWS["photo"]
    sparse = View(csr_matrix(whole.features), whole.present)
    np.testing.assert_array_equal(sparse.dense(), whole.dense())
    assert view(False, False).dense() is None


def test_n_rows_of_no_view_is_zero() -> None:
    assert n_rows(VIEWS) == 4
    assert n_rows({}) == 0


def test_restrict_keeps_every_view_of_a_modality() -> None:
    assert list(restrict(VIEWS, {"title"})) == ["title_embedding", "title_tfidf"]
    assert restrict(VIEWS, {"description"}) == {}


def test_patterns_has_a_modality_where_one_of_its_views_is() -> None:
    assert patterns(VIEWS) == [{"photo", "title"}, {"photo"}, {"title"}, frozenset()]
    assert patterns({}) == []


@given(st.lists(st.frozensets(st.sampled_from(["photo", "title", "description"]))))
def test_rows_by_pattern_puts_every_row_into_its_own_group(rows: list[frozenset[str]]) -> None:
    groups = rows_by_pattern(rows)
    assert sorted(row for members in groups.values() for row in members) == list(range(len(rows)))
    assert all(rows[row] == pattern for pattern, members in groups.items() for row in members)


def test_fold_encoders_stand_in_where_they_have_not_learned() -> None:
    everyone, rows = np.ones(4, dtype=bool), np.arange(4)
    one, other = (
        View(np.full((4, 1), number), everyone, in_encoder_train_set=rows % 2 == number)
        for number in (0, 1)
    )
    average = View(np.zeros((4, 1)), everyone, everyone, (one, other))
    assert average.calibration_mask.all()
    assert [each.calibration_mask.tolist() for each in average.take([0, 1, 3]).fold_encoders] == [
        [False, True, True],
        [True, False, False],
    ]


def test_rounds_without_fold_encoders_are_folds() -> None:
    planned = rounds(VIEWS, np.array([0, 1, 2, 1]))
    assert [each.predict_mask.tolist() for each in planned] == [
        [True, False, False, False],
        [False, True, False, True],
        [False, False, True, False],
    ]
    assert all((each.train_mask == ~each.predict_mask).all() for each in planned)
    assert all(each.views == VIEWS and each.fold_encoder is None for each in planned)


@pytest.mark.parametrize("n_new", [0, 3])
def test_rounds_ask_fold_encoders_what_they_have_not_learned(n_new: int) -> None:
    n = 9 + n_new
    rows, everyone, folds = np.arange(n), np.ones(n, dtype=bool), np.arange(n) % 3
    old = rows < 9
    fold_encoders = tuple(
        View(np.full((n, 1), k), everyone, in_encoder_train_set=old & (rows // 3 != k))
        for k in range(3)
    )
    title = View(np.zeros((n, 1)), everyone)
    views = {"title": title, "photo": View(np.zeros((n, 1)), everyone, old, fold_encoders)}
    planned = rounds(views, folds)
    assert len(planned) == (9 if n_new else 3)
    asked = np.sum([each.predict_mask for each in planned], axis=0)
    assert asked[old].tolist() == [1] * 9
    assert asked[~old].tolist() == [3] * n_new  # by whichever: all are new to it
    for each in planned:
        assert each.fold_encoder is not None
        own = each.views["photo"]
        assert own is fold_encoders[each.fold_encoder]
        assert each.views["title"] is title
        assert not (each.predict_mask & each.train_mask).any()
        assert not (each.predict_mask & own.in_encoder_train_set).any()
        assert not (each.train_mask & old & ~own.in_encoder_train_set).any()
        assert not np.intersect1d(
            folds[each.predict_mask & ~old], folds[each.train_mask & ~old]
        ).size


def test_take_keeps_what_is_familiar() -> None:
    learned = View(np.ones((3, 2)), np.array([True, True, False]), np.array([True, False, False]))
    assert learned.calibration_mask.tolist() == [False, True, False]
    assert learned.take([1, 0]).calibration_mask.tolist() == [True, False]
    assert view(True, False).calibration_mask.tolist() == [True, False]
