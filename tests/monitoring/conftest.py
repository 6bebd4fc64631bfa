"""Judged listings to log: made up, without a pipeline."""

from collections.abc import Callable

import numpy as np
import pytest
from shelfsure.catalog.listing import Listing
from shelfsure.embedding.listings import EmbeddedListings
from shelfsure.fusion.views import View
from shelfsure.pipeline.verdict import Verdict

Judged = tuple[EmbeddedListings, list[Verdict]]


@pytest.fixture
def judged(rng: np.random.Generator) -> Callable[..., Judged]:
    """Make listings a0, a1, ... with photo and title, and their verdicts."""

    def make(n: int, prefix: str = "a", version: str = "v1") -> Judged:
        photo, title = rng.normal(size=(n, 6)), rng.normal(size=(n, 4))
        photo /= np.linalg.norm(photo, axis=1, keepdims=True)
        title /= np.linalg.norm(title, axis=1, keepdims=True)
        listings = [Listing(f"{prefix}{i}", f"secret title {i}", b"x", group="s") for i in range(n)]
        there = np.ones(n, dtype=bool)
        embedded = EmbeddedListings.of_photos(
            listings, View(photo, there), [None] * n, View(title, there)
        )
        verdicts = [
            Verdict(
                listing_id=f"{prefix}{i}",
                decision="accept",
                category="A",
                probability=0.9,
                ood_p_value=0.5,
                model_version=version,
            )
            for i in range(n)
        ]
        return embedded, verdicts

    return make
