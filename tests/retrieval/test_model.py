"""A catalogue's memory saved, loaded and asked; drawn photos, fake encoders."""

import io
import json
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from shelfsure.catalog.catalog import Catalog, read_catalog
from shelfsure.catalog.listing import Listing, category_prefix
from shelfsure.core.config import Config, RetrievalConfig
from shelfsure.core.errors import BundleFingerprintError, ConfigError, IndexFingerprintError
from shelfsure.core.files import files_in
from shelfsure.embedding.embedder import Embedder
from shelfsure.embedding.grouping import Grouping
from shelfsure.embedding.listings import EmbeddedListings
from shelfsure.embedding.run_options import RunOptions
from shelfsure.embedding.training_data import TrainingData
from shelfsure.fusion.views import View
from shelfsure.pipeline.features import build_views
from shelfsure.pipeline.pipeline import ListingPipeline
from shelfsure.retrieval.duplicates.detail_memory import catalogue_details
from shelfsure.retrieval.duplicates.find import index_listings
from shelfsure.retrieval.fit import fit_retrieval
from shelfsure.retrieval.index.change import LOCK_FILES
from shelfsure.retrieval.index.snapshot import Hits, Snapshot
from shelfsure.retrieval.index.store import ListingIndex
from shelfsure.retrieval.model import N_CANDIDATES, RetrievalModel
from shelfsure.retrieval.storage import load_retrieval, save_retrieval, with_saved_index
from shelfsure.retrieval.zero_shot.alignment import Alignment
from shelfsure.retrieval.zero_shot.class_means import ClassMeans
from shelfsure.retrieval.zero_shot.joint_space import JointSpace, KnownCategories
from shelfsure.retrieval.zero_shot.load_space import fingerprints

MakeEmbedder = Callable[..., Embedder]
TRAINED = ("Home > Lamps", "Home > Rugs", "Toys > Kites")
TINY_CLIP = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 32, "patch_size": 16, "width": 64, "layers": 2, "head_width": 32},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}
PIXELS = {"size": 32, "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.4], "resize_mode": "squash"}


@dataclass(frozen=True)
class Kept:
    """A memory before and after a visit to the disk."""

    listings: Sequence[Listing]
    embedder: Embedder
    folder: Path
    saved: RetrievalModel
    loaded: RetrievalModel


def training_data(listings: Sequence[Listing], embedder: Embedder) -> TrainingData:
    """Two levels of the category path; those with fewer than five listings are left out."""
    embedded = embedder.embed(listings)
    categories = [category_prefix(x.category or "", 2) for x in listings]
    counts = Counter(categories)
    return TrainingData(
        embedded=embedded,
        views=build_views(embedded, {}),
        categories=categories,
        class_names=tuple(name for name, n in counts.items() if n >= 5),
        left_out={name: n for name, n in counts.items() if n < 5},
        grouping=Grouping(np.arange(len(listings)), np.arange(len(listings)), "duplicates"),
        groups=np.arange(len(listings)),
        folds=np.arange(len(listings)) % 5,
    )


def keep(
    listings: Sequence[Listing], embedder: Embedder, folder: Path, config: RetrievalConfig
) -> Kept:
    """Fit listings as training does; save and load."""
    retrieval = fit_retrieval(training_data(listings, embedder), embedder, config)
    folder.mkdir()
    known = fingerprints(embedder)
    save_retrieval(retrieval, folder, {"photo": known["photo"], "text": known["title"]})
    loaded = load_retrieval(files_in(folder), folder, embedder, config.image_text_space)
    return Kept(
        listings, embedder, folder, with_saved_index(retrieval, files_in(folder), folder), loaded
    )


@pytest.fixture(scope="module")
def listings(drawn_shop: Path) -> tuple[Listing, ...]:
    return read_catalog(drawn_shop / "catalogue.csv").listings


@pytest.fixture(scope="module")
def shop(
    listings: tuple[Listing, ...],
    naming_embedder: MakeEmbedder,
    tmp_path_factory: pytest.TempPathFactory,
) -> Kept:
    folder = tmp_path_factory.mktemp("memory") / "shop"
    return keep(listings, naming_embedder(), folder, RetrievalConfig(alpha=0.1))


@pytest.fixture(scope="module")
def uploads(listings: tuple[Listing, ...]) -> list[Listing]:
    """A copy of the first listing, and others with a photo or a title only, or neither."""
    return [
        replace(listings[0], listing_id="copy"),
        Listing("photo", image=listings[1].image),
        Listing("title", "hammocks hanging Brand3 X5"),
        Listing("neither"),
    ]


def duplicates_of(model: RetrievalModel, embedded: EmbeddedListings) -> dict:
    return model.duplicates(embedded, RunOptions(), model.neighbours(embedded).by_photo)


def neighbours_of(kept: Kept, asked: list[Listing]) -> list:
    """What a verdict would show: `query`, the listing itself left out."""
    embedded = kept.embedder.embed(asked)
    columns = np.zeros(len(asked), dtype=int)
    found = kept.loaded.query(embedded, build_views(embedded, {}), columns, TRAINED, alpha=0.1)
    return [each.neighbours for each in found]


def same_answers(one: RetrievalModel, other: RetrievalModel, kept: Kept, asked: list) -> None:
    embedded = kept.embedder.embed(asked)
    views, columns = build_views(embedded, {}), np.zeros(len(asked), dtype=int)
    np.testing.assert_allclose(one.p_values(views, columns), other.p_values(views, columns))
    assert one.unseen(embedded, TRAINED) == other.unseen(embedded, TRAINED)
    assert one.neighbours(embedded).everywhere == other.neighbours(embedded).everywhere
    pairs = (duplicates_of(m, embedded) for m in (one, other))
    assert next(pairs) == next(pairs)


def test_load_gives_the_same_answers(shop: Kept, uploads: list[Listing]) -> None:
    assert shop.loaded.names == (*TRAINED, "Garden > Hammocks")
    assert shop.loaded.pair_model == shop.saved.pair_model
    same_answers(shop.saved, shop.loaded, shop, uploads)


def with_joint(kept: Kept) -> RetrievalModel:
    """The shop's memory with a joint space of its listings, as if it had gained by it."""
    embedded = kept.embedder.embed(kept.listings, description=False)
    both = embedded.photo.present & embedded.title.present
    photos, titles = embedded.photo.array[both], embedded.title.array[both]
    alignment = Alignment.fit(photos, titles)
    names = sorted({category_prefix(x.category or "", 2) for x in kept.listings} & set(TRAINED))
    paths = np.array([category_prefix(x.category or "", 2) for x in kept.listings])[both]
    rows = np.isin(paths, names)
    own = np.searchsorted(names, paths[rows])
    known = KnownCategories(
        tuple(names),
        ClassMeans.fit(alignment.photo_points(photos[rows]), own),
        ClassMeans.fit(alignment.title_points(titles[rows]), own),
        {"photo": (15.0, 2.0), "title": (20.0, 2.0), "both": (12.0, 16.0, 2.0)},
    )
    similarities = alignment.similarity(photos, titles)
    joint = JointSpace(alignment, similarities, np.ones_like(similarities), known)
    return replace(kept.loaded, joint=joint)


def test_save_and_load_keep_the_joint_space(
    shop: Kept, uploads: list[Listing], tmp_path: Path
) -> None:
    model = with_joint(shop)
    save_retrieval(model, tmp_path, {})
    again = load_retrieval(files_in(tmp_path), tmp_path, shop.embedder, "conse")
    assert again
    embedded = shop.embedder.embed(uploads)
    found = again.name_probabilities(embedded)
    np.testing.assert_allclose(found, model.name_probabilities(embedded), atol=1e-6)
    assert not np.allclose(found, shop.loaded.name_probabilities(embedded))
    added = again.with_categories(["Garden > Hoses"])
    assert added.name_probabilities(embedded).shape == (4, 5)
    columns = np.zeros(4, int)
    asked = (embedded, build_views(embedded, {}), columns, TRAINED)
    pairs = [each.pair_p_value for each in again.query(*asked, alpha=0.1)]
    assert np.isnan(pairs).tolist() == [False, True, True, True]
    plain = [each.pair_p_value for each in shop.loaded.query(*asked, alpha=0.1)]
    assert np.isnan(plain).all()


def test_save_of_a_loaded_memory_keeps_the_index(
    shop: Kept, uploads: list[Listing], tmp_path: Path
) -> None:
    save_retrieval(shop.loaded, tmp_path, {})
    again = load_retrieval(files_in(tmp_path), tmp_path, shop.embedder, "conse")
    same_answers(again, shop.loaded, shop, uploads)


def test_save_leaves_out_what_only_a_writer_needs(shop: Kept, tmp_path: Path) -> None:
    assert set(LOCK_FILES) == {".lock", ".writer.pid"}
    changed, bundle = tmp_path / "changed", tmp_path / "bundle"
    shutil.copytree(shop.folder / "index", changed)
    index = ListingIndex.open(changed)
    assert index.remove(["s00"]) == 1
    assert {path.name for path in changed.rglob("*")} & set(LOCK_FILES)
    bundle.mkdir()
    save_retrieval(replace(shop.loaded, index=index), bundle, {})
    for folder in (shop.folder, bundle):
        names = {path.name for path in (folder / "index").rglob("*")}
        assert names
        assert not names & set(LOCK_FILES)


def test_load_refuses_other_encoders(
    shop: Kept, naming_embedder: MakeEmbedder, tmp_path: Path
) -> None:
    other = naming_embedder()
    other.texts.fingerprint = "others"
    with pytest.raises(BundleFingerprintError, match="image-text space"):
        load_retrieval(files_in(shop.folder), shop.folder, other, "conse")
    save_retrieval(replace(shop.loaded, space=None, zero_shot=None), tmp_path, {})
    with pytest.raises(IndexFingerprintError, match="title"):
        load_retrieval(files_in(tmp_path), tmp_path, other, "conse")


def test_p_values_call_a_stranger_strange(
    shop: Kept, listings: tuple[Listing, ...], drawn_shop: Path
) -> None:
    strangers = [Listing(str(i), "fire engine", drawn_shop / f"outside/noise {i:02d}.png")
                 for i in (3, 4)]  # fmt: skip
    views = build_views(shop.embedder.embed([*strangers, *listings[:42]]), {})
    p_values = shop.loaded.p_values(views, np.zeros(44, dtype=int))
    assert (p_values[:2] <= 0.1).all()
    assert (p_values[2:] <= 0.1).mean() < 0.2


def test_p_values_are_unknown_without_a_gate_or_a_view_it_knows(
    shop: Kept, uploads: list[Listing]
) -> None:
    views = build_views(shop.embedder.embed(uploads), {})
    columns = np.zeros(4, dtype=int)
    known = np.isfinite(shop.loaded.p_values(views, columns))
    assert known.tolist() == [True, True, True, False]
    assert np.isnan(replace(shop.loaded, ood_detector=None).p_values(views, columns)).all()
    words = build_views(shop.embedder.embed([Listing("words", description="of no use")]), {})
    assert np.isnan(shop.loaded.p_values(words, columns[:1])).all()


def test_p_values_can_be_kept_by_category(
    listings: tuple[Listing, ...], naming_embedder: MakeEmbedder, tmp_path: Path
) -> None:
    config = Config(
        levels=2, min_examples=5, retrieval=RetrievalConfig(alpha=0.1, per_category=True)
    )
    pipeline = ListingPipeline.fit(
        Catalog.from_listings(listings), config, embedder=naming_embedder()
    )
    retrieval = pipeline.retrieval
    assert retrieval is not None
    assert retrieval.ood_detector is not None
    assert retrieval.ood_detector.per_category
    # calibrated by the pipeline's own columns, those of trained categories first
    known = retrieval.ood_detector.calibration[frozenset({"photo"})].categories
    columns = [(*TRAINED, "Garden > Hammocks").index(x.category or "") for x in listings]
    assert known.tolist() == columns
    views = pipeline.views(pipeline.embedder.embed(listings))
    asked = (np.full(len(listings), column) for column in (0, 1))
    assert not np.allclose(*(retrieval.p_values(views, columns) for columns in asked))
    verdicts = pipeline.predict(listings[:6])
    assert [v.category for v in verdicts] == [x.category for x in listings[:6]]


def test_unseen_names_only_categories_without_an_expert(shop: Kept, uploads: list[Listing]) -> None:
    asked = [Listing("lamp", "lamps glow"), uploads[2], Listing("neither")]
    embedded = shop.embedder.embed(asked)
    lamp, hammock, neither = shop.loaded.unseen(embedded, TRAINED)
    assert lamp is not None
    assert hammock is not None
    assert neither is not None
    assert {name for name, _ in (lamp, hammock, neither)} == {"Garden > Hammocks"}
    assert hammock[1] > 0.9 > 0.1 > lamp[1]
    assert neither[1] == pytest.approx(0.25)
    assert shop.loaded.unseen(embedded, shop.loaded.names) == [None] * 3
    without = replace(shop.loaded, zero_shot=None)
    assert without.names == ()
    assert without.unseen(embedded, TRAINED) == [None] * 3


def test_in_text_space_needs_a_joint_space(shop: Kept, uploads: list[Listing]) -> None:
    with pytest.raises(ConfigError, match="image-text space"):
        replace(shop.loaded, space=None).in_text_space(shop.embedder.embed(uploads))


def test_neighbours_leave_the_listing_itself_out(
    shop: Kept, listings: tuple[Listing, ...], uploads: list[Listing]
) -> None:
    asked = [listings[0], *uploads]
    itself, copy, photo, title, neither = neighbours_of(shop, asked)
    assert "s00" not in {near.listing_id for near in itself}
    assert (copy[0].listing_id, copy[0].similarity) == ("s00", pytest.approx(1, abs=1e-5))
    assert [near.listing_id for near in itself] == [n.listing_id for n in copy[1:]]
    assert (photo[0].listing_id, photo[0].category) == ("s01", "Home > Rugs")
    assert {near.listing_id for near in title[:2]} == {"s42", "s43"}
    assert neither == []
    for row in (itself, copy, photo, title):
        similarities = [near.similarity for near in row]
        assert similarities == sorted(similarities, reverse=True)


def test_query_searches_once_and_finds_what_each_search_alone_would(
    shop: Kept,
    listings: tuple[Listing, ...],
    uploads: list[Listing],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = [*listings[:20], *uploads]
    embedded, index = shop.embedder.embed(asked), shop.loaded.index
    assert index is not None
    photos = {"photo": embedded.photo}
    near = index.search({**photos, "title": embedded.title}, N_CANDIDATES)
    copies = shop.loaded.duplicates(embedded, RunOptions(), index.search(photos, N_CANDIDATES))
    searches: list[str] = []
    nearest_in = Snapshot.nearest_in

    def counted(self: Snapshot, space: str, view: View, k: int) -> Hits:
        searches.append(space)
        return nearest_in(self, space, view, k)

    monkeypatch.setattr(Snapshot, "nearest_in", counted)
    views, columns = build_views(embedded, {}), np.zeros(len(asked), dtype=int)
    found = shop.loaded.query(embedded, views, columns, TRAINED, alpha=0.1, options=RunOptions())
    assert sorted(searches) == ["photo", "title"]
    for listing, expected, result in zip(asked, near, found, strict=True):
        assert result.neighbours == [n for n in expected if n.listing_id != listing.listing_id]
    assert {row: each.duplicates for row, each in enumerate(found) if each.duplicates} == copies
    assert [pair.b.listing_id for pair in copies[20]] == ["s00"]


def jpeg(photo: Image.Image, quality: int = 70) -> bytes:
    buffer = io.BytesIO()
    photo.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def test_duplicates_finds_copies_and_only_copies(
    shop: Kept, listings: tuple[Listing, ...], drawn_shop: Path
) -> None:
    original = Image.open(drawn_shop / "photos/7.png")
    asked = [
        listings[7],
        replace(listings[7], listing_id="bytes"),
        replace(listings[7], listing_id="jpeg", image=jpeg(original.resize((256, 224)))),
        replace(listings[7], listing_id="crop", image=jpeg(original.crop((16, 14, 304, 266)), 90)),
        replace(listings[7], listing_id="size", title=f"{listings[7].title} Size XL Pack of 2"),
        Listing("noise", image=drawn_shop / "outside/noise 03.png"),
        Listing("title", listings[7].title),
        Listing("broken", listings[7].title, b"no photo"),
    ]
    embedded = shop.embedder.embed(asked)
    found = duplicates_of(shop.loaded, embedded)
    assert {
        asked[row].listing_id: [(p.b.listing_id, p.verdict) for p in pairs]
        for row, pairs in found.items()
    } == {
        "bytes": [("s07", "same_photo")],
        "jpeg": [("s07", "same_product")],
        "crop": [("s07", "same_product")],
        "size": [("s07", "variant")],
        "title": [("s07", "variant")],  # the same words, and no photo to tell
    }


def test_duplicates_know_photos_that_are_gone_by_their_bytes_or_by_what_was_kept_of_them(
    listings: tuple[Listing, ...], naming_embedder: MakeEmbedder, drawn_shop: Path, tmp_path: Path
) -> None:
    shutil.copytree(drawn_shop / "photos", tmp_path / "photos")
    here = [replace(x, image=tmp_path / "photos" / Path(str(x.image)).name) for x in listings[:12]]
    kept = keep(here, naming_embedder(), tmp_path / "shop", RetrievalConfig())
    uploads = [replace(x, listing_id=f"u{i}", image=Path(str(x.image)).read_bytes())
               for i, x in enumerate(here)]  # fmt: skip
    longer = [replace(x, image=bytes(x.image or b"") + b"\0") for x in uploads]  # other bytes
    embedded, again = kept.embedder.embed(uploads), kept.embedder.embed(longer)
    catalogue_details.cache_clear()
    (tmp_path / "photos/3.png").unlink()
    (tmp_path / "photos/4.png").write_bytes(b"no photo")
    assert sorted(duplicates_of(kept.loaded, embedded)) == list(range(12))
    found = duplicates_of(kept.loaded, again)
    assert sorted(found) == [0, 1, 2, *range(5, 12)]
    shutil.rmtree(tmp_path / "photos")
    assert sorted(duplicates_of(kept.loaded, embedded)) == list(range(12))
    assert sorted(duplicates_of(kept.loaded, again)) == [0, 1, 2, *range(5, 12)]
    catalogue_details.cache_clear()
    assert duplicates_of(kept.loaded, again) == {}
    assert [row[0].listing_id for row in kept.loaded.neighbours(embedded).everywhere] == [
        f"s{i:02d}" for i in range(12)
    ]


@pytest.mark.parametrize("part", ["photo", "title"])
def test_a_catalogue_of_one_kind_of_evidence_works(
    listings: tuple[Listing, ...],
    uploads: list[Listing],
    naming_embedder: MakeEmbedder,
    tmp_path: Path,
    part: str,
) -> None:
    other = {"photo": "title", "title": "image"}[part]
    poor = [replace(x, **{other: None}) for x in listings]
    kept = keep(poor, naming_embedder(), tmp_path / "shop", RetrievalConfig())
    assert kept.loaded.index is not None
    assert set(kept.loaded.index.info().spaces) == {part}
    embedded = kept.embedder.embed(uploads)
    copied = kept.loaded.neighbours(embedded).everywhere
    assert copied[0][0].listing_id == "s00"
    has_it = [bool(getattr(x, {"photo": "image", "title": "title"}[part])) for x in uploads]
    assert [bool(row) for row in copied] == has_it
    p_values = kept.loaded.p_values(build_views(embedded, {}), np.zeros(4, dtype=int))
    assert np.isfinite(p_values).tolist() == has_it
    duplicates = duplicates_of(kept.loaded, embedded)
    assert sorted(duplicates) == ([0, 1] if part == "photo" else [])
    same_answers(kept.saved, kept.loaded, kept, uploads)


def test_a_memory_without_an_index_knows_no_neighbours(
    listings: tuple[Listing, ...], uploads: list[Listing], naming_embedder: MakeEmbedder,
    tmp_path: Path,
) -> None:  # fmt: skip
    kept = keep(listings, naming_embedder(), tmp_path / "shop", RetrievalConfig(index=False))
    assert not (kept.folder / "index").exists()
    embedded = kept.embedder.embed(uploads)
    assert kept.loaded.neighbours(embedded).everywhere == [[]] * 4
    assert duplicates_of(kept.loaded, embedded) == {}
    same_answers(kept.saved, kept.loaded, kept, uploads)


def test_index_listings_gives_listings_back(shop: Kept, listings: tuple[Listing, ...]) -> None:
    assert shop.loaded.index is not None
    held = index_listings(shop.loaded.index)
    embedded = shop.embedder.embed(listings)
    rows = {x.listing_id: row for row, x in enumerate(held.listings)}
    order = [rows[x.listing_id] for x in listings]
    assert [held.listings[row].title for row in order] == [x.title for x in listings]
    assert [held.photo_hashes[row] for row in order] == embedded.photo_hashes
    np.testing.assert_allclose(held.photo_vectors(order), embedded.photo.features, atol=1e-6)


def save_random_clip(folder: Path, seed: int) -> str:
    import open_clip
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(seed)
    model = open_clip.CLIP(**TINY_CLIP)
    folder.mkdir(exist_ok=True)
    config = {"model_cfg": TINY_CLIP, "preprocess_cfg": PIXELS}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    return f"local-dir:{folder}"


def test_a_clip_model_can_be_the_joint_space(
    listings: tuple[Listing, ...], uploads: list[Listing], fake_embedder: MakeEmbedder,
    tmp_path: Path,
) -> None:  # fmt: skip
    config = RetrievalConfig(image_text_space=save_random_clip(tmp_path / "clip", seed=0))
    kept = keep(listings, fake_embedder(), tmp_path / "shop", config)
    photos, titles = kept.loaded.in_text_space(kept.embedder.embed(uploads))
    assert photos.shape == titles.shape == (4, 24)
    assert photos.any(axis=1).tolist() == [True, True, False, False]
    assert titles.any(axis=1).tolist() == [True, False, True, False]
    same_answers(kept.saved, kept.loaded, kept, uploads)
    save_random_clip(tmp_path / "clip", seed=1)  # other weights under the same name
    with pytest.raises(BundleFingerprintError, match=r"image-text space .*clip loads"):
        load_retrieval(files_in(kept.folder), kept.folder, kept.embedder, config.image_text_space)
