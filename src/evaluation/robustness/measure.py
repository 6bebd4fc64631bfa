"""Answer the same listings undisturbed and under every condition; memory doesn't grow with those.

Each listing is judged by itself: one disturbed upload among good ones moves no drift alarm. Whether
a whole batch of such would be held is watched beside it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from tqdm import tqdm

from ...catalog.catalog import Catalog
from ...catalog.listing import Listing
from ...core.arrays import Ints
from ...core.errors import CatalogError, PhotoError
from ...embedding.grouping import stated_groups
from ...embedding.reading_ahead import batches, threads
from ...pipeline.pipeline import ListingPipeline
from ...vision.load import PhotoLimits
from ...vision.photo_measures import Pixels
from .answers import Answers, By, answer
from .conditions import CONDITIONS, Condition, disturbed, pixels_of

BLOCK = 64
Case: TypeAlias = tuple[str, int]
"""A condition's name, and a severity from 1 on."""


@dataclass(frozen=True)
class Robustness:
    """Answers to the same labelled listings, undisturbed and under every condition.

    Parameters
    ----------
    groups
        Shape ``(n,)``: listings of one number are right or wrong together.
    undisturbed, under
        By all that listings have, and by one part alone where listings have both.
    """

    catalog: Catalog
    conditions: Sequence[Condition]
    groups: Ints
    target_precision: float
    undisturbed: Mapping[By, Answers]
    under: Mapping[Case, Mapping[By, Answers]]


def measure(
    pipeline: ListingPipeline, catalog: Catalog, conditions: Sequence[Condition] = CONDITIONS
) -> Robustness:
    """Judge labelled listings that the pipeline hasn't seen, undisturbed and under each condition.

    Parameters
    ----------
    catalog
        Read with ``need_category=True``.

    Raises
    ------
    CatalogError
        If no row can be used, or there is nothing that the conditions disturb.
    """
    options, describes = pipeline.embedder.options, pipeline.config.description
    catalog, embedded = pipeline.embedder.embed_catalog(catalog, description=describes)
    listings = catalog.listings
    if not listings:
        raise CatalogError(
            f"Robustness needs at least one usable row with a category, but {catalog.source} has "
            f"none ({catalog.summary()}). {catalog.first_reasons()}"
        )
    photo, title = embedded.photo.present, embedded.title.present
    parts, asked = {"photo": photo, "title": title}, {each.part for each in conditions}
    if not any(present.any() for part, present in parts.items() if part in asked):
        raise CatalogError(
            f"Conditions of {' and '.join(sorted(asked))} need listings that have one, but none of "
            f"the {len(listings):,} of {catalog.source} has. Try other conditions or listings."
        )
    each_alone = bool((photo & title).any())
    found = Robustness(
        catalog,
        conditions,
        stated_groups(
            listings,
            embedded.photo,
            embedded.photo_hashes,
            embedded.titles,
            pipeline.config.n_folds,
            embedded.further,
        ).groups,
        pipeline.config.accept.target_precision,
        _empty(
            pipeline, len(listings), ("listing", "photo", "title") if each_alone else ("listing",)
        ),
        {
            (each.name, severity): _empty(
                pipeline, len(listings), ("listing", each.part) if each_alone else ("listing",)
            )
            for each in conditions
            for severity in severities(each)
        },
    )
    total, hidden = len(listings) * (1 + len(found.under)), None if options.progress else True
    with tqdm(total=total, desc="Disturbing listings", disable=hidden) as bar:
        for rows in batches(range(len(listings)), BLOCK):
            block = [listings[row] for row in rows]
            answer(pipeline, rows, block, found.undisturbed)
            bar.update(len(rows))
            for case, changed in _changed(block, conditions, options.limits):
                there = [(row, own) for row, own in zip(rows, changed, strict=True) if own]
                own_rows, own = [row for row, _ in there], [own for _, own in there]
                answer(pipeline, own_rows, own, found.under[case])
                bar.update(len(rows))
    return found


def severities(condition: Condition) -> range:
    """Number a condition's severities, 1 is the mildest."""
    return range(1, 1 + len(condition.severities))


def _empty(pipeline: ListingPipeline, n: int, ways: Sequence[By]) -> dict[By, Answers]:
    return {by: Answers.empty(n, pipeline.shift_detector()) for by in ways}


def _changed(
    listings: Sequence[Listing], conditions: Sequence[Condition], limits: PhotoLimits
) -> Iterator[tuple[Case, list[Listing | None]]]:
    """Put listings under each condition; each photo is decoded once."""
    with threads() as pool:
        photos = list(pool.map(lambda each: _pixels(each, limits), listings))
        for condition in conditions:
            for severity in severities(condition):

                def change(
                    row: int, condition: Condition = condition, severity: int = severity
                ) -> Listing | None:
                    return disturbed(listings[row], photos[row], condition, severity)

                yield (condition.name, severity), list(pool.map(change, range(len(listings))))


def _pixels(listing: Listing, limits: PhotoLimits) -> Pixels | None:
    try:
        return None if listing.image is None else pixels_of(listing, limits)
    except PhotoError:  # readable a moment ago, when it was embedded
        return None
