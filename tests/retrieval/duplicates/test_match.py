import csv
import hashlib
import io
import json
import logging
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageOps
from shelfsure.catalog.listing import Listing
from shelfsure.core.errors import CalibrationError
from shelfsure.embedding.listings import EmbeddedListings
from shelfsure.fusion.views import View
from shelfsure.retrieval.duplicates.edits import EDITS, encode_jpeg
from shelfsure.retrieval.duplicates.fit import fit_pair_model
from shelfsure.retrieval.duplicates.match import match_listings
from shelfsure.retrieval.duplicates.page import matched_regions, word_differences
from shelfsure.retrieval.duplicates.pair_model import PairModel
from shelfsure.retrieval.duplicates.photo_views import embed_middles
from shelfsure.retrieval.duplicates.report import write_duplicates
from shelfsure.retrieval.duplicates.sampling import sample_pairs
from shelfsure.retrieval.duplicates.title_match import Difference
from shelfsure.retrieval.duplicates.verdict import judge
from shelfsure.vision.load import DecodedPhoto, PhotoLimits
from shelfsure.vision.preprocess import decode_for_square, square


class ThumbnailEncoder:
    """A stand-in: the photo at 8 x 8 pixels, seen alike from both sides."""

    dim = 192
    fingerprint = "thumbnails"

    def decode(self, source, limits: PhotoLimits) -> DecodedPhoto:
        assert limits
        return decode_for_square(source, 32, 1.0, "border")

    def prepare(self, photo: DecodedPhoto) -> np.ndarray:
        return square(photo, 32, 1.0, "border")

    def encode(self, items) -> np.ndarray:
        rows = []
        for item in items:
            small = np.asarray(Image.fromarray(item).resize((8, 8)), dtype=np.float32)
            row = (small + small[:, ::-1]).ravel() - 380
            rows.append(row / max(np.linalg.norm(row), 1e-6))
        return np.array(rows, dtype=np.float32)


ENCODER = ThumbnailEncoder()


def embedded_of(
    listings: list[Listing], title_vectors: np.ndarray | None = None
) -> EmbeddedListings:
    there = np.array([listing.image is not None for listing in listings])
    vectors = np.zeros((len(listings), ENCODER.dim), dtype=np.float32)
    for row in np.flatnonzero(there):
        vectors[row] = ENCODER.encode(
            [ENCODER.prepare(ENCODER.decode(listings[row].image, PhotoLimits()))]
        )[0]
    titles = title_vectors if title_vectors is not None else np.ones((len(listings), 1))
    has_title = np.array([listing.title is not None for listing in listings])
    return EmbeddedListings.of_photos(
        listings,
        View(vectors, there),
        [hashlib.sha256(x.image).hexdigest() if x.image else None for x in listings],
        View(titles.astype(np.float32), has_title),
    )


@pytest.fixture(scope="module")
def catalogue(product, as_png) -> list[Listing]:
    photos = [as_png(product(seed)) for seed in range(8)]
    listings = [Listing(f"p{n}", f"Printed mug {300 + n}", data) for n, data in enumerate(photos)]
    crop = encode_jpeg(product(0).crop((48, 40, 432, 360)), 80)
    flipped = encode_jpeg(ImageOps.mirror(product(1)), 80)
    return [
        *listings,
        Listing("crop", "Printed mug 300", crop, "a crop with a long description"),
        Listing("flip", "Printed Mug 301", flipped),
        Listing("twin", "Printed mug 302", photos[2]),
        Listing("pixels", "Printed mug 303", photos[3] + b"\0" * 9),
        Listing("pack", "Printed mug 304, pack of 2", encode_jpeg(product(4), 70)),
        Listing("red", "Printed mug 305 red", as_png(product(5, (200, 60, 40)))),
        Listing("untitled", None, encode_jpeg(product(6), 60)),
        Listing("no photo", "Printed mug 307"),
    ]


def verdicts(result) -> dict[tuple[str, str], str]:
    return {(pair.a.listing_id, pair.b.listing_id): pair.verdict for pair in result.pairs}


EXPECTED = {
    ("p0", "crop"): "same_product",
    ("p1", "flip"): "same_product",
    ("p2", "twin"): "same_photo",
    ("p3", "pixels"): "same_photo",
    ("p4", "pack"): "variant",
    ("p5", "red"): "variant",
    ("p6", "untitled"): "same_product",
    ("p7", "no photo"): "variant",  # nothing but the title is known to be the same
}


def test_match_listings_gives_every_pair_its_verdict(catalogue) -> None:
    result = match_listings(embedded_of(catalogue), ENCODER)
    assert verdicts(result) == EXPECTED
    groups = {
        group.keeper.listing_id: [m.listing_id for m in group.members] for group in result.groups
    }
    assert groups == {
        "crop": ["p0"], "p1": ["flip"], "p2": ["twin"], "p3": ["pixels"], "p6": ["untitled"],
    }  # fmt: skip
    again = match_listings(embedded_of(catalogue), ENCODER)
    assert [pair.evidence for pair in again.pairs] == [pair.evidence for pair in result.pairs]


def test_match_listings_takes_another_colour_in_the_title_for_a_variant(catalogue) -> None:
    blue = Listing("p5", "Printed mug 305 blue", catalogue[5].image)
    result = match_listings(embedded_of([blue, catalogue[13], catalogue[7]]))
    assert verdicts(result) == {("p5", "red"): "variant"}
    assert "but for their colours" in result.pairs[0].evidence
    assert result.groups == []


def test_match_listings_against_a_catalogue_keeps_what_is_there(catalogue) -> None:
    uploads = [
        Listing("new crop", "Printed mug 300", catalogue[8].image, "so long a description"),
        Listing("new twin", "Printed mug 302", catalogue[2].image),
        Listing("p4", "Printed mug 304", catalogue[4].image),  # the same listing again
        Listing("new", "Plate", encode_jpeg(Image.new("RGB", (300, 300), "green"))),
    ]
    result = match_listings(embedded_of(uploads), ENCODER, against=embedded_of(catalogue[:8]))
    assert verdicts(result) == {
        ("new crop", "p0"): "same_product",
        ("new twin", "p2"): "same_photo",
    }
    keepers = {group.keeper.listing_id for group in result.groups}
    assert keepers == {"p0", "p2"}


def test_match_listings_without_anything_to_compare(catalogue) -> None:
    for listings in ([], catalogue[:1], [catalogue[-1]]):
        result = match_listings(embedded_of(listings), ENCODER)
        assert (result.pairs, result.groups) == ([], [])
    assert match_listings(embedded_of(catalogue[:2]), against=embedded_of([])).pairs == []


def test_match_listings_does_not_pair_all_that_share_a_placeholder(catalogue, caplog) -> None:
    many = [Listing(f"n{n}", f"Thing {n}", catalogue[0].image) for n in range(60)]
    with caplog.at_level(logging.WARNING):
        result = match_listings(embedded_of(many))
    assert len(result.pairs) == 59
    assert "60 listings show the very same photo" in caplog.text


def test_match_listings_passes_over_a_photo_that_broke_since(catalogue) -> None:
    embedded = embedded_of(catalogue[:8])
    broken = [
        Listing(x.listing_id, x.title, b"broken") if n < 2 else x
        for n, x in enumerate(catalogue[:8])
    ]
    result = match_listings(replace(embedded, listings=broken), ENCODER)
    assert result.pairs == []


def test_embedded_listings_refuse_unequal_lengths(catalogue) -> None:
    embedded = embedded_of(catalogue[:3])
    with pytest.raises(ValueError, match=r"\[2, 3, 3, 3, 3, 3, 3\]"):
        replace(embedded, listings=catalogue[:2])


def test_embed_middles_crops(product, as_png) -> None:
    data = as_png(product(1).crop((0, 0, 400, 400)))
    cropped = embed_middles([data, b"broken"], ENCODER, PhotoLimits())
    plain = ENCODER.encode([ENCODER.prepare(ENCODER.decode(data, PhotoLimits()))])[0]
    assert not np.allclose(cropped[0], plain, atol=0.01)
    assert not cropped[1].any()


@pytest.mark.parametrize(
    ("relation", "differs", "similarity", "verdict"),
    [
        ("same_bytes", False, 0.9, "same_photo"),
        ("same_pixels", False, None, "same_photo"),
        ("copy", False, 0.9, "same_product"),
        ("copy", True, 0.9, "variant"),
        ("same_bytes", True, None, "variant"),
        ("copy", True, 0.1, "same_product"),
        ("recoloured", True, 0.9, "variant"),
        ("recoloured", False, 0.9, "different"),
        ("other", True, 0.9, "different"),
    ],
)
def test_judge_lets_titles_veto_but_not_vote(relation, differs, similarity, verdict) -> None:
    differences = [Difference("pack", "1", "2")] if differs else []
    assert judge(relation, differences, similarity) == verdict


def test_judge_needs_clearer_photos_where_little_is_written_the_same() -> None:
    assert judge("copy", [], 0.9, doubted=True) == "variant"
    assert judge("copy", [], 0.1, doubted=True) == "different"
    assert judge("absent", [], 0.9, doubted=True) == "variant"
    assert judge("absent", [], 0.9) == "same_product"


def test_judge_believes_columns_under_unrelated_titles_too() -> None:
    size = Difference("size", "s", "m", certain=True)
    assert judge("same_bytes", [size], 0.1) == "variant"
    assert judge("recoloured", [size], 0.1) == "different"


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Printed mugs 300", "same_product"),
        ("300 mug, printed - free shipping", "same_product"),
        ("Pritned mug 300", "same_product"),
        ("Printed jar 300", "variant"),  # each has a word that the other lacks
        ("Printed mug 300 blue", "variant"),
        ("Printed mug 300 set", "variant"),
        ("Printed coffee mug 300", "variant"),  # more is said, and this photo isn't sure enough
    ],
)
def test_match_listings_lets_no_other_words_merge(catalogue, title: str, expected: str) -> None:
    never_sure = replace(PairModel.load(), sure_threshold=1.0)
    listings = [catalogue[0], Listing("copy", title, catalogue[8].image)]
    assert verdicts(match_listings(embedded_of(listings), model=never_sure)) == {
        ("p0", "copy"): expected
    }


def test_match_listings_doubts_titles_under_the_very_same_photo_too(catalogue) -> None:
    titles = ("Tee Wine", "Tee Mustard", "Tee", "tee wine")
    listings = [Listing(title, title, catalogue[0].image) for title in titles]
    result = match_listings(embedded_of(listings))
    same = {pair for pair, verdict in verdicts(result).items() if verdict != "variant"}
    assert same == {("Tee Wine", "tee wine")}  # "Tee" could be the parent of either
    assert len(result.pairs) == 6


def test_match_listings_lets_columns_decide_first(catalogue) -> None:
    columns = [{"size": "s"}, {"size": "m"}, {}, {"parent": "b"}]
    listings = [Listing(name, "Printed mug", catalogue[0].image) for name in "abcd"]
    found = verdicts(match_listings(embedded_of(listings), columns=columns))
    assert found[("a", "b")] == found[("b", "d")] == "variant"
    assert found[("a", "c")] == found[("b", "c")] == found[("a", "d")] == "same_photo"


def test_match_listings_compares_by_what_is_written_where_photos_are_missing() -> None:
    towel = "Blue cotton bath towel"
    listings = [
        Listing("1", towel, None, "soft"),
        Listing("2", towel, None, "Soft"),
        Listing("3", towel, None, "rough"),
        Listing("4", "Mug"),
        Listing("5", "Mug"),
    ]
    vectors = np.array([[1, 0], [1, 0], [1, 0], [0, 1], [0, 1]])
    result = match_listings(embedded_of(listings, vectors))
    assert verdicts(result) == {
        ("1", "2"): "same_product",
        ("1", "3"): "variant",
        ("2", "3"): "variant",
        ("4", "5"): "variant",  # a word alone is too little
    }
    assert [(g.keeper.listing_id, g.members[0].listing_id) for g in result.groups] == [("1", "2")]
    assert (result.n_by_text, result.n_not_compared) == (5, 0)
    assert "5 listings have no photo: compared by title and text" in result.coverage
    new = embedded_of([Listing("n", towel, None, "soft")], np.array([[1, 0]]))
    against = match_listings(new, against=embedded_of(listings, vectors))
    assert verdicts(against)[("n", "1")] == "same_product"


def test_write_duplicates_writes_tables_page_and_plan(catalogue, tmp_path) -> None:
    nasty = Listing("p0", "Printed mug 300<script></script>", catalogue[0].image)
    result = match_listings(embedded_of([nasty, *catalogue[1:]]), ENCODER)
    html = write_duplicates(result, tmp_path / "out").read_text()
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert not re.search(r'(src|href)="(?!data:)', html)
    assert html.count("<polygon") == 2 * len(result.pairs) - 1  # one listing has no photo
    assert "<mark>pack of 2</mark>" in html
    with (tmp_path / "out" / "pairs.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {(r["listing_id_a"], r["listing_id_b"]): r["verdict"] for r in rows} == EXPECTED
    assert all(0 <= float(r["probability"]) <= 1 for r in rows if r["listing_id_b"] != "no photo")
    assert next(r for r in rows if r["listing_id_b"] == "pack")["evidence"].endswith("pack: 1 / 2")
    assert next(r for r in rows if r["listing_id_b"] == "untitled")["title_similarity"] == ""
    with (tmp_path / "out" / "groups.csv").open(newline="") as file:
        roles = [(r["group"], r["listing_id"], r["role"]) for r in csv.DictReader(file)]
    assert ("1", roles[0][1], "keeper") == roles[0]
    assert len(roles) == sum(1 + len(group.members) for group in result.groups)
    plan = json.loads((tmp_path / "out" / "merge.json").read_text())
    step = next(step for step in plan["steps"] if step["listing_id"] == "flip")
    assert step["into"] == "p1"
    assert step["before"]["title"] == "Printed Mug 301"
    with (tmp_path / "out" / "merge.csv").open(newline="") as file:
        steps = list(csv.DictReader(file))
    assert [row["listing_id"] for row in steps] == [step["listing_id"] for step in plan["steps"]]
    row = next(row for row in steps if row["listing_id"] == "flip")
    assert (row["into"], row["title_into"]) == ("p1", "Printed mug 301")


def test_write_duplicates_of_nothing(tmp_path) -> None:
    html = write_duplicates(match_listings(embedded_of([])), tmp_path).read_text()
    assert "no two listings are the same product" in html
    assert json.loads((tmp_path / "merge.json").read_text())["steps"] == []


def test_matched_regions_are_each_others_inverse() -> None:
    half = np.array([[0.5, 0.0, 0.25], [0.0, 0.5, 0.25]])  # a fills the middle of b
    b_in_a, a_in_b = matched_regions(half)
    assert a_in_b == "25.0,25.0 75.0,25.0 75.0,75.0 25.0,75.0"
    assert b_in_a == "1.0,1.0 99.0,1.0 99.0,99.0 1.0,99.0"


def test_word_differences_marks_both_sides() -> None:
    a, b = word_differences("Mug RED 300 ml", "mug blue 300 ml new")
    assert a == [("Mug", False), ("RED", True), ("300 ml", False)]
    assert b == [("mug", False), ("blue", True), ("300 ml", False), ("new", True)]
    assert word_differences(None, "mug") == ([], [("mug", True)])


def test_fit_pair_model_learns_from_a_small_catalogue(product, as_png) -> None:
    listings = [Listing(f"p{n}", None, as_png(product(n))) for n in range(10)]
    listings.append(Listing("twin", None, listings[0].image))
    embedded = embedded_of(listings)
    model = fit_pair_model(embedded, n_sources=3, n_edits=4)
    sample = sample_pairs(embedded, None, 2, 2, PhotoLimits())
    again = sample_pairs(embedded, None, 2, 2, PhotoLimits())
    assert (sample.features == again.features).all()
    assert 0 < sample.copies.mean() < 0.5
    right = (model.probabilities(sample.features) >= model.threshold) == sample.copies
    assert right.mean() > 0.9


def test_fit_pair_model_needs_photos(catalogue) -> None:
    with pytest.raises(CalibrationError, match="got 5"):
        fit_pair_model(embedded_of(catalogue[:5]))


@pytest.mark.realdata
def test_match_listings_on_real_photos(real_data) -> None:
    folder = real_data / "flipkart" / "images"
    photos = [path.read_bytes() for path in sorted(folder.glob("*.jpg"))[:25]]
    assert len(photos) == 25
    originals = [Listing(f"o{n}", None, data) for n, data in enumerate(photos)]
    uploads = []
    for n, data in enumerate(photos[:6]):
        with Image.open(io.BytesIO(data)) as image:
            for edit in ("crop", "flip", "combination"):
                copy = EDITS[edit](image.convert("RGB"), np.random.default_rng(n))
                uploads.append(Listing(f"{edit} {n}", None, encode_jpeg(copy)))
    model = PairModel.load()
    result = match_listings(embedded_of(uploads), model=model, against=embedded_of(originals))
    right = [pair for pair in result.pairs if pair.a.listing_id.split()[1] == pair.b.listing_id[1:]]
    assert len(right) >= 15
    assert len(result.pairs) - len(right) <= 1
