"""Which listings the two files hold."""

from dataclasses import replace

import numpy as np
from shelfsure.catalog.listing import Listing

from .appearance import draw_appearance
from .categories import CATEGORIES, Category
from .injected import Row, injected_copies, outsider, without
from .photos import QUALITIES, Photo
from .titles import corrupt_text, describe, draw_wording

N_OUTSIDERS = 24
_MISSING_FRACTION, _BOXED_FRACTION = 0.06, 0.07


def n_planted(n_per_category: int) -> int:
    """Near-duplicates, and as many variants, per category and file."""
    return max(1, n_per_category // 16)


def plan_catalogue(rng: np.random.Generator, seed: int, n_per_category: int) -> list[Row]:
    """Plan the catalogue: `n_per_category` rows for each category, planted ones among them."""
    planted = n_planted(n_per_category)
    rows: list[Row] = []
    spoilable: list[int] = []
    for category in CATEGORIES:
        originals = []
        for i in range(n_per_category - 2 * planted):
            source = i < 4 * planted  # may be copied, so it keeps its photo and a full title
            number = len(rows) + i
            if not source:
                spoilable.append(number)
            originals.append(_original(rng, category, (seed, number), full=source))
        rows += originals + injected_copies(rng, originals, planted)
    n_missing = round(_MISSING_FRACTION * len(rows))
    chosen = rng.permutation(np.array(spoilable, dtype=int))[: 2 * n_missing].tolist()
    for place, index in enumerate(chosen):
        rows[index] = without(rows[index], "photo" if place % 2 else "title")
    return _numbered(rng, rows, "c")


def plan_uploads(
    rng: np.random.Generator, seed: int, catalogue: list[Row], n_per_category: int
) -> list[Row]:
    """Plan the uploads: new listings, copies of catalogue rows, and outsiders."""
    planted = n_planted(n_per_category)
    rows: list[Row] = []
    for category in CATEGORIES:
        for _ in range(max(1, n_per_category // 10)):
            row = _original(rng, category, (seed, 100_000 + len(rows)))
            missing = rng.random()
            if missing < 2 * _MISSING_FRACTION:
                row = without(row, "title" if missing < _MISSING_FRACTION else "photo")
            rows.append(row)
        sources = [
            row for row in catalogue if row.copyable and row.listing.category == category.path
        ]
        rng.shuffle(sources)
        rows += injected_copies(rng, sources, planted)
    rows += [outsider(rng, (seed, 200_000 + i), i) for i in range(N_OUTSIDERS)]
    return _numbered(rng, rows, "u")


def _original(
    rng: np.random.Generator, category: Category, seed: tuple[int, int], *, full: bool = False
) -> Row:
    look = draw_appearance(rng)
    wording = draw_wording(rng, category, look, full=full)
    listing = Listing(
        listing_id=f"{seed[1]}",
        title=corrupt_text(rng, wording.title()),
        description=None if rng.random() < 0.05 else describe(rng, wording),
        brand=None if rng.random() < 0.1 else wording.brand,
        category=category.path,
    )
    # What is copied shows the product: a closed box would look alike for several listings.
    boxed = not full and rng.random() < _BOXED_FRACTION
    photo = Photo(category.path, seed, look, int(rng.integers(*QUALITIES)), boxed)
    return Row(listing, "listing", photo, wording, copyable=full)


def _numbered(rng: np.random.Generator, rows: list[Row], prefix: str) -> list[Row]:
    """Shuffle the rows and give them their final ids, keeping who is a copy of whom."""
    order = rng.permutation(len(rows)).tolist()
    ids: dict[str, str] = {}
    numbered = []
    for number, index in enumerate(order, start=1):
        row, listing_id = rows[index], f"{prefix}{number:04d}"
        if row.kind == "listing":
            ids[row.listing.listing_id] = listing_id
        numbered.append(replace(row, listing=replace(row.listing, listing_id=listing_id)))
    return [replace(row, of=ids.get(row.of, row.of)) for row in numbered]
