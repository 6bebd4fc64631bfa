from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shelfsure.catalog.catalog import Catalog
from shelfsure.core.arrays import unit_rows
from shelfsure.evaluation.evaluate import (
    SHARPNESS,
    UNSURE,
    evaluate,
    neighbour_votes,
    retrieval_baselines,
)
from shelfsure.fusion.accept_rule import AcceptRule, Rules
from shelfsure.fusion.views import View
from shelfsure.pipeline.pipeline import ListingPipeline
from shelfsure.retrieval.index.store import Neighbour
from shelfsure.retrieval.result import RetrievalResult
from shelfsure.retrieval.zero_shot.classifier import ZeroShot
from shelfsure.retrieval.zero_shot.image_text_space import Slopes
from shelfsure.retrieval.zero_shot.prototypes import Prototypes


def test_evaluate_counts_what_predict_accepts(tiny_trained: ListingPipeline) -> None:
    """Own listings, some with another's photo, some unlike the catalogue, one that is broken."""
    assert tiny_trained.catalog is not None
    own = [x for x in tiny_trained.catalog.listings if x.category != "Garden > Hoses"]
    swapped = [
        replace(x, listing_id=f"swapped-{n}", image=own[n + 1].image)
        for n, x in enumerate(own[:12])
    ]
    strange = [
        replace(x, listing_id=f"strange-{n}", title="zzz qqq", description=None)
        for n, x in enumerate(own[12:24])
    ]
    broken = replace(own[0], listing_id="broken", image=b"no photo")
    # always sure, so that the mismatch and the out-of-catalogue detector decide
    sure = AcceptRule(0.4, 0.8, 0.8, 1.0, 1.0, 60)
    rules = Rules(dict.fromkeys(tiny_trained.rules.by_pattern, (sure, sure)))
    pipeline = replace(tiny_trained, rules=rules)
    catalog = Catalog.from_listings([*own, *swapped, *strange, broken], need_category=True)
    evaluation, used = evaluate(pipeline, catalog)
    decisions = [verdict.decision for verdict in pipeline.predict(used.listings)]
    assert len(used.listings) == len(catalog.listings) - 1
    assert evaluation.accepted.tolist() == [said == "accept" for said in decisions]
    assert {"accept", "review", "out_of_catalogue"} == set(decisions)


NAMES = ["Home > Lamps", "Home > Rugs", "Toys > Kites"]


def near(similarity: float, category: str | None) -> Neighbour:
    return Neighbour("x", similarity, None, None, category)


def test_neighbour_votes_of_one_neighbour() -> None:
    votes = neighbour_votes([[near(0.3, "Home > Rugs > Wool")]], NAMES, 2)
    floor = UNSURE / 3
    np.testing.assert_allclose(votes, [[floor, floor + 1 - UNSURE, floor]])


def test_neighbour_votes_count_nearer_ones_more() -> None:
    votes = neighbour_votes([[near(0.9, NAMES[0]), near(0.8, NAMES[2])]], NAMES, 2)[0]
    kept = votes - UNSURE / 3
    assert kept[0] / kept[2] == pytest.approx(np.exp(0.1 * SHARPNESS))
    assert kept[1] == pytest.approx(0)
    outvoted = neighbour_votes([[near(0.9, NAMES[0]), *[near(0.88, NAMES[2])] * 2]], NAMES, 2)[0]
    assert outvoted.argmax() == 2


@pytest.mark.parametrize("unknown", [[], [near(0.9, None)], [near(0.9, "Garden > Hoses")]])
def test_neighbour_votes_without_a_known_category_are_even(unknown: list[Neighbour]) -> None:
    np.testing.assert_allclose(neighbour_votes([unknown], NAMES, 2), [[1 / 3] * 3])


def test_neighbour_votes_look_at_as_many_levels_as_the_model() -> None:
    rows = [[near(0.9, "Home > Rugs"), near(0.5, None)]]
    np.testing.assert_allclose(
        neighbour_votes(rows, ["Home", "Toys"], 1), [[1 - UNSURE / 2, UNSURE / 2]]
    )


NEIGHBOURS = st.lists(
    st.builds(near, st.floats(-1, 1), st.sampled_from([*NAMES, "Garden > Hoses", None])), max_size=9
)


@given(st.lists(NEIGHBOURS, max_size=5))
def test_neighbour_votes_are_probabilities_whatever_the_order(rows: list[list[Neighbour]]) -> None:
    votes = neighbour_votes(rows, NAMES, 2)
    assert votes.shape == (len(rows), 3)
    assert (votes > 0).all()
    np.testing.assert_allclose(votes.sum(axis=1), 1)
    np.testing.assert_allclose(neighbour_votes([row[::-1] for row in rows], NAMES, 2), votes)
    turned = neighbour_votes(rows, NAMES[::-1], 2)
    np.testing.assert_allclose(turned[:, ::-1], votes)


def stub(*, index: bool, zero_shot: ZeroShot | None) -> Any:
    """A memory whose index holds photos only, so that the second listing has no neighbour."""
    return SimpleNamespace(
        index=index or None,
        zero_shot=zero_shot,
        in_text_space=lambda embedded: (
            embedded.photo.features,
            embedded.title.features,
        ),
    )


def test_memory_arms_answer_the_rows_they_know_something_of() -> None:
    axes = np.eye(5, dtype=np.float32)
    names = (*NAMES, "Garden > Hammocks")
    prototypes = Prototypes(names, axes[:4], np.zeros(4), np.zeros(4))
    zero_shot = ZeroShot(prototypes, Slopes(9.0, 9.0, 5.0, 5.0))
    photo = View(np.stack([axes[1], axes[4] * 0, axes[4] * 0]), np.array([True, False, False]))
    between = unit_rows((axes[2] + 2 * axes[3])[None])[0]
    title = View(np.stack([axes[1], between, axes[4] * 0]), np.array([True, True, False]))
    embedded: Any = SimpleNamespace(photo=photo, title=title)
    retrieved = [RetrievalResult(neighbours=near_) for near_ in ([near(0.9, NAMES[1])], [], [])]
    evidence: Any = SimpleNamespace(embedded=embedded, retrieved=retrieved)
    baselines = retrieval_baselines(stub(index=True, zero_shot=zero_shot), evidence, NAMES, 2)
    assert list(baselines) == ["knn", "zero_shot"]
    assert baselines["knn"].answered.tolist() == [True, False, False]
    assert baselines["zero_shot"].answered.tolist() == [True, True, False]
    # only trained categories compete, although the title is nearer to hammocks
    assert baselines["zero_shot"].probabilities.argmax(axis=1).tolist()[:2] == [1, 2]
    for arm in baselines.values():
        assert arm.probabilities.shape == (3, 3)
        np.testing.assert_allclose(arm.probabilities.sum(axis=1), 1, atol=1e-6)
        np.testing.assert_allclose(arm.probabilities[2], 1 / 3, atol=1e-6)
    assert retrieval_baselines(stub(index=False, zero_shot=None), evidence, NAMES, 2) == {}
