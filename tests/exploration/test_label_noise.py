import numpy as np
import pytest
from scipy.special import log_softmax
from shelfsure.core.errors import CalibrationError
from shelfsure.exploration.label_noise import fit_label_noise, likely_flips


def planted(rng, n=1200, n_categories=6, noise=0.08):
    """Experts that are calibrated about the truth; some labels name another category."""
    logits = rng.normal(0, 4, (n, n_categories))
    probabilities = np.exp(log_softmax(logits, axis=1))
    truth = np.array([rng.choice(n_categories, p=row) for row in probabilities])
    wrong = rng.random(n) < noise
    shift = rng.integers(1, n_categories, n)
    labels = np.where(wrong, (truth + shift) % n_categories, truth)
    return log_softmax(logits, axis=1)[None], labels, wrong


def test_fit_label_noise_finds_the_share_and_the_labels_that_were_planted(rng):
    answers, labels, wrong = planted(rng)
    noise = fit_label_noise(answers, labels)
    assert noise.noise_fraction == pytest.approx(wrong.mean(), abs=0.02)
    assert noise.weights[0] == pytest.approx(1.0, abs=0.15)
    assert noise.wrong_probability.sum() == pytest.approx(wrong.sum(), rel=0.25)
    called = noise.wrong_probability > 0.5
    assert wrong[called].mean() > 0.8
    # a probability means what it says
    assert noise.wrong_probability[called].mean() == pytest.approx(wrong[called].mean(), abs=0.1)


def test_fit_label_noise_of_clean_labels_finds_hardly_any(rng):
    answers, labels, _ = planted(rng, noise=0.0)
    noise = fit_label_noise(answers, labels)
    assert noise.noise_fraction < 0.015
    assert (noise.wrong_probability > 0.5).mean() < 0.005


def test_fit_label_noise_undoes_the_doubt_that_noise_has_taught(rng):
    answers, labels, _ = planted(rng)
    softened = log_softmax(0.5 * answers, axis=2)
    assert fit_label_noise(softened, labels).weights[0] == pytest.approx(2.0, rel=0.15)


def test_fit_label_noise_gives_an_expert_that_knows_nothing_no_say(rng):
    answers, labels, _ = planted(rng)
    nonsense = log_softmax(rng.normal(0, 3, answers.shape), axis=2)
    weights = fit_label_noise(np.concatenate([answers, nonsense]), labels).weights
    assert weights[1] < 0.05 < 0.8 < weights[0]


def test_fit_label_noise_says_of_a_silent_listing_what_is_known_without_it(rng):
    answers, labels, _ = planted(rng)
    answers[:, 0] = 0.0
    noise = fit_label_noise(answers, labels)
    assert noise.probabilities[0] == pytest.approx(np.full(6, 1 / 6))
    assert noise.wrong_probability[0] == pytest.approx(noise.noise_fraction, abs=0.05)


def test_fit_label_noise_follows_categories_when_they_are_renamed(rng):
    answers, labels, _ = planted(rng, n=400)
    order = rng.permutation(6)
    renamed = fit_label_noise(answers[:, :, order], np.argsort(order)[labels])
    plain = fit_label_noise(answers, labels)
    assert renamed.wrong_probability == pytest.approx(plain.wrong_probability, abs=2e-3)


def test_suggested_is_the_likeliest_category_but_the_label(rng):
    answers, labels, _ = planted(rng, n=200)
    noise = fit_label_noise(answers, labels)
    suggested = noise.suggested(labels)
    assert (suggested != labels).all()
    best = noise.probabilities.argmax(axis=1)
    assert (suggested[best != labels] == best[best != labels]).all()


def test_likely_flips_go_to_what_looks_alike():
    said = np.log([[0.6, 0.39, 0.01]] * 4 + [[0.4, 0.59, 0.01]] * 4 + [[0.01, 0.01, 0.98]] * 4)
    flips = likely_flips(said[None], np.repeat([0, 1, 2], 4))
    assert flips.sum(axis=1) == pytest.approx(1.0)
    assert np.diag(flips) == pytest.approx(0.0)
    assert flips[0, 1] > 0.7 > 0.2 < flips[0, 2] + 0.1


@pytest.mark.parametrize("shape", [(0, 5, 3), (1, 0, 3), (1, 5, 1)])
def test_fit_label_noise_says_what_it_needs(shape):
    with pytest.raises(CalibrationError, match=rf"\({shape[0]}, {shape[1]}, {shape[2]}\)"):
        fit_label_noise(np.zeros(shape), np.zeros(shape[1], int))
