import io
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shelfsure.embedding.encoding as encoding
import shelfsure.embedding.reading_ahead as reading_ahead
import timm
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from shelfsure.catalog.catalog import Catalog
from shelfsure.catalog.listing import Listing
from shelfsure.core.cache import EmbeddingCache
from shelfsure.core.config import Config, ImageConfig
from shelfsure.core.errors import ConfigError, UnreadablePhotoError, WeightsError
from shelfsure.embedding.embedder import Embedder, load_embedder
from shelfsure.embedding.listings import EmbeddedListings
from shelfsure.embedding.run_options import RunOptions
from shelfsure.vision.encoder import PhotoEncoder
from shelfsure.vision.load import PhotoLimits, decode_photo
from shelfsure.vision.quality import SIDE_PX, assess_photo, is_measurable
from timm.models import save_for_hf

MakeEmbedder = Callable[..., Embedder]


def photo(seed: int, kind: str = "PNG", side_px: int = 16) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (side_px, side_px, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def listings_of(images: Sequence[bytes | None]) -> list[Listing]:
    return [Listing(str(i), f"title {i}", image) for i, image in enumerate(images)]


def assert_equal(one: EmbeddedListings, other: EmbeddedListings) -> None:
    for name in ("photo", "title", "description"):
        a, b = getattr(one, name), getattr(other, name)
        np.testing.assert_array_equal(a.features, b.features)
        np.testing.assert_array_equal(a.present, b.present)
    assert one.photo_hashes == other.photo_hashes


@pytest.mark.parametrize("cached", [False, True])
def test_embed_keeps_the_order(fake_embedder: MakeEmbedder, tmp_path: Path, cached: bool) -> None:
    images = [photo(i) if i % 3 else None for i in range(100)]
    embedder = fake_embedder(EmbeddingCache(tmp_path) if cached else None)
    embedded = embedder.embed(listings_of(images))
    assert embedded.photo.present.tolist() == [image is not None for image in images]
    assert embedded.title.present.all()
    assert not embedded.description.present.any()
    assert embedded.titles[7] == "title 7"
    for row in (1, 50, 97):
        decoded = embedder.photos.decode(images[row], PhotoLimits())
        square = embedder.photos.prepare(decoded)
        np.testing.assert_allclose(
            embedded.photo.features[row], embedder.photos.encode([square])[0], atol=1e-6
        )
        np.testing.assert_allclose(
            embedded.title.features[row], embedder.texts.encode([f"title {row}"])[0], atol=1e-6
        )
    assert not embedded.photo.features[0].any()


@settings(max_examples=10, deadline=None)
@given(order=st.permutations(range(12)))
def test_embed_moves_rows_with_their_listings(
    fake_embedder: MakeEmbedder, order: list[int]
) -> None:
    listings = listings_of([photo(i) if i % 4 else None for i in range(12)])
    plain = fake_embedder().embed(listings)
    moved = fake_embedder().embed([listings[i] for i in order])
    assert_equal(plain.take(order), moved)


def test_embed_of_nothing_is_empty(fake_embedder: MakeEmbedder, tmp_path: Path) -> None:
    embedded = fake_embedder(EmbeddingCache(tmp_path)).embed([])
    assert embedded.photo.features.shape == (0, 192)
    assert embedded.title.features.shape == (0, 48)


def test_embed_encodes_equal_photos_and_texts_once(
    fake_embedder: MakeEmbedder, tmp_path: Path
) -> None:
    (tmp_path / "a.png").write_bytes(photo(1))
    embedder = fake_embedder()
    same = [
        Listing(str(i), "A  towel", image)
        for i, image in enumerate([photo(1), tmp_path / "a.png", str(tmp_path / "a.png"), photo(2)])
    ]
    embedded = embedder.embed([*same, Listing("x", "A towel&nbsp;")])
    assert embedder.photos.n_decoded == embedder.photos.n_encoded == 2
    assert embedder.texts.encoded == ["A towel"]
    assert len(set(embedded.photo_hashes[:3])) == 1
    np.testing.assert_array_equal(embedded.photo.features[0], embedded.photo.features[2])


def test_embed_asks_the_cache_the_second_time(fake_embedder: MakeEmbedder, tmp_path: Path) -> None:
    listings = listings_of([photo(i) for i in range(40)])
    first = fake_embedder(EmbeddingCache(tmp_path)).embed(listings)
    again = fake_embedder(EmbeddingCache(tmp_path))
    assert_equal(again.embed(listings), first)
    assert again.photos.n_decoded == again.photos.n_encoded == 0
    assert again.texts.encoded == []


def test_embed_doesnt_share_the_cache_between_encoders(
    fake_embedder: MakeEmbedder, tmp_path: Path
) -> None:
    cache = EmbeddingCache(tmp_path)
    fake_embedder(cache).embed(listings_of([photo(1)]))
    other = fake_embedder(cache)
    other.photos.fingerprint = other.texts.fingerprint = "other"
    other.embed(listings_of([photo(1)]))
    assert other.photos.n_encoded == len(other.texts.encoded) == 1


def test_embed_survives_bad_photos(fake_embedder: MakeEmbedder, tmp_path: Path) -> None:
    images = [photo(0), b"no photo", b"", photo(3), b"no photo", photo(5, "JPEG")[:-400]]
    listings = [*listings_of(images), Listing("gone", "t", tmp_path / "gone.png")]
    embedded = fake_embedder(EmbeddingCache(tmp_path)).embed(listings)
    assert sorted(embedded.problems) == [1, 2, 4, 5, 6]
    assert "0 bytes" in embedded.problems[2]
    assert "ends early" in embedded.problems[5]
    assert "gone.png" in embedded.problems[6]
    assert embedded.photo.present.tolist() == [True, False, False, True, False, False, False]
    assert embedded.title.present.all()


def test_embed_doesnt_share_the_cache_between_limits(
    fake_embedder: MakeEmbedder, tmp_path: Path
) -> None:
    """What a lenient run let in must not slip past a strict one."""
    cache = EmbeddingCache(tmp_path)
    cut = [Listing("cut", image=photo(1, "JPEG", 64)[:-500])]
    lenient = fake_embedder(cache, PhotoLimits(allow_truncated=True))
    assert lenient.embed(cut).photo.present.all()
    assert fake_embedder(cache).embed(cut).problems.keys() == {0}
    large = [Listing("large", image=photo(2, "PNG", 64))]
    assert fake_embedder(cache).embed(large).photo.present.all()
    assert fake_embedder(cache, PhotoLimits(max_pixels=100)).embed(large).problems.keys() == {0}


def test_embed_keeps_what_was_done_before_ctrl_c(
    fake_embedder: MakeEmbedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoding, "BATCH", 10)
    monkeypatch.setattr(reading_ahead, "LOOKAHEAD", 4)
    listings = listings_of([photo(i) for i in range(200)])
    cache = EmbeddingCache(tmp_path)
    interrupted = fake_embedder(cache)
    encode, calls = interrupted.photos.encode, count(1)

    def until_ctrl_c(items: Sequence[Any]) -> Any:
        if next(calls) > 3:
            raise KeyboardInterrupt
        return encode(items)

    interrupted.photos.encode = until_ctrl_c  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        interrupted.embed(listings)
    assert cache.info().n_vectors == 30
    assert interrupted.photos.n_decoded < 60  # no more is decoded than was under way
    second = fake_embedder(cache)
    finished = second.embed(listings)
    assert second.photos.n_encoded == 170
    assert_equal(finished, fake_embedder().embed(listings))


def test_embed_leaves_photos_undecoded_after_ctrl_c(
    fake_embedder: MakeEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Photos that wait for a thread are given up, so that Ctrl-C answers at once."""
    monkeypatch.setattr(encoding, "BATCH", 1)
    embedder = fake_embedder()
    decode = embedder.photos.decode

    def slowly(source: Any, limits: PhotoLimits) -> Any:
        time.sleep(0.02)
        return decode(source, limits)

    def ctrl_c(items: Sequence[Any]) -> Any:
        raise KeyboardInterrupt

    embedder.photos.decode = slowly  # type: ignore[method-assign]
    embedder.photos.encode = ctrl_c  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        embedder.embed(listings_of([photo(i) for i in range(80)]))
    assert embedder.photos.n_decoded < 30


def test_embed_decodes_a_bounded_number_ahead(
    fake_embedder: MakeEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoding, "BATCH", 8)
    monkeypatch.setattr(reading_ahead, "LOOKAHEAD", 4)
    embedder, ahead = fake_embedder(), []
    encode = embedder.photos.encode

    def watched(items: Sequence[Any]) -> Any:
        ahead.append(embedder.photos.n_decoded - embedder.photos.n_encoded)
        return encode(items)

    embedder.photos.encode = watched  # type: ignore[method-assign]
    embedder.embed(listings_of([photo(i) for i in range(100)]))
    assert len(ahead) == 13
    assert max(ahead) <= 8 + 4 + 1


def test_embed_can_leave_the_description_out(fake_embedder: MakeEmbedder) -> None:
    listing = Listing("1", "a title", description="a description")
    assert fake_embedder().embed([listing]).description.present.all()
    assert not fake_embedder().embed([listing], description=False).description.present.any()


def test_embed_measures_quality_where_asked(fake_embedder: MakeEmbedder) -> None:
    small, large = photo(1, "JPEG", 90), photo(2, "JPEG", 400)
    listings = listings_of([small, None, b"bad", large, small])
    assert not fake_embedder().embed(listings).quality
    embedder = fake_embedder()
    embedded = embedder.embed(listings, quality=True)
    assert sorted(embedded.quality) == [0, 3, 4]
    assert embedded.quality[3].longer_side_px == 400
    resolution = [
        [f for f in embedded.flags(row) if f.flag == "low_resolution"] for row in range(5)
    ]
    assert [len(flags) for flags in resolution] == [1, 0, 0, 0, 1]
    assert resolution[0][0].value == 90
    assert embedder.photos.n_decoded == 3  # the bad one too, equal ones once
    assert sorted(embedded.take([3, 1]).quality) == [0]


def test_embed_measures_quality_on_enough_pixels(fake_embedder: MakeEmbedder) -> None:
    """The fake encoder decodes JPEGs to a few pixels, where nothing could be seen."""
    data = photo(3, "JPEG", 640)
    embedder = fake_embedder()
    assert not is_measurable(embedder.photos.decode(data, PhotoLimits()))
    embedded = embedder.embed(listings_of([data]), quality=True)
    fine = decode_photo(data, min_side_px=SIDE_PX, longer_side=True)
    np.testing.assert_array_equal(embedded.quality[0].row, assess_photo(fine).row)


def test_embed_remembers_quality(fake_embedder: MakeEmbedder, tmp_path: Path) -> None:
    """What training embedded is only measured; what was measured isn't even decoded."""
    cache, data = EmbeddingCache(tmp_path / "cache"), tmp_path / "a.jpg"
    data.write_bytes(photo(4, "JPEG", 90))
    listings = [Listing("a", image=data), *listings_of([photo(5)])]
    fake_embedder(cache).embed(listings)
    second, third = fake_embedder(cache), fake_embedder(cache)
    measured = second.embed(listings, quality=True)
    assert (second.photos.n_decoded, second.photos.n_encoded) == (2, 0)
    again = third.embed(listings, quality=True)
    assert (third.photos.n_decoded, third.photos.n_encoded) == (0, 0)
    assert again.quality == measured.quality
    assert_equal(again, measured)


def test_embed_needs_no_quality_of_a_photo_that_is_gone(
    fake_embedder: MakeEmbedder, tmp_path: Path
) -> None:
    cache, listings = EmbeddingCache(tmp_path), listings_of([photo(6)])
    fake_embedder(cache).embed(listings)
    later = fake_embedder(cache)

    def gone(source: Any, limits: PhotoLimits) -> Any:
        raise UnreadablePhotoError("gone")

    later.photos.decode = gone  # type: ignore[method-assign]
    embedded = later.embed(listings, quality=True)
    assert embedded.photo.present.all()
    assert not embedded.problems
    assert not embedded.quality


def test_embed_catalog_rejects_only_the_bad_rows(fake_embedder: MakeEmbedder) -> None:
    catalog = Catalog.from_listings(listings_of([photo(0), b"bad", photo(2)]))
    good, kept = fake_embedder().embed_catalog(catalog)
    assert [listing.listing_id for listing in good.listings] == ["0", "2"]
    assert kept.titles == ["title 0", "title 2"]
    assert kept.photo.present.tolist() == [True, True]
    assert [(row.row, row.kind) for row in good.rejected] == [(2, "unusable photo")]


def test_embed_catalog_lets_bad_photos_go_where_titles_shall_do(
    fake_embedder: MakeEmbedder,
) -> None:
    catalog = Catalog.from_listings(
        [*listings_of([photo(0), b"bad"]), Listing("untitled", image=b"bad")]
    )
    good, kept = fake_embedder().embed_catalog(replace(catalog, on_photo_error="title"))
    assert [(listing.listing_id, listing.image) for listing in good.listings] == [
        ("0", photo(0)),
        ("1", None),
    ]
    assert kept.photo.present.tolist() == [True, False]
    assert kept.photo_hashes[1] is None
    assert [listing.image for listing in kept.listings] == [photo(0), None]
    assert list(good.photo_problems) == [2]
    assert good.photo_problems[2].startswith("unusable photo: ")
    assert [(row.row, row.kind) for row in good.rejected] == [(3, "unusable photo")]


@pytest.mark.parametrize(
    ("device", "weights", "error"),
    [("toaster", "starter", ConfigError), ("cpu", "no_such_model.x", WeightsError)],
)
def test_load_embedder_refuses_what_isnt_there(
    device: str, weights: str, error: type[Exception]
) -> None:
    with pytest.raises(error, match=r"toaster|no_such_model"):
        load_embedder(Config(image=ImageConfig(weights=weights)), RunOptions(device=device))


def test_settle_leaves_encoders_of_others_alone(fake_embedder: MakeEmbedder) -> None:
    fake_embedder().select_runtime()


def test_a_runtime_is_no_other_encoder(tmp_path: Path) -> None:
    """In float32 what was embedded by one is used by another: cache, bundles, indexes."""
    save_for_hf(timm.create_model("test_efficientnet.r160_in1k"), tmp_path, safe_serialization=True)
    one, other = (
        PhotoEncoder.load(
            f"local-dir:{tmp_path}",
            side_px=64,
            crop_mode="squash",
            device="cpu",
            runtime=runtime,
        )
        for runtime in ("torch", "openvino")
    )
    assert (one.engine.name, other.engine.name) == ("torch", "openvino")
    assert one.fingerprint == other.fingerprint
    squares = [one.prepare(one.decode(photo(seed, side_px=80), PhotoLimits())) for seed in range(5)]
    np.testing.assert_allclose(other.encode(squares), one.encode(squares), atol=1e-5)


def test_load_embedder_refuses_a_runtime_that_precision_rules_out() -> None:
    with pytest.raises(ConfigError, match="auto or torch, not openvino"):
        load_embedder(
            Config(image=ImageConfig(precision="bfloat16")),
            RunOptions(device="cpu", runtime="openvino"),
        )
