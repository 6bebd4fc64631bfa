"""Two listings match on any of their photos, and the evidence names which."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from shelfsure.catalog.catalog import Catalog, read_catalog
from shelfsure.catalog.listing import Listing
from shelfsure.embedding.embedder import Embedder
from shelfsure.embedding.grouping import stated_groups
from shelfsure.pipeline.pipeline import ListingPipeline
from shelfsure.retrieval.duplicates.edits import encode_jpeg
from shelfsure.retrieval.duplicates.find import find_duplicates
from shelfsure.retrieval.duplicates.match import DuplicateResult, match_listings
from shelfsure.retrieval.duplicates.report import write_duplicates
from shelfsure.retrieval.index.rows import index_rows
from shelfsure.retrieval.index.store import ListingIndex
from shelfsure.retrieval.zero_shot.load_space import fingerprints
from shelfsure.text.encoder import SentenceEncoder
from shelfsure.vision.encoder import PhotoEncoder

A, B = "Printed ceramic mug with handle", "Woven bath towel"


@pytest.fixture(scope="module")
def png(product: Callable, as_png: Callable) -> list[bytes]:
    return [as_png(product(seed)) for seed in range(6)]


def match(embedder: Embedder, *listings: Listing) -> DuplicateResult:
    return match_listings(embedder.embed(listings, description=False))


def seen(result: DuplicateResult) -> list[tuple[str, str, str, bool, tuple[int, int]]]:
    return [
        (pair.a.listing_id, pair.b.listing_id, pair.verdict, pair.mergeable, pair.photos)
        for pair in result.pairs
    ]


def test_a_second_photo_is_anothers_first(
    fake_embedder: Callable[..., Embedder], png: list[bytes]
) -> None:
    a, b = Listing("a", A, png[0]), Listing("b", A, png[1], more_images=(png[2], png[0]))
    result = match(fake_embedder(), a, b, Listing("c", B, png[3]))
    assert seen(result) == [("a", "b", "same_photo", True, (1, 3))]
    assert result.pairs[0].evidence == "photo 1, and photo 3 of b: the photo files are identical"
    [group] = result.groups
    assert {group.keeper.listing_id, group.members[0].listing_id} == {"a", "b"}
    swapped = match(fake_embedder(), b, a)
    assert [(x.verdict, set(x.photos)) for x in swapped.pairs] == [("same_photo", {1, 3})]


def test_an_edited_copy_among_further_photos_is_found(
    fake_embedder: Callable[..., Embedder], product: Callable, png: list[bytes]
) -> None:
    crop = encode_jpeg(product(0).crop((10, 8, 470, 392)), 85)
    b = Listing("b", A, png[1], more_images=(crop,))
    [pair] = match(fake_embedder(), Listing("a", A, png[0]), b).pairs
    assert (pair.verdict, pair.photos, pair.photo.relation) == ("same_product", (1, 2), "copy")


@pytest.mark.parametrize(
    ("titles", "verdict"),
    [
        ((A, A), "same_photo"),
        ((A, f"{A} saucer"), "variant"),  # a word more: it may be a photo of all of a series
        ((A, None), "variant"),
        ((A, B), "same_photo"),  # told, but not merged
    ],
)
def test_a_further_photo_says_less_than_a_main_one(
    fake_embedder: Callable[..., Embedder],
    png: list[bytes],
    titles: tuple[str, str | None],
    verdict: str,
) -> None:
    a, b = Listing("a", titles[0], png[0]), Listing("b", titles[1], png[1], more_images=(png[0],))
    [pair] = match(fake_embedder(), a, b).pairs
    assert pair.verdict == verdict
    assert pair.mergeable is (titles[0] == titles[1])


def test_a_size_chart_that_two_listings_show_merges_nobody(
    fake_embedder: Callable[..., Embedder], png: list[bytes]
) -> None:
    chart = png[5]
    listings = [Listing(f"{n}", A, png[n], more_images=(chart,)) for n in range(3)]
    result = match(fake_embedder(), *listings, Listing("towel", B, png[3], more_images=(chart,)))
    assert {(verdict, mergeable) for _, _, verdict, mergeable, _ in seen(result)} == {
        ("variant", False)
    }
    assert len(result.pairs) == 3  # with the towel nothing else speaks for it
    assert not result.groups


def test_main_photos_are_believed_before_further_ones(
    fake_embedder: Callable[..., Embedder], png: list[bytes]
) -> None:
    a = Listing("a", A, png[0], more_images=(png[1],))
    b = Listing("b", f"{A} saucer", png[0], more_images=(png[1],))
    assert seen(match(fake_embedder(), a, b)) == [("a", "b", "same_photo", True, (1, 1))]


def test_a_listings_own_photos_are_no_duplicates_and_take_no_places(
    fake_embedder: Callable[..., Embedder], product: Callable, png: list[bytes]
) -> None:
    own = [encode_jpeg(product(0).crop((n, n, 480 - n, 400 - n)), 90) for n in range(1, 12)]
    a = Listing("a", A, png[0], more_images=tuple(own))
    b = Listing("b", A, encode_jpeg(product(0).crop((30, 24, 450, 376)), 80))
    result = match_listings(fake_embedder().embed([a, b], description=False), n_neighbours=2)
    assert [(x.a.listing_id, x.b.listing_id, x.mergeable) for x in result.pairs] == [
        ("a", "b", True)
    ]


def test_against_an_index_any_photo_counts_on_either_side(
    fake_embedder: Callable[..., Embedder], png: list[bytes], tmp_path: Path
) -> None:
    embedder = fake_embedder()
    kept = [Listing("a", A, png[0], more_images=(png[1],)), Listing("c", B, png[3])]
    for n, photo in enumerate(png):
        (tmp_path / f"{n}.png").write_bytes(photo)
    rows = index_rows(embedder.embed(kept, description=False))
    folder = tmp_path / "index"
    ListingIndex.build(folder, rows.records, rows.views, fingerprints(embedder))
    new = [Listing("n1", A, png[4], more_images=(png[0],)), Listing("n2", A, png[1])]
    new.append(Listing("n3", A, png[5], more_images=(png[1],)))
    result = find_duplicates(Catalog.from_listings(new), against=folder, embedder=embedder)
    assert sorted(seen(result)) == [
        ("n1", "a", "same_photo", True, (2, 1)),
        ("n2", "a", "same_photo", True, (1, 2)),
        ("n3", "a", "variant", False, (2, 2)),
    ]


def test_a_verdict_knows_a_duplicate_by_any_photo(
    tiny_trained: ListingPipeline, tiny_folder: Path, tmp_path: Path
) -> None:
    saved = tiny_trained.save(tmp_path / "shop")
    known = read_catalog(tiny_folder / "catalogue.csv").listings[0]
    new = tmp_path / "new.png"
    new.write_bytes((tiny_folder / "photos/1.png").read_bytes() + b"\0")
    upload = replace(known, listing_id="new", image=new, more_images=(known.image,))
    verdict = saved.predict([upload])[0]
    assert verdict.original is not None
    assert verdict.original.listing_id == known.listing_id
    assert "photo 2, and photo 1 of t00: the photo files are identical" in verdict.reasons[0]
    assert verdict.decision == "review"


def test_the_report_shows_the_photos_that_match(
    fake_embedder: Callable[..., Embedder], png: list[bytes], tmp_path: Path
) -> None:
    for n, photo in enumerate(png):
        (tmp_path / f"{n}.png").write_bytes(photo)
    a = Listing("a", A, tmp_path / "0.png")
    b = Listing("b", A, tmp_path / "1.png", more_images=(tmp_path / "0.png",))
    result = match(fake_embedder(), a, b)
    page = write_duplicates(result, tmp_path / "out").read_text(encoding="utf-8")
    pair = page[page.index("photo 1, and photo 2 of b") - 200_000 :]
    sources = [part.partition('"')[0] for part in pair.split('src="')[-2:]]
    assert sources[0] == sources[1]
    assert '"more_images": [' in (tmp_path / "out/merge.json").read_text()


def test_parts_of_a_catalogue_share_no_photo(
    fake_embedder: Callable[..., Embedder], png: list[bytes]
) -> None:
    listings = [
        Listing("a", "one", png[0]),
        Listing("b", "two", png[1], more_images=(png[0],)),
        Listing("c", "three", png[2], more_images=(png[4],)),
        Listing("d", "four", png[3], more_images=(png[4],)),
    ]
    embedded = fake_embedder().embed(listings, description=False)
    nothing = embedded.photo.take(range(4))
    nothing.present[:] = False
    given = listings, nothing, embedded.photo_hashes, embedded.titles, 2
    apart, together = stated_groups(*given), stated_groups(*given, embedded.further)
    assert len(np.unique(apart.duplicates)) == 4
    assert together.duplicates.tolist() == [0, 0, 1, 1]


@pytest.mark.realdata
def test_real_photos_are_found_among_further_ones(
    real_data: Path, starter_photos: PhotoEncoder, starter_texts: SentenceEncoder
) -> None:
    catalog = read_catalog(real_data / "flipkart" / "listings.csv")
    listings = [one for one in catalog.listings if one.image is not None][:36]
    kept, others = listings[:12], listings[12:]
    edited = [encode_jpeg(Image.open(Path(str(one.image))).convert("RGB"), 70) for one in kept]
    copies = [
        Listing(
            f"copy {n}", one.title, others[n].image, more_images=(others[n + 12].image, edited[n])
        )  # type: ignore[arg-type]
        for n, one in enumerate(kept)
    ]
    embedder = Embedder(starter_photos, starter_texts)
    result = match_listings(embedder.embed([*kept, *copies], description=False))
    found = {
        (pair.a.listing_id, pair.b.listing_id): pair for pair in result.pairs if pair.mergeable
    }
    expected = {(one.listing_id, f"copy {n}") for n, one in enumerate(kept)}
    assert len(expected & found.keys()) >= 11
    assert {found[key].photos for key in expected & found.keys()} == {(1, 3)}
