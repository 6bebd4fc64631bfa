"""Whether enough of a file can be used for its result to take an earlier one's place."""

from pathlib import Path

from ..core.errors import CatalogError
from .catalog import Catalog
from .row_checker import RowTally


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
    require_enough(catalog.tally, min_fraction, catalog.source)


def require_enough(
    tally: RowTally, min_fraction: float = 0.0, source: Path | None = None, what: str = ""
) -> None:
    """Refuse rows of which nothing, or too little, can be used; see `require_usable`.

    Parameters
    ----------
    source
        The file that they are of.
    what
        Says which rows of the file these are, and what is kept of them.
    """
    if tally.n_kept and tally.n_kept >= min_fraction * tally.n_rows:
        return
    needed = (
        f"{min_fraction:.1%} of the rows (--min-usable)" if tally.n_kept else "at least one row"
    )
    raise CatalogError(
        f"{source or 'The catalogue'}: {needed} must be usable, but it has {tally.summary()}"
        f"{what}. Nothing was written. {tally.first_reasons()} Check --image-root and the columns."
    )
