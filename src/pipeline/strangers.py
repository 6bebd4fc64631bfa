"""Refusing a batch of strangers: what looks a little strange counts for more among its like.

A listing alone is refused if few of the catalogue's own are as strange. A whole batch of something
that isn't sold may lie just short of that, one by one, and still be unmistakable together.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from scipy.stats import false_discovery_control

from ..core.arrays import Bools, Floats
from .reasons import belongs_after_all
from .verdict import Guess, Verdict

MOST = 2.0
"""So many times `alpha` of the catalogue's own may be refused, whatever else is in the batch."""
MIDDLE = 0.5
"""P-values above it are taken to be of listings that belong; half of all such have one."""


def find_strangers(p_values: Floats, alpha: float) -> Bools:
    """Find the listings of a batch that don't belong.

    Conformal p-values by Benjamini & Hochberg (1995) with Storey's (2002) estimate of how many
    belong, as in Bates et al. 2023, "Testing for outliers with conformal p-values". It can't tell
    strangers from own listings that have changed, so none is found that is more ordinary than
    ``MOST * alpha``: own listings among many strangers are at most that likely to be dragged along.

    Parameters
    ----------
    p_values
        Shape ``(n,)``, how ordinary each listing is for the catalogue; NaN where nobody knows.
    alpha
        Of those found, at most this share is expected to belong; above 0, below 1.

    Returns
    -------
    Bools
        Shape ``(n,)``.
    """
    known = ~np.isnan(p_values)
    found = np.zeros(len(p_values), dtype=bool)
    if known.any():
        asked = p_values[known]
        belonging = (1 + np.sum(asked > MIDDLE)) / ((1 - MIDDLE) * len(asked))
        likely = false_discovery_control(asked) * min(1.0, belonging) <= alpha
        found[known] = likely & (asked <= MOST * alpha)
    return found


def refuse_strangers(verdicts: Sequence[Verdict], alpha: float) -> list[Verdict]:
    """Refuse the listings of a batch that `find_strangers` finds, besides those that were refused.

    A listing whose answer is a category known by name alone stays in review, and so does one that
    is in the catalogue already.
    """
    p_values = [v.ood_p_value if v.decision != "rejected" else None for v in verdicts]
    return refuse(verdicts, find_strangers(np.array(p_values, dtype=np.float64), alpha))


def refuse(verdicts: Sequence[Verdict], strange: Iterable[bool]) -> list[Verdict]:
    """Refuse those that were found strange together; see `refuse_strangers`."""
    return [
        _refused(verdict) if found and _may_be_refused(verdict) else verdict
        for verdict, found in zip(verdicts, strange, strict=True)
    ]


def _may_be_refused(verdict: Verdict) -> bool:
    known = verdict.route == "zero_shot" or verdict.original is not None
    return verdict.decision in {"accept", "review"} and not known


def _refused(verdict: Verdict) -> Verdict:
    why = (
        f"It looks unlike the catalogue, and so does most of what came with it: of its own "
        f"listings only {verdict.ood_p_value:.1%} are as strange."
    )
    best = Guess(category=verdict.category or "", probability=verdict.probability or 0.0)
    reasons = (why, belongs_after_all(best))
    changed = {"decision": "out_of_catalogue", "sure_of": None, "reasons": reasons}
    return verdict.model_copy(update=changed)
