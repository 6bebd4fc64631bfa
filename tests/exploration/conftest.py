"""One audit of the tiny catalogue with planted faults, shared."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from shelfsure.catalog.catalog import Catalog, read_catalog
from shelfsure.core.config import Config
from shelfsure.embedding.embedder import Embedder
from shelfsure.exploration.audit import Audit, audit_catalog


@pytest.fixture(scope="session")
def tiny_catalog(tiny_folder: Path) -> Catalog:
    """The tiny catalogue: t04 (a rug) is labelled a lamp, t03 (a lamp) is there twice."""
    catalog = read_catalog(tiny_folder / "catalogue.csv", need_category=True)
    wrong = {"t04": {"category": "Home > Lamps"}}
    listings = [replace(one, **wrong.get(one.listing_id, {})) for one in catalog.listings]
    copied = next(one for one in listings if one.listing_id == "t03")
    listings.append(replace(copied, listing_id="copy", category="Toys > Kites"))
    rows = (*catalog.rows, max(catalog.rows) + 1)
    return replace(catalog, listings=tuple(listings), rows=rows)


@pytest.fixture(scope="session")
def tiny_audit(tiny_catalog: Catalog, fake_embedder: Callable[..., Embedder]) -> Audit:
    part = {row: "test" if row % 3 == 0 else "train" for row in tiny_catalog.rows}
    first, *others = tiny_catalog.listings[:3]
    test = replace(
        tiny_catalog,
        listings=(replace(first, listing_id="again"), *others),
        rows=tiny_catalog.rows[:3],
    )
    return audit_catalog(
        tiny_catalog,
        Config(levels=2, min_examples=5),
        embedder=fake_embedder(),
        test=test,
        part=part,
    )
