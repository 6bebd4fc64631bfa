"""Two pipelines on the same listings: how much more often one is right, with an interval."""

from dataclasses import dataclass

import numpy as np

from ..catalog.catalog import Catalog
from ..catalog.groups import components, forest
from ..core.errors import CatalogError, ConfigError
from ..pipeline.pipeline import ListingPipeline
from .baselines import FUSION
from .evaluate import evaluate
from .intervals import PairedDifference, paired_bootstrap
from .messages import counted

MIN_GROUPS = 30
"""Of fewer groups, or single listings, a comparison may show no difference where there is one."""


@dataclass(frozen=True)
class Comparison:
    """A challenger's share of right answers minus the champion's, on the same listings."""

    difference: PairedDifference
    n_listings: int
    n_groups: int

    @property
    def excludes_loss(self) -> bool:
        """The challenger may take over: the interval holds no value below 0."""
        return self.difference.low >= 0

    def __str__(self) -> str:
        d = self.difference
        return (
            f"{d.difference:+.1%} right answers against the champion "
            f"(95% interval {d.low:+.1%} to {d.high:+.1%}, "
            f"{counted(self.n_listings, self.n_groups)})"
        )


def compare_pipelines(
    challenger: ListingPipeline, champion: ListingPipeline, catalog: Catalog
) -> Comparison:
    """Let both answer the same labelled listings.

    A category that a pipeline doesn't know counts as its mistake. Listings that either takes for
    one group are one observation.

    Parameters
    ----------
    catalog
        Listings that neither has seen, read with ``need_category=True``.

    Raises
    ------
    ConfigError
        If the two predict different levels of the category path.
    CatalogError
        If they can't both answer listings of `MIN_GROUPS` groups.
    """
    levels = {pipeline.config.levels for pipeline in (challenger, champion)}
    if len(levels) > 1:
        raise ConfigError(
            "Champion and challenger must predict the same number of category levels, but one "
            f"predicts {min(levels)} and the other {max(levels)}. Register it under another name."
        )
    mine, theirs = (evaluate(pipeline, catalog)[0] for pipeline in (challenger, champion))
    row_of = {key: row for row, key in enumerate(theirs.listing_ids)}
    pairs = [(row, row_of[key]) for row, key in enumerate(mine.listing_ids) if key in row_of]
    own, others = np.array(pairs, dtype=np.intp).reshape(-1, 2).T
    links = [forest(mine.group_numbers[own]), forest(theirs.group_numbers[others])]
    groups = components(len(pairs), np.hstack(links))
    n_groups = len(np.unique(groups))
    if n_groups < MIN_GROUPS:
        raise CatalogError(
            f"A comparison needs {MIN_GROUPS} listings or more that both can read, those of one "
            f"group (a seller, duplicates) counted once, got {counted(len(pairs), n_groups)} from "
            f"{catalog.source}. Add listings of other groups."
        )
    difference = paired_bootstrap(
        mine.correct(FUSION)[own], theirs.correct(FUSION)[others], groups=groups
    )
    return Comparison(difference, len(pairs), n_groups)
