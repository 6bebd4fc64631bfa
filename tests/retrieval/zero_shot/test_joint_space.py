"""The joint space on planted catalogues: photos and titles that share something, or nothing."""

import json
from dataclasses import replace

import numpy as np
import pytest
from shelfsure.catalog.listing import Listing
from shelfsure.core.arrays import Floats, Ints, unit_rows
from shelfsure.embedding.grouping import Grouping
from shelfsure.embedding.listings import EmbeddedListings
from shelfsure.embedding.training_data import TrainingData
from shelfsure.fusion.views import View
from shelfsure.retrieval.zero_shot.alignment import Alignment
from shelfsure.retrieval.zero_shot.class_means import ClassMeans
from shelfsure.retrieval.zero_shot.classifier import ZeroShot
from shelfsure.retrieval.zero_shot.fit_joint_space import JointFit, fit_joint_space
from shelfsure.retrieval.zero_shot.held_out_gain import hits, paired_gain
from shelfsure.retrieval.zero_shot.image_text_space import Slopes
from shelfsure.retrieval.zero_shot.joint_space import JointSpace
from shelfsure.retrieval.zero_shot.prototypes import Prototypes

SLOPES = Slopes(15.0, 20.0, 12.0, 16.0)
D_PHOTO, D_TITLE, K = 40, 24, 12


class Shop:
    """A catalogue of K categories whose photos and titles come of one hidden vector a listing.

    The image-text space sees both through a noisy window; names are where the categories are.
    """

    def __init__(self, rng: np.random.Generator, n: int = 360, *, noise: bool = False) -> None:
        self.labels = np.arange(n) % K
        centres = rng.normal(size=(K, 8))
        hidden = centres[self.labels] + 0.6 * rng.normal(size=(n, 8))
        other = hidden if not noise else rng.normal(size=(n, 8))
        to_photo, to_title = rng.normal(size=(8, D_PHOTO)), rng.normal(size=(8, D_TITLE))
        self.photos = unit_rows(hidden @ to_photo + 0.8 * rng.normal(size=(n, D_PHOTO)) + 1)
        self.titles = unit_rows(other @ to_title + 0.8 * rng.normal(size=(n, D_TITLE)) + 1)
        if noise:
            self.labels = rng.permutation(self.labels)
        self.text_space = unit_rows(rng.normal(size=(n, D_TITLE))), self.titles
        self.names = tuple(f"Shop > {chr(65 + i)}" for i in range(K))
        vectors = unit_rows(centres @ to_title + 2.5 * rng.normal(size=(K, D_TITLE)) + 1)
        nothing = np.zeros(K, np.float32)
        self.zero_shot = ZeroShot(Prototypes(self.names, vectors, nothing, nothing), SLOPES)

    def embedded(
        self, photos: Floats | None = None, titles: Floats | None = None
    ) -> EmbeddedListings:
        photos = self.photos if photos is None else photos
        titles = self.titles if titles is None else titles
        n = len(photos)
        return EmbeddedListings(
            [Listing(str(row), f"title {row}") for row in range(n)],
            View(photos, photos.any(axis=1)),
            View(titles, titles.any(axis=1)),
            View(np.zeros((n, 1), np.float32), np.zeros(n, bool)),
            [None] * n,
            [f"title {row}" for row in range(n)],
            [""] * n,
        )

    def data(self) -> TrainingData:
        n = len(self.labels)
        own = np.arange(n)
        categories = [self.names[label] for label in self.labels]
        grouping = Grouping(own, own, "duplicates")
        return TrainingData(
            self.embedded(), {}, categories, self.names, {}, grouping, own, own // K % 5
        )

    def fit(self) -> JointFit:
        return fit_joint_space(self.data(), self.text_space, self.zero_shot, SLOPES)


@pytest.fixture(scope="module")
def shop() -> Shop:
    return Shop(np.random.default_rng(0))


@pytest.fixture(scope="module")
def fitted(shop: Shop) -> JointFit:
    return shop.fit()


def test_alignment_recovers_a_planted_linear_relation(rng: np.random.Generator) -> None:
    hidden = rng.normal(size=(400, 5))
    photos = unit_rows(hidden @ rng.normal(size=(5, 30)) + 2)
    titles = unit_rows(hidden @ rng.normal(size=(5, 20)) - 1)
    aligned = Alignment.fit(photos[:300], titles[:300])
    own = np.arange(100)
    assert hits(aligned.as_titles(photos[300:]), titles[300:], own).mean() > 0.9
    assert hits(aligned.as_photos(titles[300:]), photos[300:], own).mean() > 0.9
    paired = aligned.similarity(photos[300:], titles[300:])
    assert np.median(paired) > 0.9
    crossed = aligned.similarity(photos[300:], np.roll(titles[300:], 1, axis=0))
    assert abs(np.median(crossed)) < 0.5


def test_alignment_is_the_same_by_both_ways_to_principal_directions(shop: Shop) -> None:
    """Fewer listings than dimensions, or more: one formula, two decompositions."""
    few = Alignment.fit(shop.photos[:30], shop.titles[:30])
    twice = Alignment.fit(np.tile(shop.photos[:30], (2, 1)), np.tile(shop.titles[:30], (2, 1)))
    found = [each.similarity(shop.photos, shop.titles) for each in (few, twice)]
    np.testing.assert_allclose(*found, atol=1e-4)


def test_alignment_leaves_what_is_missing_missing(shop: Shop) -> None:
    aligned = Alignment.fit(shop.photos, shop.titles)
    assert not aligned.photo_points(np.zeros((2, D_PHOTO), np.float32)).any()
    assert aligned.title_points(np.zeros((2, 1), np.float32)).shape == (2, D_TITLE)
    with pytest.raises(ValueError, match="got 3 and 2"):
        Alignment.fit(shop.photos[:3], shop.titles[:2])


def test_class_means_measures_new_listings_as_usual(rng: np.random.Generator) -> None:
    labels = np.arange(600) % 3
    points = np.eye(3, 10)[labels] * 9 + rng.normal(size=(600, 10))
    means = ClassMeans.fit(points[:300], labels[:300])
    own = means.distances(points[300:])[np.arange(300), labels[300:]]
    assert np.median(own) == pytest.approx(9.3, rel=0.15)  # chi-squared of 10
    close = means.with_usual(own).closeness(points[300:])
    at_least_usual = close[np.arange(300), labels[300:]] >= 0
    assert at_least_usual.mean() == pytest.approx(0.65, abs=0.02)
    assert (close.argmax(axis=1) == labels[300:]).all()
    with pytest.raises(ValueError, match=r"\[1, 1\]"):
        ClassMeans.fit(points[:2], labels[:2])


def test_hits_counts_no_duplicate_against_a_listing() -> None:
    vectors = unit_rows(np.ones((30, 4)))
    assert not hits(vectors, vectors, np.arange(30)).any()  # ties count against it
    assert hits(vectors, vectors, np.zeros(30, int)).all()


def test_paired_gain_goes_by_groups(rng: np.random.Generator) -> None:
    before, after = np.zeros(60, bool), rng.random(60) < 0.3
    alone = paired_gain(before, after, np.arange(60))
    assert alone.shown
    assert alone.before == 0
    assert alone.after == after.mean()
    fourfold = paired_gain(before, np.repeat(after[:15], 4), np.arange(60) // 4)
    assert fourfold.high - fourfold.low > 1.5 * (alone.high - alone.low)
    assert not paired_gain(before, after, np.zeros(60, int)).shown


def test_fit_joint_space_keeps_what_gains(shop: Shop, fitted: JointFit) -> None:
    assert fitted.to_json()["kept"] == ["retrieval", "names"]
    assert fitted.facts["retrieval"]["after"] > 2 * fitted.facts["retrieval"]["before"]
    assert fitted.facts["left_out"]["low"] > 0
    json.dumps(fitted.to_json(), allow_nan=False)
    again = shop.fit()
    assert again.facts == fitted.facts


def test_fit_joint_space_keeps_nothing_of_noise() -> None:
    for seed in range(5):
        found = Shop(np.random.default_rng(seed), noise=True).fit()
        assert found.space is None, seed
        assert found.to_json()["kept"] == [], seed


def test_fit_joint_space_aligns_nothing_of_few_pairs() -> None:
    found = Shop(np.random.default_rng(0), 120).fit()
    assert found.space is None
    assert found.to_json() == {}


def test_fit_joint_space_takes_no_photo_that_the_encoder_knows(shop: Shop) -> None:
    """Not even where fold encoders don't know it: what is aligned is by their average."""
    data, n = shop.data(), len(shop.labels)
    photo = data.embedded.photo
    new = replace(photo, in_encoder_train_set=np.zeros(n, bool))
    for few, n_known in ((True, 200), (False, 60)):
        seen = replace(new, in_encoder_train_set=np.arange(n) < n_known, fold_encoders=(new,))
        known = replace(data, embedded=replace(data.embedded, photo=seen))
        facts = fit_joint_space(known, shop.text_space, shop.zero_shot, SLOPES).facts
        assert facts.get("n_pairs") == (None if few else 300)


def right(shop: Shop, joint: JointSpace, new: Shop, labels: Ints) -> float:
    assert joint.known
    evidence = joint.known.evidence(
        joint.alignment, shop.zero_shot.prototypes, new.embedded(), new.text_space
    )
    return float((evidence.classify(joint.known.weights).argmax(axis=1) == labels).mean())


def test_a_left_out_category_gains_by_what_is_known_of_the_others() -> None:
    """Three categories teach nothing, and are named among all twelve afterwards."""
    gains, sureness = [], []
    for seed in range(3):
        shop = Shop(np.random.default_rng(seed), 600)
        left = shop.labels < 3
        data, rows = shop.data(), np.flatnonzero(~left)
        own = np.arange(len(rows))
        taught = replace(
            data,
            embedded=data.embedded.take(rows.tolist()),
            categories=[data.categories[row] for row in rows.tolist()],
            grouping=Grouping(own, own, "duplicates"),
            groups=own,
            folds=data.folds[rows],
        )
        space = shop.text_space[0][rows], shop.text_space[1][rows]
        joint = fit_joint_space(taught, space, shop.zero_shot, SLOPES).space
        assert joint
        assert joint.known
        assert not set(joint.known.names) & set(shop.names[:3])
        evidence = joint.known.evidence(
            joint.alignment, shop.zero_shot.prototypes, shop.embedded(), shop.text_space
        )
        answers = evidence.classify(joint.known.weights)
        by_joint = answers.argmax(axis=1) == shop.labels
        sureness.append(answers[left].max(axis=1).mean() - by_joint[left].mean())
        by_name = shop.zero_shot.classify(*shop.text_space).argmax(axis=1) == shop.labels
        gains.append([(by_joint[some].mean() - by_name[some].mean()) for some in (left, ~left)])
    assert np.min(np.mean(gains, axis=0)) > 0.05
    assert abs(np.mean(sureness)) < 0.1


def test_one_bad_listing_changes_no_other(shop: Shop, fitted: JointFit) -> None:
    joint = fitted.space
    assert joint
    assert joint.known
    photos, titles = shop.photos[:6].copy(), shop.titles[:6].copy()
    photos[0], titles[1], photos[2], titles[2] = 0, 0, 0, 0
    spoilt = shop.embedded(photos, titles)
    text_space = shop.text_space[0][:6] * photos.any(axis=1)[:, None], titles
    evidence = joint.known.evidence(joint.alignment, shop.zero_shot.prototypes, spoilt, text_space)
    answers = evidence.classify(joint.known.weights)
    whole = joint.known.evidence(
        joint.alignment, shop.zero_shot.prototypes, shop.embedded(), shop.text_space
    ).classify(joint.known.weights)
    np.testing.assert_allclose(answers[3:], whole[3:6], atol=1e-5)
    np.testing.assert_allclose(answers[2], 1 / K)
    np.testing.assert_allclose(answers.sum(axis=1), 1, atol=1e-5)
    p = joint.mismatch_p_values(spoilt)
    assert np.isnan(p).tolist() == [True, True, True, False, False, False]
    np.testing.assert_allclose(p[3:], joint.mismatch_p_values(shop.embedded())[3:6])


def test_mismatch_p_values_alert_a_share_of_own_pairs_and_most_of_shuffled_ones() -> None:
    own, shuffled = [], []
    for seed in range(8):
        shop = Shop(np.random.default_rng(seed), 720)
        new = shop.photos[360:], shop.titles[360:]
        shop.photos, shop.titles, shop.labels = (
            each[:360] for each in (shop.photos, shop.titles, shop.labels)
        )
        shop.text_space = shop.text_space[0][:360], shop.titles
        joint = shop.fit().space
        assert joint
        own.append(joint.mismatch_p_values(shop.embedded(*new)) <= 0.05)
        turned = shop.embedded(new[0], np.roll(new[1], 1, axis=0))
        shuffled.append(joint.mismatch_p_values(turned) <= 0.05)
    assert np.mean(own) < 0.06
    assert np.mean(shuffled) > 0.5


def test_across_asks_an_index_of_the_other_part(shop: Shop, fitted: JointFit) -> None:
    joint = fitted.space
    assert joint
    seen = shop.embedded()
    by_words, by_photo = {"title": seen.title}, {"photo": seen.photo}
    assert joint.across(by_words, {"photo", "title"}) is by_words
    assert joint.across(by_words, set()) is by_words
    both = {**by_words, **by_photo}
    assert joint.across(both, {"title"}) is both
    found = joint.across(by_words, {"photo"})["photo"]
    assert hits(found.array, shop.photos, np.arange(len(shop.labels))).mean() > 0.5
    assert joint.across(by_photo, {"title"})["title"].array.shape == shop.titles.shape


@pytest.mark.parametrize("names", [True, False])
def test_to_parts_and_from_parts_round_trip(shop: Shop, fitted: JointFit, names: bool) -> None:
    assert fitted.space
    joint = fitted.space if names else replace(fitted.space, known=None)
    arrays, settings = joint.to_parts()
    assert all(array.dtype == np.float32 for array in arrays.values())
    again = JointSpace.from_parts(arrays, json.loads(json.dumps(settings)))
    seen = shop.embedded()
    np.testing.assert_array_equal(again.mismatch_p_values(seen), joint.mismatch_p_values(seen))
    assert (again.known is None) == (not names)
    if names:
        assert right(shop, again, shop, shop.labels) == right(shop, joint, shop, shop.labels)
    with pytest.raises(ValueError, match="must fit"):
        JointSpace.from_parts({**arrays, "photo_mean": np.zeros(3, np.float32)}, settings)
