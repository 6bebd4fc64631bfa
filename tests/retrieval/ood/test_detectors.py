import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shelfsure.core.arrays import Floats, Ints, evenly_spaced, unit_rows
from shelfsure.core.errors import TrainingError
from shelfsure.fusion.heads import LinearHead
from shelfsure.retrieval.ood.detectors import (
    METHODS,
    fit_detector,
    from_arrays,
    ood_score,
    to_arrays,
)
from shelfsure.retrieval.ood.distance_detectors import (
    K,
    category_means,
    neighbour_distance,
    whitening,
)
from shelfsure.retrieval.ood.logit_detectors import Exposure, Vim, energy, fit_own_head
from sklearn.covariance import EmpiricalCovariance, LedoitWolf, ledoit_wolf
from sklearn.neighbors import NearestNeighbors

EVERY = pytest.mark.parametrize("method", METHODS)


def clusters(
    rng: np.random.Generator, n: int = 120, d: int = 12, k: int = 3
) -> tuple[Floats, Ints]:
    """Unit vectors around k orthogonal directions, in the first k + 2 dimensions mostly."""
    labels = np.arange(n) % k
    x = rng.normal(scale=0.02, size=(n, d))
    x[:, : k + 2] += rng.normal(scale=0.1, size=(n, k + 2))
    x[np.arange(n), labels] += 1.0
    return unit_rows(x), labels


def strangers(d: int = 12) -> Floats:
    """Directions that no listing of `clusters` points to."""
    return unit_rows(np.eye(d)[-3:])


@EVERY
def test_ood_score_is_larger_for_strangers(method: str, rng: np.random.Generator) -> None:
    x, labels = clusters(rng)
    fitted = fit_detector(method, x[::2], labels[::2])
    own = ood_score(fitted, x[1::2])
    assert own.shape == (60,)
    assert own.dtype == np.float32
    assert ood_score(fitted, strangers()).min() > own.max()


@EVERY
def test_ood_score_ignores_length_and_order(method: str, rng: np.random.Generator) -> None:
    x, labels = clusters(rng)
    order, factors = rng.permutation(len(x)), rng.uniform(0.1, 10.0, size=(len(x), 1))
    queries = np.vstack([x[:7], strangers()])
    plain = ood_score(fit_detector(method, x, labels), queries)
    other = ood_score(fit_detector(method, (x * factors)[order], labels[order]), queries * 3.0)
    np.testing.assert_allclose(other, plain, atol=0.01 * np.ptp(plain))  # the solver's tolerance


@EVERY
def test_ood_score_works_through_many_rows_in_parts(
    method: str, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, labels = clusters(rng)
    fitted = fit_detector(method, x, labels)
    at_once = ood_score(fitted, x)
    monkeypatch.setattr("shelfsure.retrieval.ood.detectors.ROWS_AT_ONCE", 7)
    np.testing.assert_allclose(ood_score(fitted, x), at_once, rtol=1e-4, atol=1e-3)
    assert ood_score(fitted, x[:0]).shape == (0,)


@EVERY
def test_ood_score_of_a_row_does_not_depend_on_its_batch(
    method: str, rng: np.random.Generator
) -> None:
    x, labels = clusters(rng)
    fitted = fit_detector(method, x, labels)
    np.testing.assert_allclose(
        ood_score(fitted, x)[5:6], ood_score(fitted, x[5:6]), rtol=1e-3, atol=1e-3
    )
    assert ood_score(fitted, x[:0]).shape == (0,)


@EVERY
def test_arrays_rebuild_the_same_detector(method: str, rng: np.random.Generator) -> None:
    x, labels = clusters(rng)
    fitted = fit_detector(method, x, labels)
    arrays = to_arrays(fitted)
    assert arrays
    assert {array.dtype for array in arrays.values()} == {np.dtype(np.float32)}
    again = from_arrays(fitted.method, {name: array.copy() for name, array in arrays.items()})
    np.testing.assert_array_equal(ood_score(again, x), ood_score(fitted, x))


@EVERY
@pytest.mark.parametrize(
    "case", ["fewer rows than dimensions", "one category", "duplicates", "constant", "zero rows"]
)
def test_fit_detector_survives_edges(method: str, case: str, rng: np.random.Generator) -> None:
    x, labels = clusters(rng, n=60, d=12)
    if case == "fewer rows than dimensions":
        x, labels = clusters(rng, n=20, d=150)
    elif case == "one category":
        labels = np.zeros_like(labels)
    elif case == "duplicates":
        x = np.repeat(x[:3], 20, axis=0)
        labels = np.repeat(np.arange(3), 20)
    elif case == "constant":
        x = np.ones_like(x)
    elif case == "zero rows":
        x[::4] = 0.0
    fitted = fit_detector(method, x, labels)
    assert np.isfinite(ood_score(fitted, np.vstack([x, np.zeros((1, x.shape[1]))]))).all()


def test_one_category_still_tells_strangers(rng: np.random.Generator) -> None:
    x, _ = clusters(rng)
    for method in ("mahalanobis", "vim", "knn", "whitened_knn"):
        fitted = fit_detector(method, x, np.zeros(len(x), dtype=int))
        assert ood_score(fitted, strangers()).min() > ood_score(fitted, x).max(), method


def test_mahalanobis_equals_scikit_learn(rng: np.random.Generator) -> None:
    x, labels = clusters(rng)
    means, own = category_means(x, labels)
    reference = LedoitWolf(assume_centered=True).fit((x - means[own]).astype(np.float64))
    expected = np.min([reference.mahalanobis(x - mean) for mean in means], axis=0)
    np.testing.assert_allclose(
        ood_score(fit_detector("mahalanobis", x, labels), x), expected, rtol=2e-3
    )


def test_mahalanobis_with_many_listings_equals_the_plain_covariance(
    rng: np.random.Generator,
) -> None:
    x = unit_rows(rng.normal(size=(20_000, 4)) * [1.0, 0.9, 0.8, 0.7] + [3.0, 0, 0, 0])
    expected = EmpiricalCovariance().fit(x[:, 1:].astype(float)).mahalanobis(x[:, 1:].astype(float))
    centred = (x[:, 1:] - x[:, 1:].mean(axis=0)).astype(float)
    white = centred @ whitening(centred)
    np.testing.assert_allclose((white**2).sum(axis=1), expected, rtol=0.02, atol=0.02)


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000), n=st.integers(2, 60), d=st.integers(2, 60))
def test_whitening_inverts_what_scikit_learn_estimates(seed: int, n: int, d: int) -> None:
    rng = np.random.default_rng(seed)
    centred = rng.normal(size=(n, d)) * rng.gamma(1, 1, d)
    covariance, _ = ledoit_wolf(centred, assume_centered=True)
    x = rng.normal(size=(5, d))
    expected = np.einsum("ij,jk,ik->i", x, np.linalg.pinv(covariance + 1e-6 * np.eye(d)), x)
    np.testing.assert_allclose(((x @ whitening(centred)) ** 2).sum(axis=1), expected, rtol=1e-5)


def test_knn_equals_scikit_learn(rng: np.random.Generator) -> None:
    x, labels = clusters(rng)
    queries = unit_rows(rng.normal(size=(9, 12)))
    expected = (
        NearestNeighbors(n_neighbors=K, metric="cosine").fit(x).kneighbors(queries)[0].mean(axis=1)
    )
    np.testing.assert_allclose(
        ood_score(fit_detector("knn", x, labels), queries), expected, atol=1e-5
    )


def test_whitened_knn_equals_scikit_learn_in_the_whitened_space(rng: np.random.Generator) -> None:
    x, labels = clusters(rng)
    queries = unit_rows(rng.normal(size=(9, 12)))
    means, own = category_means(x, labels)
    precision = LedoitWolf(assume_centered=True).fit((x - means[own]).astype(float)).precision_
    # any root of the precision gives the same angles
    values, vectors = np.linalg.eigh(precision)
    root = vectors * np.sqrt(values)
    search = NearestNeighbors(n_neighbors=K, metric="cosine").fit((x - x.mean(axis=0)) @ root)
    expected = search.kneighbors((queries - x.mean(axis=0)) @ root)[0].mean(axis=1)
    actual = ood_score(fit_detector("whitened_knn", x, labels), queries)
    np.testing.assert_allclose(actual, expected, atol=2e-3)


def test_neighbour_distance_needs_fewer_neighbours_where_there_are_fewer() -> None:
    reference = np.eye(3, dtype=np.float32)[:2]
    np.testing.assert_allclose(neighbour_distance(reference, reference, 10), [0.5, 0.5])
    np.testing.assert_allclose(neighbour_distance(reference, reference, 1), [0.0, 0.0])


def test_neighbour_distance_is_the_same_in_blocks(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = unit_rows(rng.normal(size=(50, 6)))
    whole = neighbour_distance(x, x, 3)
    monkeypatch.setattr("shelfsure.retrieval.ood.distance_detectors._ROWS_AT_A_TIME", 7)
    np.testing.assert_allclose(neighbour_distance(x, x, 3), whole, atol=1e-6)


def test_evenly_spaced_keeps_every_part_of_a_sorted_catalogue() -> None:
    np.testing.assert_array_equal(evenly_spaced(7, 10), np.arange(7))
    kept = evenly_spaced(25_000, 10_000)
    assert len(kept) == 10_000
    assert len(np.unique(kept)) == 10_000
    assert (kept[0], kept[-1]) == (0, 24_999)
    assert np.diff(kept).max() <= 3


def test_fit_detector_learns_from_a_bounded_number_of_listings(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, labels = clusters(rng)
    monkeypatch.setattr("shelfsure.retrieval.ood.detectors.MAX_LISTINGS", 40)
    assert to_arrays(fit_detector("knn", x, labels))["reference"].shape == (40, 12)


def test_energy_of_known_logits() -> None:
    logits = np.array([[0.0, 0.0], [np.log(3.0), 0.0], [1000.0, 0.0]])
    np.testing.assert_allclose(energy(logits), [-np.log(2), -np.log(4), -1000.0])


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.floats(-30, 30), min_size=2, max_size=6),
    st.floats(-50, 50),
    st.permutations([0, 1]),
)
def test_energy_shifts_with_the_logits(row: list[float], shift: float, order: list[int]) -> None:
    logits = np.array([row])
    shuffled = np.concatenate([logits[:, order], logits[:, 2:]], axis=1)
    np.testing.assert_allclose(energy(shuffled + shift), energy(logits) - shift, atol=1e-9)


def test_vim_equals_the_paper_formula(rng: np.random.Generator) -> None:
    x, labels = clusters(rng, n=200, d=12)
    x = unit_rows(x + 0.3 * rng.normal(size=x.shape) * 0.8 ** np.arange(12))  # no equal directions
    head: LinearHead = fit_own_head(x, labels)
    origin = -np.linalg.lstsq(head.coefficients, head.intercepts, rcond=1e-4)[0]
    deviation = (x - origin).astype(float)
    values, directions = np.linalg.eigh(deviation.T @ deviation)
    null_space = directions[:, np.argsort(values)[: 12 - 6]]
    residual = np.linalg.norm(deviation @ null_space, axis=1)
    logits = head.logits(x)
    expected = residual * logits.max(axis=1).sum() / residual.sum() + energy(logits)
    np.testing.assert_allclose(Vim.fit(x, labels).ood_score(x), expected, rtol=1e-3, atol=2e-3)


def test_exposure_knows_what_it_was_shown(rng: np.random.Generator) -> None:
    x, _ = clusters(rng)
    outside = unit_rows(strangers()[np.arange(30) % 3] + rng.normal(scale=0.05, size=(30, 12)))
    fitted = Exposure.fit(x[::2], outside[::2])
    assert fitted.ood_score(outside[1::2]).min() > fitted.ood_score(x[1::2]).max()
    again = from_arrays("exposure", to_arrays(fitted))
    np.testing.assert_array_equal(ood_score(again, x), ood_score(fitted, x))


@pytest.mark.parametrize(
    ("method", "features", "labels", "error", "message"),
    [
        ("mahalanobi", np.eye(3), [0, 0, 1], ValueError, "mahalanobis, vim, .*got 'mahalanobi'"),
        ("knn", np.eye(3), [0, 1], ValueError, "2 labels and 3 rows"),
        ("knn", np.eye(3)[:1], [0], TrainingError, "at least 2 listings, got 1"),
        ("knn", np.full((3, 3), np.nan), [0, 0, 1], TrainingError, "NaN"),
    ],
)
def test_fit_detector_says_what_is_wrong(
    method: str, features: Floats, labels: list[int], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        fit_detector(method, features, np.array(labels))
