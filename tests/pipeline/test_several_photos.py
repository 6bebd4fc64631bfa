"""A listing's further photos in its verdict: counted, compared, and never in the way."""

from collections.abc import Callable
from pathlib import Path

import pytest
from shelfsure.catalog.catalog import Catalog, read_catalog
from shelfsure.catalog.listing import Listing
from shelfsure.core.cache import EmbeddingCache
from shelfsure.embedding.embedder import Embedder
from shelfsure.pipeline.batch import judge
from shelfsure.pipeline.pipeline import ListingPipeline
from shelfsure.pipeline.verdict import Verdict
from shelfsure.pipeline.verdict_file import JudgedRow, read_rows, write_rows


@pytest.fixture
def photos(tiny_folder: Path) -> Callable[[int], Path]:
    return lambda number: tiny_folder / f"photos/{number}.png"


def alone(verdict: Verdict) -> Verdict:
    return verdict.model_copy(update={"listing_id": "x", "n_photos": 0, "further_photos": ()})


def test_further_photos_tell_and_change_nothing(
    tiny_trained: ListingPipeline, photos: Callable[[int], Path]
) -> None:
    lamp, rug = photos(0), photos(1)
    one = Listing("one", "lamp light", lamp)
    several = Listing("several", "lamp light", lamp, more_images=(photos(3), rug, photos(6)))
    plain, told = tiny_trained.predict([one, several], on_shift="ignore")
    assert plain.n_photos == 1
    assert plain.further_photos == ()
    assert told.n_photos == 4
    assert [guess.photo for guess in told.further_photos] == [2, 3, 4]
    assert [guess.category.split(" > ")[1] for guess in told.further_photos] == [
        "Lamps",
        "Rugs",
        "Lamps",
    ]
    assert told.reasons[: len(plain.reasons)] == plain.reasons
    [said] = told.reasons[len(plain.reasons) :]
    assert said.startswith("2 of 3 further photos look like Home > Lamps, as the main one does; ")
    assert "photo 3 looks like Home > Rugs (" in said
    assert alone(told).model_copy(update={"reasons": plain.reasons}) == alone(plain)


def test_a_broken_further_photo_rejects_nobody_and_is_named(
    tiny_trained: ListingPipeline, photos: Callable[[int], Path]
) -> None:
    more = (b"no photo", photos(0).with_name("lost.png"), photos(3))
    verdict = tiny_trained.predict([Listing("1", "lamp", photos(0), more_images=more)])[0]
    assert verdict.decision != "rejected"
    assert verdict.n_photos == 2
    assert [guess.photo for guess in verdict.further_photos] == [4]
    said = " ".join(verdict.reasons)
    assert "Photo 2 can't be used: photo: " in said
    assert "Photo 3 can't be used: " in said
    assert ".." not in said


@pytest.mark.parametrize("on_photo_error", ["reject", "title"])
def test_a_further_photo_stands_in_for_a_broken_main_one(
    tiny_trained: ListingPipeline, photos: Callable[[int], Path], on_photo_error: str
) -> None:
    broken = Listing("1", "lamp", b"no photo", more_images=(b"nor this", photos(0), photos(3)))
    whole = Listing("1", "lamp", photos(0), more_images=(photos(3),))
    found, expected = (
        tiny_trained.predict([one], on_photo_error=on_photo_error)[0]  # type: ignore[arg-type]
        for one in (broken, whole)
    )
    assert found.probability == expected.probability
    assert found.quality == expected.quality
    assert found.n_photos == expected.n_photos == 2
    assert [guess.photo for guess in found.further_photos] == [4]
    assert any(
        reason.startswith("Photo 3 stands in for the main one, which can't be used: photo: ")
        for reason in found.reasons
    )


def test_with_no_readable_photo_the_main_ones_reason_stays(tiny_trained: ListingPipeline) -> None:
    broken = [
        Listing("1", "lamp", b"no photo"),
        Listing("2", "lamp", b"no photo", more_images=(b"x",)),
    ]
    one, several = tiny_trained.predict(broken)
    assert one.decision == several.decision == "rejected"
    assert one.reasons == several.reasons
    by_title = tiny_trained.predict(broken, on_photo_error="title")
    assert by_title[0].reasons == by_title[1].reasons


def test_the_same_photo_again_counts_once(
    tiny_trained: ListingPipeline, photos: Callable[[int], Path]
) -> None:
    more = (photos(0).read_bytes(), photos(3), photos(3).read_bytes())
    verdict = tiny_trained.predict([Listing("1", "lamp", photos(0), more_images=more)])[0]
    assert verdict.n_photos == 2


def test_many_photos_are_cut_and_counted(
    tiny_trained: ListingPipeline, photos: Callable[[int], Path]
) -> None:
    listing = Listing("1", "lamp", photos(0), more_images=tuple(photos(n) for n in range(1, 40)))
    verdict = tiny_trained.predict([listing])[0]
    assert verdict.n_photos == 12
    assert "28 more photos: only the first 12 photos of a listing are looked at." in verdict.reasons


def test_one_photo_is_embedded_under_the_keys_it_had(
    fake_embedder: Callable[..., Embedder], photos: Callable[[int], Path], tmp_path: Path
) -> None:
    embedder = fake_embedder(EmbeddingCache(tmp_path))
    plain = embedder.embed([Listing("1", "lamp", photos(0)), Listing("2", None, photos(1))])
    assert plain.further is None
    n_encoded = embedder.photos.n_encoded  # type: ignore[attr-defined]
    both = embedder.embed([Listing("1", "lamp", photos(0), more_images=(photos(1),))])
    assert embedder.photos.n_encoded == n_encoded  # type: ignore[attr-defined]
    assert both.further is not None
    assert both.further.photo.array[0].tolist() == plain.photo.array[1].tolist()
    assert both.take([0, 0]).further.rows.tolist() == [0, 1]  # type: ignore[union-attr]


def test_a_file_and_its_listings_get_one_verdict_and_the_file_keeps_it(
    tiny_trained: ListingPipeline, tiny_folder: Path, tmp_path: Path
) -> None:
    table = tmp_path / "shop.csv"
    table.write_text(
        "id,title,image\n1,lamp light,photos/0.png|photos/bad.png|photos/1.png\n"
        '2,lamp,"[""photos/0.png"", ""photos/3.png""]"\n3,rug,photos/1.png\n'
    )
    catalog = read_catalog(table, image_root=tiny_folder)
    rows = judge(tiny_trained, catalog)
    assert [verdict.n_photos for _, verdict in rows] == [2, 2, 1]
    made = Catalog.from_listings(catalog.listings)
    assert [verdict for _, verdict in judge(tiny_trained, made)] == [verdict for _, verdict in rows]
    for suffix in (".csv", ".jsonl", ".parquet"):
        judged = [JudgedRow(row=row, verdict=verdict) for row, verdict in rows]
        write_rows(tmp_path / f"out{suffix}", judged)
        assert [row.verdict for row in read_rows(tmp_path / f"out{suffix}")] == [
            verdict for _, verdict in rows
        ]
