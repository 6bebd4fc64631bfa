import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from shelfsure.core.errors import CalibrationError
from shelfsure.retrieval.duplicates.fit import fit_weights, precision_threshold
from shelfsure.retrieval.duplicates.pair_model import SIGNS, PairModel, evidence
from shelfsure.retrieval.duplicates.photo_match import FEATURES


def drawn_features(rng: np.random.Generator, n_pairs: int) -> np.ndarray:
    features = rng.uniform(0, 1, (n_pairs, len(FEATURES)))
    features[:, FEATURES.index("n_inliers")] *= 200
    return features


def test_fit_weights_recovers_the_model_that_drew_the_labels(rng) -> None:
    features = drawn_features(rng, 20_000)
    weights = (1.5, 0.8, -2.0, 1.0, 3.0, 2.5, -1.5)
    true = PairModel(weights, -4.0, 0.5, 0.9, 0.98)
    probabilities = true.probabilities(features)
    assert 0.05 < probabilities.mean() < 0.95
    fitted, intercept = fit_weights(features, rng.random(20_000) < probabilities)
    again = PairModel(fitted, intercept, 0.5, 0.9, 0.98).probabilities(features)
    assert np.abs(again - probabilities).mean() < 0.02


def test_fit_weights_keeps_signs_and_few_pairs_stay_near_the_prior(rng) -> None:
    features = drawn_features(rng, 40)
    copies = features[:, 0] < 0.5  # the wrong way round
    assert copies.any()
    assert not copies.all()
    fitted, _ = fit_weights(features, copies)
    assert all(weight * sign >= 0 for weight, sign in zip(fitted, SIGNS.values(), strict=True))
    prior = PairModel((1.5, 0.8, -2.0, 1.0, 3.0, 2.5, -1.5), -4.0, 0.5, 0.9, 0.98)
    few = np.array([0, 1])
    near, _ = fit_weights(features[few], np.array([True, False]), prior)
    alone, _ = fit_weights(features[few], np.array([True, False]))
    distances = [np.linalg.norm(np.subtract(found, prior.weights)) for found in (near, alone)]
    assert distances[0] < 0.5 * distances[1]


@pytest.mark.parametrize("copies", [np.zeros(5, bool), np.ones(5, bool)])
def test_fit_weights_needs_both_kinds(rng, copies) -> None:
    with pytest.raises(CalibrationError, match=f"got {copies.sum()} copies among 5"):
        fit_weights(drawn_features(rng, 5), copies)


@settings(deadline=None)
@given(
    npst.arrays(float, st.tuples(st.integers(1, 60)), elements=st.floats(0, 1, width=16)),
    st.integers(0, 2**32),
    st.sampled_from([0.5, 0.9, 0.99, 1.0]),
)
def test_precision_threshold_reaches_the_target_where_any_cut_does(p, seed, target) -> None:
    copies = np.random.default_rng(seed).random(len(p)) < p
    threshold = precision_threshold(p, copies, target)
    passed = p >= threshold
    best = max(copies[p >= cut].mean() for cut in p)
    assert passed.any()
    assert copies[passed].mean() >= min(target, best) - 1e-12
    for cut in p[p < threshold]:  # no lower cut-off would do as well
        assert copies[p >= cut].mean() < min(target, best)


def test_precision_threshold_known_answer() -> None:
    p = np.array([0.9, 0.8, 0.7, 0.6, 0.2])
    copies = np.array([True, True, False, True, False])
    assert precision_threshold(p, copies, 1.0) == pytest.approx(0.75)
    assert precision_threshold(p, copies, 0.75) == pytest.approx(0.4)
    with pytest.raises(ValueError, match="but is 0"):
        precision_threshold(p, copies, 0)


def test_probabilities_grow_with_agreement_and_fall_with_foreign_colour() -> None:
    model = PairModel.load()
    rows = np.tile([0.8, 0.8, 0.8, 0.3, 1.0, 1.0, 50, 0.6, 0.05], (2, 1))
    for name, sign in (("agreeing_fraction", 1), ("colour_residual", -1), ("log_stretch", -1)):
        changed = rows.copy()
        changed[1, FEATURES.index(name)] += 0.15
        low, high = model.probabilities(changed)[::sign]
        assert low < high


def test_evidence_is_finite_for_impossible_agreement(rng) -> None:
    features = drawn_features(rng, 10) * 3
    assert np.isfinite(evidence(features)).all()
    assert evidence(features).shape == (10, len(SIGNS))


def test_pair_model_survives_saving(tmp_path) -> None:
    model = PairModel.load()
    assert 0 < model.threshold < model.sure_threshold < 1
    model.save(tmp_path / "model.json")
    assert PairModel.load(tmp_path / "model.json") == model


@pytest.mark.parametrize("text", ["", "[]", '{"weights": [1, 2]}', '{"weights": "no"}'])
def test_pair_model_load_refuses_other_files(tmp_path, text) -> None:
    path = tmp_path / "model.json"
    path.write_text(text)
    with pytest.raises(CalibrationError, match=r"model\.json must hold"):
        PairModel.load(path)
