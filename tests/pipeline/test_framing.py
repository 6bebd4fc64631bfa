"""``crop_mode: auto``: the middle of photos taken by phone, the whole of those that fill it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from shelfsure.catalog.catalog import Catalog, read_catalog
from shelfsure.catalog.listing import Listing
from shelfsure.core.config import Config
from shelfsure.embedding.photos import PhotoRows
from shelfsure.embedding.run_options import RunOptions
from shelfsure.fusion.views import View
from shelfsure.pipeline import framing
from shelfsure.pipeline.framing import with_framing

OPTIONS = RunOptions(device="cpu", runtime="torch")
N_CATEGORIES, N_SESSIONS, SIZE, DIM = 8, 8, 6, 32


class Photos:
    """Stands in for the encoder: what a photo's number looks like in each framing."""

    def __init__(self, rng: np.random.Generator, apart: float, center_apart: float) -> None:
        category = np.repeat(np.arange(N_CATEGORIES), N_SESSIONS * SIZE)
        session = np.repeat(np.arange(N_CATEGORIES * N_SESSIONS), SIZE)
        centres, looks = rng.normal(size=(N_CATEGORIES, DIM)), rng.normal(size=(len(session), DIM))
        noise = rng.normal(size=(len(category), DIM))
        self.looks = {
            mode: centres[category] + size * looks[session] + 0.6 * noise
            for mode, size in (("border", apart), ("center", center_apart))
        }
        self.catalog = Catalog.from_listings(
            [
                Listing(str(row), image=str(row).encode(), category=f"category {own}")
                for row, own in enumerate(category)
            ],
            need_category=True,
        )
        self.asked: list[str] = []

    def embed(self, listings: Sequence[Listing], config: Config, _: RunOptions) -> PhotoRows:
        mode = str(config.image.crop_mode)
        self.asked.append(mode)
        rows = [int(listing.image or b"") for listing in listings]
        features = self.looks[mode][rows]
        features = (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32)
        there = np.array([row != 3 for row in rows], dtype=bool)  # that one can't be read
        view = View(np.where(there[:, None], features, 0), there)
        return PhotoRows(view, [f"hash {row}" for row in rows], {}, {})


@pytest.mark.parametrize(
    ("apart", "center_apart", "chosen", "asked"),
    [
        (1.6, 0.9, "center", ["border", "center"]),
        (1.6, 2.2, "border", ["border", "center"]),
        (0.0, 0.0, "border", ["border"]),  # no sessions: nothing to ask
    ],
)
def test_with_framing_compares_only_where_there_are_sessions(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch,
    apart: float, center_apart: float, chosen: str, asked: list[str],
) -> None:  # fmt: skip
    photos = Photos(rng, apart, center_apart)
    monkeypatch.setattr(framing, "_embed", photos.embed)
    config = with_framing(photos.catalog, Config(), OPTIONS)
    assert config.image.crop_mode == chosen
    assert photos.asked == asked
    assert config.image.side_px == 288


def test_with_framing_leaves_what_is_decided(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = Photos(rng, 1.6, 0.9)
    monkeypatch.setattr(framing, "_embed", photos.embed)
    for mode in ("border", "squash", None):
        image = Config().image.model_copy(update={"crop_mode": mode})
        config = Config().model_copy(update={"image": image})
        assert with_framing(photos.catalog, config, OPTIONS) is config
    assert photos.asked == []
    nothing = replace(photos.catalog, listings=[], rows=[])
    assert with_framing(nothing, Config(), OPTIONS).image.crop_mode == "border"


@pytest.mark.realdata
def test_phone_photos_are_seen_in_their_middle_and_shop_photos_whole(
    real_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(framing, "MAX_LISTINGS", 180)  # some of them, for the time it takes
    config = Config(levels=3, image={"side_px": 128})
    phone = read_catalog(real_data / "supermarket/train.csv", need_category=True)
    shop = read_catalog(real_data / "flipkart/listings.csv", need_category=True)
    shop = replace(shop, listings=shop.listings[::3], rows=shop.rows[::3])
    assert with_framing(phone, config, OPTIONS).image.crop_mode == "center"
    assert with_framing(shop, config, OPTIONS).image.crop_mode == "border"
