"""A catalogue that a tiny network can learn in seconds: photos that differ by their pattern."""

import numpy as np
import pytest
from PIL import Image
from shelfsure.catalog.catalog import Catalog
from shelfsure.catalog.listing import Listing
from shelfsure.finetuning.config import Augmentation, FinetuneConfig, Stage

CATEGORIES = ("Home > Lamps", "Home > Rugs", "Toys > Kites")


def pattern(kind: int, rng: np.random.Generator) -> np.ndarray:
    """Horizontal stripes, vertical stripes or squares, in any colours."""
    y, x = np.mgrid[:48, :48] // 6 % 2
    shape = (y, x, x ^ y)[kind]
    colours = rng.integers(0, 256, (2, 3))
    noise = rng.normal(0, 12, (48, 48, 3))
    return np.clip(colours[shape] + noise, 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def patterns(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """72 listings of 3 categories, and one whose photo is none."""
    folder, rng = tmp_path_factory.mktemp("patterns"), np.random.default_rng(5)
    listings = []
    for number in range(72):
        path = folder / f"{number}.png"
        Image.fromarray(pattern(number % 3, rng)).save(path)
        category = CATEGORIES[number % 3]
        listings.append(Listing(f"p{number}", f"thing number {number}", path, category=category))
    (folder / "bad.png").write_bytes(b"no photo")
    bad = Listing("bad", "broken", folder / "bad.png", category=CATEGORIES[0])
    titled = Listing("none", "without a photo", category=CATEGORIES[0])
    return Catalog.from_listings([*listings, bad, titled], need_category=True)


@pytest.fixture
def quick() -> FinetuneConfig:
    """A network of 0.4 million weights on small photos; nothing that depends on batches."""
    return FinetuneConfig(
        backbone="random:test_resnet",
        levels=2,
        epochs=3,
        batch_size=16,
        stages=(
            Stage(share=1, trained_fraction=0.5, side_px=32, strength=0.2),
            Stage(share=1, trained_fraction=1.0, side_px=48, strength=0.5),
        ),
        augmentation=Augmentation(rotation_degrees=5, min_area=0.7),
        learning_rate=3e-3,
        titles=0.0,
        layer_decay=1.0,
        workers=0,
        checkpoint_steps=2,
        patience=0,
    )
