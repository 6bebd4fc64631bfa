"""Edited copies of real listings, photo and title, among the real ones: are only they merged?"""

import csv
import io

import numpy as np
import pytest
from PIL import Image
from shelfsure.catalog.catalog import Catalog
from shelfsure.catalog.listing import Listing
from shelfsure.core.config import load_config
from shelfsure.embedding.embedder import load_embedder
from shelfsure.embedding.run_options import RunOptions
from shelfsure.retrieval.duplicates.edits import EDITS, encode_jpeg
from shelfsure.retrieval.duplicates.find import find_duplicates

N_LISTINGS = 48


def slight_crop(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    left, top, right, bottom = rng.uniform(0, 0.05, 4) * (*image.size, *image.size)
    return image.crop((int(left), int(top), int(image.width - right), int(image.height - bottom)))


def misspelt(title: str) -> str:
    """Swap two letters in the middle of the longest word."""
    word = max((word for word in title.split() if word.isalpha()), key=len)
    middle = len(word) // 2
    swapped = word[: middle - 1] + word[middle] + word[middle - 1] + word[middle + 1 :]
    return title.replace(word, swapped, 1)


def reordered(title: str) -> str:
    words = title.split()
    return " ".join(words[len(words) // 2 :] + words[: len(words) // 2])


PHOTO_EDITS = [EDITS["jpeg"], EDITS["resize"], EDITS["border"], slight_crop]
TITLE_EDITS = [str, misspelt, reordered, lambda title: f"{title} - free shipping"]


@pytest.mark.realdata
def test_find_duplicates_merges_planted_copies_and_nothing_else(real_data) -> None:
    with (real_data / "flipkart" / "listings.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    rng = np.random.default_rng(14)
    chosen = rng.choice(len(rows), N_LISTINGS, replace=False)
    listings, planted = [], set()
    for number, row in enumerate(rows[place] for place in chosen):
        data = (real_data / "flipkart" / row["image"]).read_bytes()
        listings.append(Listing(row["listing_id"], row["title"], data, row["description"]))
        if number % 3 == 0:
            continue
        edit, reworded = PHOTO_EDITS[number % 4], TITLE_EDITS[number // 4 % 4]
        with Image.open(io.BytesIO(data)) as image:
            copy = encode_jpeg(edit(image.convert("RGB"), rng), int(rng.integers(60, 95)))
        copied = Listing(f"copy {number}", reworded(row["title"]), copy, row["description"])
        listings.append(copied)
        planted.add(frozenset((row["listing_id"], copied.listing_id)))
    assert len(planted) == 32
    embedder = load_embedder(load_config("starter"), RunOptions())
    result = find_duplicates(Catalog.from_listings(listings), embedder=embedder)
    steps = {
        frozenset((group.keeper.listing_id, member.listing_id))
        for group in result.groups
        for member in group.members
    }
    assert steps <= planted  # a wrong merge takes goods off the shelf
    assert len(steps) >= 0.95 * len(planted)
    same = [pair for pair in result.pairs if pair.verdict != "variant"]
    assert {frozenset((pair.a.listing_id, pair.b.listing_id)) for pair in same} <= planted
