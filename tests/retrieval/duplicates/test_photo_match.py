import numpy as np
import pytest
from PIL import Image, ImageOps
from shelfsure.retrieval.duplicates.agreement import colour_residual, correlation
from shelfsure.retrieval.duplicates.alignment import (
    IDENTITY,
    align_features,
    likely_alignments,
    match_descriptors,
)
from shelfsure.retrieval.duplicates.edits import EDITS, chain
from shelfsure.retrieval.duplicates.pair_model import PairModel
from shelfsure.retrieval.duplicates.photo_detail import (
    content_fraction,
    load_detail,
    mirrored_descriptors,
    same_pixels,
)
from shelfsure.retrieval.duplicates.photo_match import (
    FEATURES,
    find_match,
    match_photos,
)
from shelfsure.vision.load import PhotoLimits


def feature(match, name: str) -> float:
    return float(match.features[FEATURES.index(name)])


@pytest.mark.parametrize("edit", EDITS)
def test_match_photos_recognises_edited_copies(product, detail, edit) -> None:
    model = PairModel.load()
    original = product(1)
    copy = EDITS[edit](original, np.random.default_rng(5))
    assert copy.tobytes() != original.tobytes()
    for a, b in ((copy, original), (original, copy)):
        match = match_photos(detail(a), detail(b))
        assert model.probabilities(match.features[None])[0] > model.threshold
        assert match.alignment.mirrored == (edit == "flip")


@pytest.mark.parametrize("edit", EDITS)
def test_find_match_sees_copies_as_match_photos_does(product, detail, edit) -> None:
    a, b = detail(EDITS[edit](product(1), np.random.default_rng(5))), detail(product(1))
    found, expected = find_match(a, b), match_photos(a, b)
    assert found is not None
    assert (found.features == expected.features).all()
    assert (found.alignment.transform == expected.alignment.transform).all()


def test_find_match_of_photos_that_share_nothing_is_none(product, detail) -> None:
    rows, columns = np.mgrid[:300, :300]
    stripes = Image.fromarray((rows // 30 % 2 * 255).astype(np.uint8)).convert("RGB")
    assert find_match(detail(stripes), detail(product(1))) is None
    # one without features, too, is found by what lies edge on edge
    soft = Image.fromarray((np.hypot(rows - 150, columns - 90) / 1.3).astype(np.uint8))
    assert find_match(detail(soft.convert("RGB")), detail(soft.convert("RGB"))) is not None


def test_match_photos_rejects_another_print_on_the_same_template(product, detail) -> None:
    model = PairModel.load()
    for seed in range(2, 7):
        match = match_photos(detail(product(1)), detail(product(seed)))
        assert model.probabilities(match.features[None])[0] < model.threshold / 2
        # the template itself agrees: aligning alone would have been fooled
        assert feature(match, "more_covered_fraction") > 0.9


def test_match_photos_sees_another_colour(product, detail) -> None:
    model = PairModel.load()
    match = match_photos(detail(product(1)), detail(product(1, (200, 60, 40))))
    features = match.features[None]
    assert feature(match, "agreeing_fraction") > 0.8
    assert feature(match, "colour_residual") > 0.5
    assert model.probabilities(features)[0] < model.threshold < model.ignoring_colour(features)[0]


def test_match_photos_of_a_photo_with_itself_is_perfect(product, detail) -> None:
    one = detail(product(3))
    match = match_photos(one, one)
    assert feature(match, "agreeing_fraction") == pytest.approx(1)
    assert feature(match, "edge_correlation") == pytest.approx(1, abs=0.01)
    assert feature(match, "colour_residual") < 0.05


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (700, 3), (40, 40)])
def test_match_photos_takes_plain_and_tiny_photos(product, detail, size) -> None:
    plain = detail(Image.new("RGB", size, "red"))
    for a, b in ((plain, plain), (plain, detail(product(1))), (detail(product(1)), plain)):
        assert np.isfinite(match_photos(a, b).features).all()


def test_align_features_finds_where_a_crop_lies(product, detail) -> None:
    original = product(4)
    crop = detail(original.crop((96, 40, 384, 360)))
    found = align_features(crop, detail(original), crop.root_sift)
    assert found is not None
    assert not found.mirrored
    corners = np.array([[0, 0], [1, 1]]) @ found.transform[:, :2].T + found.transform[:, 2]
    assert corners == pytest.approx(np.array([[0.2, 0.1], [0.8, 0.9]]), abs=0.02)


def test_mirrored_descriptors_match_the_mirrored_photo(product, detail) -> None:
    one, mirrored = detail(product(5)), detail(ImageOps.mirror(product(5)))
    near, far = match_descriptors(mirrored_descriptors(one.root_sift), mirrored.root_sift)
    apart = np.abs(1 - one.points[near, 0] - mirrored.points[far, 0])
    assert len(near) > 0.5 * len(one.points)
    assert np.median(apart) < 0.01
    again = mirrored_descriptors(mirrored_descriptors(one.descriptors))
    assert (again == one.descriptors).all()


def test_likely_alignments_always_has_the_plain_guesses(detail) -> None:
    plain = detail(Image.new("RGB", (300, 200), "white"))
    found = list(likely_alignments(plain, plain))
    assert found[0] is IDENTITY
    assert [alignment.mirrored for alignment in found] == [False, True]


def test_colour_residual_ignores_a_cast_and_sees_other_colours(rng) -> None:
    colours = rng.uniform(0, 255, (500, 3)).astype(np.float32)
    tinted = colours * np.array([1.0, 0.9, 0.8], dtype=np.float32)
    grey = np.repeat(colours.mean(axis=1, keepdims=True), 3, axis=1)
    assert colour_residual(colours, colours) == pytest.approx(0, abs=1e-6)
    assert colour_residual(colours, tinted) < 0.25
    assert colour_residual(colours, grey) == 0
    assert colour_residual(colours, colours[:, [2, 0, 1]]) > 0.6


def test_correlation_agrees_with_numpy(rng) -> None:
    x = rng.normal(100, 30, 400)
    y = x + rng.normal(0, 20, 400)
    assert correlation(x, y) == pytest.approx(np.corrcoef(x, y)[0, 1])
    assert correlation(x, np.full(400, 7.0)) == 0


def test_same_pixels_looks_past_the_file(product, as_png) -> None:
    image = product(6)
    other = image.copy()
    other.putpixel((0, 0), (0, 0, 0))
    limits = PhotoLimits()
    assert same_pixels(as_png(image), as_png(image) + b"trailing", limits)
    assert not same_pixels(as_png(image), as_png(other), limits)


def test_edits_are_reproducible(product) -> None:
    image = product(7)
    for edit in [*EDITS.values(), chain]:
        first, second = (edit(image, np.random.default_rng(3)) for _ in range(2))
        assert first.mode == "RGB"
        assert first.tobytes() == second.tobytes()


@pytest.mark.parametrize("colour", ["black", "white", "orange"])
def test_content_fraction_leaves_a_frame_and_the_ground_behind_it_out(
    product, as_png, colour: str
) -> None:
    plain = load_detail(as_png(product(1)), PhotoLimits())
    framed = load_detail(as_png(ImageOps.expand(product(1), 40, colour)), PhotoLimits())
    # the drawing, with its handle, spans 390 x 310 of 480 x 400 pixels
    assert plain.n_content_pixels == pytest.approx(390 * 310, rel=0.05)
    assert framed.n_content_pixels == pytest.approx(plain.n_content_pixels, rel=0.05)
    assert content_fraction(np.full((20, 30, 3), 90, dtype=np.uint8)) == 1.0
