"""May a challenger take over: where its promise breaks and the champion's doesn't, it may not."""

from ...catalog.catalog import Catalog
from ...pipeline.pipeline import ListingPipeline
from .measure import measure
from .summary import summary


def newly_broken(
    challenger: ListingPipeline, champion: ListingPipeline, catalog: Catalog
) -> tuple[str, ...]:
    """Name the cells in which the challenger alone breaks its promise; see `summary`.

    Parameters
    ----------
    catalog
        Listings that neither has seen, read with ``need_category=True``.
    """
    broken = summary(measure(challenger, catalog))["broken"]
    if not broken:  # so that the champion needn't be looked at
        return ()
    before = summary(measure(champion, catalog))["broken"]
    return tuple(name for name in broken if name not in before)
