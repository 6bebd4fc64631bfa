"""Photos and titles that teach little."""

import numpy as np
from scipy.special import softmax

from ..catalog.catalog import Catalog
from ..catalog.groups import title_key
from ..embedding.listings import EmbeddedListings
from ..embedding.training_data import TrainingData
from .findings import Finding
from .judged_labels import JudgedLabels
from .titles import says_nothing, shared_titles, uncertainty_left


def photo_findings(catalog: Catalog, embedded: EmbeddedListings) -> list[Finding]:
    """Name photos that can't be used, and those that a seller should take anew."""
    unusable = {each.row: (each.listing_id, each.reason) for each in catalog.rejected}
    unusable = {row: said for row, said in unusable.items() if "photo" in said[1]}
    ids = dict(zip(catalog.rows, catalog.listings, strict=True))
    unusable |= {row: (ids[row].listing_id, why) for row, why in catalog.photo_problems.items()}
    found = [
        Finding("unusable_photo", 1.0, f"{why[:1].upper()}{why[1:]}.", row=row, listing_id=name)
        for row, (name, why) in sorted(unusable.items())
    ]
    for place, (row, listing) in enumerate(zip(catalog.rows, catalog.listings, strict=True)):
        flags = embedded.flags(place)
        if flags:
            found.append(
                Finding(
                    "poor_photo",
                    1.0 - 0.5 ** len(flags),
                    " ".join(flag.message for flag in flags),
                    listing.category or "",
                    row=row,
                    listing_id=listing.listing_id,
                )
            )
    return found


def title_findings(judged: JudgedLabels, catalog: Catalog, data: TrainingData) -> list[Finding]:
    """Name titles that leave the category open, and those that many categories share."""
    told: dict[int, tuple[float, str]] = {}
    if judged.title is not None:
        probabilities = softmax(judged.title.log_probabilities, axis=1)
        left = uncertainty_left(probabilities, judged.labels)
        for place in np.flatnonzero(says_nothing(left, judged.title.heard)).tolist():
            share = min(float(left[place]), 1.0)
            reason = f"The title leaves {share:.0%} of the uncertainty about the category."
            told[int(data.trained_rows[place])] = (share, reason)
    titles = data.embedded.titles
    shared = shared_titles(titles, data.categories)
    for row, title in enumerate(titles):
        named = shared.get(title_key(title) or "")
        if named:
            reason = f"Listings of {len(named)} categories have this very title."
            told[row] = (1.0, reason)
    return [
        Finding(
            "empty_title",
            strength,
            f"{reason} Name the product.",
            data.categories[row],
            row=catalog.rows[row],
            listing_id=catalog.listings[row].listing_id,
        )
        for row, (strength, reason) in sorted(told.items())
    ]
