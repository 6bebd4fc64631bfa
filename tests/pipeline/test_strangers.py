"""A batch of strangers is refused together; a batch that belongs isn't, though it has drifted."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shelfsure.catalog.catalog import read_catalog
from shelfsure.embedding.run_options import RunOptions
from shelfsure.pipeline.pipeline import ListingPipeline
from shelfsure.pipeline.starter import STARTER_BUNDLE
from shelfsure.pipeline.strangers import find_strangers, refuse_strangers
from shelfsure.pipeline.verdict import Duplicate, Guess, Verdict


@given(st.lists(st.floats(0.001, 1.0), min_size=1, max_size=60), st.sampled_from([0.05, 0.2]))
def test_find_strangers_is_benjamini_and_hochberg_by_hand(p: list[float], alpha: float) -> None:
    n = len(p)
    belonging = min(1.0, (1 + sum(one > 0.5 for one in p)) / (0.5 * n))
    passing = [
        one for rank, one in enumerate(sorted(p), start=1) if one * n / rank * belonging <= alpha
    ]
    expected = [one <= min(max(passing, default=0.0), 2 * alpha) for one in p]
    assert find_strangers(np.array(p), alpha).tolist() == expected


@pytest.mark.parametrize("share", [0.5, 0.8, 1.0])
def test_find_strangers_hardly_finds_what_belongs(share: float, rng: np.random.Generator) -> None:
    """Of those found a twentieth belongs at most; strangers that pass one by one are found."""
    wrong, found_strangers = [], []
    for _ in range(200):
        strange = rng.random(100) < share
        p = np.where(strange, rng.uniform(0.005, 0.1, 100), rng.random(100))
        found = find_strangers(p, 0.05)
        wrong.append(np.sum(found & ~strange) / max(1, found.sum()))
        found_strangers.append(found[strange].mean() if strange.any() else np.nan)
    assert np.mean(wrong) <= 0.06
    if share == 1.0:
        assert np.mean(found_strangers) > 0.95


def test_find_strangers_leaves_a_batch_that_belongs(rng: np.random.Generator) -> None:
    found = [find_strangers(rng.random(200), 0.05).sum() for _ in range(200)]
    assert np.mean(np.array(found) > 0) <= 0.06
    drifted = [find_strangers(rng.beta(1, 1.6, 200).clip(0.002), 0.05).mean() for _ in range(50)]
    assert np.mean(drifted) < 0.05


def test_find_strangers_drags_few_along_that_have_changed(rng: np.random.Generator) -> None:
    """Among many strangers own listings of another shop, none of them quite ordinary."""
    changed, strange = rng.uniform(0.05, 0.6, 30), rng.uniform(0.005, 0.1, 70)
    found = find_strangers(np.concatenate([changed, strange]), 0.05)
    assert found[30:].all()
    assert found[:30].mean() <= 0.2


def test_find_strangers_passes_over_what_is_unknown() -> None:
    assert find_strangers(np.array([np.nan, 0.01, np.nan]), 0.05).tolist() == [False, True, False]
    assert find_strangers(np.array([np.nan]), 0.05).tolist() == [False]
    assert find_strangers(np.zeros(0), 0.05).tolist() == []


def verdict(decision: str, p_value: float | None = 0.02, **more: object) -> Verdict:
    guess = Guess(category="Home > Lamps", probability=0.97)
    return Verdict(
        listing_id="a", decision=decision, category=guess.category, probability=guess.probability,
        ood_p_value=p_value, sure_of=guess, reasons=("It is sure.",), **more,
    )  # fmt: skip


def test_refuse_strangers_says_why_and_contradicts_nothing() -> None:
    twin = Duplicate(
        listing_id="b", verdict="same_photo", probability=1.0, evidence="", mergeable=True
    )
    verdicts = [
        verdict("accept"),
        verdict("review"),
        verdict("review", route="zero_shot"),
        verdict("out_of_catalogue"),
        verdict("rejected", None),
        verdict("accept", None),
        verdict("review", duplicates=(twin,)),
    ]
    refused = refuse_strangers(verdicts, 0.05)
    assert [v.decision for v in refused] == [
        "out_of_catalogue", "out_of_catalogue", "review", "out_of_catalogue", "rejected", "accept",
        "review",
    ]  # fmt: skip
    assert refused[2:] == verdicts[2:]
    for one in refused[:2]:
        assert one.sure_of is None
        assert one.reasons == (
            (
                "It looks unlike the catalogue, and so does most of what came with it: of its own "
                "listings only 2.0% are as strange."
            ),
            "If it belongs here after all, it is most likely Home > Lamps (97.0%).",
        )
    assert refuse_strangers([], 0.05) == []
    assert refuse_strangers([verdict("accept", 0.5)], 0.05)[0].decision == "accept"


@pytest.mark.realdata
def test_another_shops_clothes_are_refused_and_its_watches_are_not(real_data: Path) -> None:
    """The starter bundle sells watches, and no clothes but a baby's."""
    pipeline = ListingPipeline.load(STARTER_BUNDLE, RunOptions(device="cpu", runtime="torch"))
    listings = read_catalog(real_data / "fashion/listings.csv").listings
    of = {
        part: [x for x in listings if (x.category or "").startswith(part)][:60]
        for part in ("Apparel", "Accessories > Watches")
    }
    clothes, watches = (
        Counter(v.decision for v in pipeline.predict(own, duplicates=False, quality=False))
        for own in of.values()
    )
    assert clothes["accept"] == 0
    assert clothes["out_of_catalogue"] >= 0.5 * 60
    assert watches["out_of_catalogue"] <= 0.06 * 60
