"""Zero-shot on vectors made by hand, where the right answers are known; and on the real photos."""

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shelfsure.core.arrays import unit_rows
from shelfsure.core.cache import EmbeddingCache
from shelfsure.core.errors import ConfigError
from shelfsure.retrieval.zero_shot.classifier import ZeroShot, classify, fit_slopes
from shelfsure.retrieval.zero_shot.image_text_space import Slopes
from shelfsure.retrieval.zero_shot.prototypes import (
    CONTENT_FREE_TITLES,
    PARENT_SHARE,
    Prototypes,
    embed_categories,
    lean_on_neighbours,
    mean_similarity,
)

WORDS = ("garden", "hammocks", "tents", "kitchen", "mugs", "woven", "photo", "pack")
SLOPES = Slopes(photo_alone=10.0, title_alone=20.0, photo_beside_title=8.0, title_beside_photo=16.0)


def word_space(vocabulary: np.ndarray | None = None) -> SimpleNamespace:
    """A image-text space with one axis a known word; unknown words share a last axis, weakly."""

    def embed_texts(texts: Sequence[str]) -> np.ndarray:
        rows = [[text.lower().split().count(word) for word in WORDS] + [0.1] for text in texts]
        return unit_rows(np.array(rows, dtype=np.float32))

    dim = len(WORDS) + 1
    return SimpleNamespace(
        embed_texts=embed_texts,
        vocabulary=np.zeros((0, dim), np.float32) if vocabulary is None else vocabulary,
        slopes=SLOPES,
    )


def random_prototypes(rng: np.random.Generator, n: int = 5, dim: int = 12) -> Prototypes:
    return Prototypes(
        tuple("abcdefghij"[:n]),
        unit_rows(rng.standard_normal((n, dim))),
        rng.uniform(-0.1, 0.1, n),
        rng.uniform(-0.1, 0.1, n),
    )


def test_embed_categories_moves_a_leaf_towards_its_parents() -> None:
    space = word_space()
    plain = embed_categories(["Hammocks"], None, space).vectors[0]
    below = embed_categories(["Garden > Hammocks"], None, space).vectors[0]
    parent = embed_categories(["Garden"], None, space).vectors[0]
    expected = (1 - PARENT_SHARE) * plain + PARENT_SHARE * parent
    np.testing.assert_allclose(below, expected / np.linalg.norm(expected), atol=1e-6)


def test_embed_categories_tells_equal_leaves_apart_by_their_parents() -> None:
    space = word_space()
    paths = ["Garden > Mugs", "Kitchen > Mugs"]
    answer = ZeroShot.from_names(paths, None, space).classify(
        None, space.embed_texts(["kitchen mugs"])
    )
    assert answer.argmax() == 1


def test_embed_categories_hears_descriptions() -> None:
    space = word_space()
    names = ["Hammocks", "Tents"]
    query = space.embed_texts(["woven"])
    without = ZeroShot.from_names(names, None, space).classify(None, query)
    told = ZeroShot.from_names(names, ["woven", None], space).classify(None, query)
    assert without[0, 0] == pytest.approx(0.5, abs=0.01)
    assert told[0, 0] > 0.9


def test_embed_categories_does_not_depend_on_the_other_categories() -> None:
    space = word_space(unit_rows(np.random.default_rng(0).uniform(0, 1, (20, len(WORDS) + 1))))
    together = embed_categories(["Tents", "Mugs", "Garden > Hammocks"], None, space)
    alone = embed_categories(["Mugs"], None, space)
    for part in ("vectors", "photo_baseline", "title_baseline"):
        np.testing.assert_allclose(getattr(together, part)[1], getattr(alone, part)[0], atol=1e-6)


@pytest.mark.parametrize(
    ("names", "descriptions", "message"),
    [
        ([], None, r"got \[\]"),
        (["Mugs", " > "], None, "' > '"),
        (["A > B", "A>B "], None, "'A>B '"),
        (["Mugs", "Tents"], ["only one"], "Each of the 2 labels .* got 1"),
    ],
)
def test_embed_categories_refuses(
    names: list[str], descriptions: list[str] | None, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        embed_categories(names, descriptions, word_space())


def test_lean_on_neighbours_takes_the_near_and_leaves_the_far() -> None:
    axes = np.eye(4, dtype=np.float32)
    near = unit_rows(axes[0] + 0.5 * axes[1] + np.zeros((10, 4)))
    far = np.repeat(axes[2:3], 30, axis=0)
    moved = lean_on_neighbours(axes[:1], np.concatenate([far, near]))[0]
    assert moved[1] > 0.1
    assert moved[2] == 0.0
    np.testing.assert_array_equal(lean_on_neighbours(axes[:1], axes[:0]), axes[:1])


def test_mean_similarity_is_the_mean_of_cosines(rng: np.random.Generator) -> None:
    vectors, background = (unit_rows(rng.standard_normal((n, 6))) for n in (3, 50))
    expected = [np.mean([v @ b for b in background]) for v in vectors]
    np.testing.assert_allclose(mean_similarity(vectors, background), expected, atol=1e-6)
    np.testing.assert_array_equal(mean_similarity(vectors, background[:0]), np.zeros(3))


def test_classify_takes_the_baseline_from_a_title_that_names_nothing() -> None:
    # "pack" stands in the content-free titles: a category of that name may not profit from it
    space = word_space()
    zero_shot = ZeroShot.from_names(["Pack", "Mugs"], None, space)
    assert any("Pack" in title for title in CONTENT_FREE_TITLES)
    assert zero_shot.prototypes.title_baseline[0] > zero_shot.prototypes.title_baseline[1]
    corrected = zero_shot.classify(None, space.embed_texts(["pack mugs"]))[0]
    assert corrected.argmax() == 1


@given(st.integers(0, 10_000))
def test_classify_sums_both_votes_before_the_softmax(seed: int) -> None:
    rng = np.random.default_rng(seed)
    p = random_prototypes(rng)
    photo, title = (unit_rows(rng.standard_normal((7, 12))) for _ in range(2))
    logits = 8 * (photo @ p.vectors.T - p.photo_baseline)
    logits += 16 * (title @ p.vectors.T - p.title_baseline)
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(classify(p, SLOPES, photo, title), expected, rtol=1e-4)


def test_classify_leaves_out_what_is_missing(rng: np.random.Generator) -> None:
    p = random_prototypes(rng)
    photo, title = (unit_rows(rng.standard_normal((4, 12))) for _ in range(2))
    photo[[1, 3]] = 0.0
    title[[2, 3]] = 0.0
    mixed = classify(p, SLOPES, photo, title)
    np.testing.assert_allclose(mixed[0], classify(p, SLOPES, photo, title)[0])
    np.testing.assert_allclose(mixed[1], classify(p, SLOPES, None, title)[1], rtol=1e-5)
    np.testing.assert_allclose(mixed[2], classify(p, SLOPES, photo, None)[2], rtol=1e-5)
    np.testing.assert_allclose(mixed[3], 0.2)


def test_classify_follows_a_permutation_of_categories(rng: np.random.Generator) -> None:
    zero_shot = ZeroShot(random_prototypes(rng), SLOPES)
    photo = unit_rows(rng.standard_normal((6, 12)))
    order = [3, 1, 4, 0, 2]
    permuted = zero_shot.take([zero_shot.names[i] for i in order]).classify(photo, None)
    np.testing.assert_allclose(permuted, zero_shot.classify(photo, None)[:, order], rtol=1e-5)


def test_classify_refuses_nothing_and_two_spaces(rng: np.random.Generator) -> None:
    p = random_prototypes(rng)
    with pytest.raises(ValueError, match="got neither"):
        classify(p, SLOPES, None, None)
    with pytest.raises(ValueError, match=r"\(2, 12\) and \(3, 12\)"):
        classify(p, SLOPES, np.ones((2, 12)), np.ones((3, 12)))


def drawn(rng: np.random.Generator, p: Prototypes, slopes: Slopes, n: int) -> tuple:
    """Listings whose labels are drawn from the very model with these slopes."""
    photo, title = (unit_rows(rng.standard_normal((n, 12))) for _ in range(2))
    return (
        photo,
        title,
        [
            rng.choice(5, p=row / row.sum())
            for row in classify(p, slopes, photo, title).astype(float)
        ],
    )


def test_fit_slopes_finds_the_slopes_that_labels_were_drawn_from(rng: np.random.Generator) -> None:
    p, truth = random_prototypes(rng), Slopes(1.0, 1.0, 4.0, 9.0)
    photo, title, labels = drawn(rng, p, truth, 6000)
    found = fit_slopes(p, SLOPES, photo, title, np.array(labels))
    assert found.photo_beside_title == pytest.approx(4.0, rel=0.1)
    assert found.title_beside_photo == pytest.approx(9.0, rel=0.1)


def test_fit_slopes_fits_each_view_alone(rng: np.random.Generator) -> None:
    p, truth = random_prototypes(rng), Slopes(5.0, 7.0, 1.0, 1.0)
    photo, title = (unit_rows(rng.standard_normal((8000, 12))) for _ in range(2))
    photo[4000:], title[:4000] = 0.0, 0.0
    labels = [
        rng.choice(5, p=row / row.sum()) for row in classify(p, truth, photo, title).astype(float)
    ]
    found = fit_slopes(p, SLOPES, photo, title, np.array(labels))
    assert found.photo_alone == pytest.approx(5.0, rel=0.1)
    assert found.title_alone == pytest.approx(7.0, rel=0.1)
    assert found.photo_beside_title == SLOPES.photo_beside_title  # no listing had both


def test_fit_slopes_keeps_the_prior_with_few_listings(rng: np.random.Generator) -> None:
    p = random_prototypes(rng)
    photo, title, labels = drawn(rng, p, SLOPES, 29)
    assert fit_slopes(p, SLOPES, photo, title, np.array(labels)) == SLOPES


def test_extended_adds_only_what_is_new() -> None:
    space = word_space()
    zero_shot = ZeroShot.from_names(["Mugs", "Tents"], None, space)
    more = zero_shot.extended(["Tents", "Garden > Hammocks"], None, space)
    assert more.names == ("Mugs", "Tents", "Garden > Hammocks")
    assert more.classify(space.embed_texts(["hammocks"]), None).argmax() == 2
    np.testing.assert_array_equal(more.prototypes.vectors[:2], zero_shot.prototypes.vectors)


def test_take_refuses_unknown_names() -> None:
    with pytest.raises(ValueError, match=r"\['Boats'\]"):
        ZeroShot.from_names(["Mugs"], None, word_space()).take(["Boats"])


def test_from_parts_restores_what_to_parts_gave(rng: np.random.Generator) -> None:
    zero_shot = ZeroShot(random_prototypes(rng), SLOPES)
    arrays, settings = zero_shot.to_parts()
    restored = ZeroShot.from_parts(arrays, json.loads(json.dumps(settings)))
    photo = unit_rows(rng.standard_normal((3, 12)))
    assert (restored.names, restored.slopes) == (zero_shot.names, zero_shot.slopes)
    np.testing.assert_array_equal(restored.classify(photo, None), zero_shot.classify(photo, None))


@pytest.mark.realdata
def test_starter_names_outside_photos_by_kind(real_data: Path) -> None:
    from shelfsure.retrieval.zero_shot.conse import ConSE
    from shelfsure.text.encoder import SentenceEncoder
    from shelfsure.vision.encoder import PhotoEncoder
    from shelfsure.vision.load import PhotoLimits

    kinds = {
        "dog": ("Samoyed", "chow", "toy_terrier", "Siberian_husky", "redbone"),
        "bird": ("peacock", "toucan"),
        "vehicle": ("minivan", "police_van", "trolleybus", "tractor"),
        "building": ("palace", "mosque"),
    }
    photos = PhotoEncoder.load("starter", device="cpu")
    texts = SentenceEncoder.load(device="cpu")
    space = ConSE.from_encoders(photos, texts, EmbeddingCache())
    labels = [row for row, names in enumerate(kinds.values()) for _ in names]
    paths = [real_data / "outside" / f"{name}.jpg" for names in kinds.values() for name in names]
    squares = [photos.prepare(photos.decode(path, PhotoLimits())) for path in paths]
    answers = ZeroShot.from_names(list(kinds), None, space).classify(
        space.to_text_space(space.photos.encode(squares)), None
    )
    assert np.mean(answers.argmax(axis=1) == labels) >= 0.9
