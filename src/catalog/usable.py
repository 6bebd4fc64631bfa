"""Whether enough of a file can be used for its result to take an earlier one's place."""

from ..core.errors import CatalogError
from .catalog import Catalog


def require_usable(catalog: Catalog, min_fraction: float = 0.0) -> None:
    """Refuse a catalogue of which nothing, or too little, can be used.

    A wrong folder of photos sets every row aside; what was made before is better than that.

    Parameters
    ----------
    min_fraction
        Share of the rows, 0 to 1, that must be usable; with 0, one row must be.

    Raises
    ------
    CatalogError
        With the first reasons.
    """
    n_usable, wanted = len(catalog.listings), min_fraction * catalog.n_rows
    if n_usable and n_usable >= wanted:
        return
    needed = f"{min_fraction:.1%} of the rows (--min-usable)" if n_usable else "at least one row"
    raise CatalogError(
        f"{catalog.source or 'The catalogue'}: {needed} must be usable, but it has "
        f"{catalog.summary()}. Nothing was written. {catalog.first_reasons()} Check --image-root "
        "and the columns."
    )
