from collections import Counter

import numpy as np
from shelfsure.retrieval.duplicates import detail_store
from shelfsure.retrieval.duplicates.candidates import near_pairs
from shelfsure.retrieval.duplicates.detail_store import PhotoDetails
from shelfsure.retrieval.duplicates.pair_model import PairModel
from shelfsure.retrieval.duplicates.verification import near_each_other, verify_pairs
from shelfsure.vision.load import PhotoLimits


def test_near_each_other_brings_pairs_of_one_group_together(rng) -> None:
    group = rng.permutation(np.repeat(np.arange(100), 6))
    rows = np.array(
        [(a, b) for g in range(100) for a in np.flatnonzero(group == g)
         for b in np.flatnonzero(group == g) if a < b]
    )  # fmt: skip
    rows = rows[np.lexsort((rows[:, 1], rows[:, 0]))]
    order = near_each_other(rows, None)
    assert sorted(order.tolist()) == list(range(len(rows)))
    groups = group[rows[order, 0]]
    assert (np.diff(groups) != 0).sum() == 99  # each group's pairs in one piece


def test_near_each_other_tells_two_catalogues_apart() -> None:
    rows = np.array([[0, 1], [1, 0], [2, 1], [3, 0]])
    order = near_each_other(rows, 4).tolist()
    assert {frozenset(order[:2]), frozenset(order[2:])} == {frozenset((0, 2)), frozenset((1, 3))}


def test_near_each_other_of_nothing() -> None:
    assert near_each_other(np.zeros((0, 2), dtype=int), None).tolist() == []
    assert near_each_other(np.zeros((0, 2), dtype=int), 5).tolist() == []


def test_each_photo_is_looked_at_once_however_many_threads_compare_it(
    product, as_png, monkeypatch
) -> None:
    photos = [as_png(product(number)) for number in range(5)]
    looked_at: Counter[bytes] = Counter()
    load = detail_store.load_detail

    def counted(source, limits):
        looked_at[source] += 1
        return load(source, limits)

    monkeypatch.setattr(detail_store, "load_detail", counted)
    details = PhotoDetails(photos, [None] * 5, PhotoLimits())
    every = near_pairs([np.full((5, 4), 0.5, np.float32)], n_neighbours=4)
    assert len(every.rows) == 10
    verify_pairs(every, details, details, PairModel.load(), PhotoLimits())
    assert looked_at == dict.fromkeys(photos, 1)
