"""What a category manager should look at: doubtful listings, gathered into groups of a kind."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np

from ..catalog.listing import Listing
from ..core.arrays import Floats, Ints
from ..core.errors import CatalogError
from ..embedding.listings import EmbeddedListings
from ..pipeline.category_rules import CategoryRule
from ..pipeline.verdict import Verdict
from ..pipeline.verdict_file import JudgedRow

Doubt: TypeAlias = str
UNSOLD = "Not in any category, as it seems"
MAX_CLUSTERS = 8
MAX_COMPARED = 2_000
"""Listings of one category that are compared with each other; more join the nearest group."""
N_WORDS = 5
_SEED = 0


@dataclass(frozen=True)
class Cluster:
    """Like listings of one category.

    Parameters
    ----------
    rows
        Data rows of the file, the most typical first.
    words
        What their titles have more often than those of other doubtful listings.
    doubts
        Why they are doubtful -> how many, the commonest first.
    """

    rows: tuple[int, ...]
    words: tuple[str, ...]
    doubts: Mapping[Doubt, int]


@dataclass(frozen=True)
class CategoryDigest:
    """One category's listings, as they were answered.

    Parameters
    ----------
    n, n_accepted
        Listings answered by it, and how many of them were accepted.
    clusters
        Of the others, the largest first.
    own_rules
        What was tested of a cut-off of its own.
    would_pass
        Rows that were doubtful for their probability alone, and reach such a cut-off.
    """

    name: str
    n: int
    n_accepted: int
    clusters: tuple[Cluster, ...]
    own_rules: tuple[CategoryRule, ...] = ()
    would_pass: frozenset[int] = frozenset()

    @property
    def n_doubtful(self) -> int:
        return sum(len(cluster.rows) for cluster in self.clusters)


@dataclass(frozen=True)
class Digest:
    """A file's verdicts, digested.

    Parameters
    ----------
    judged
        Data row -> its verdict and title.
    categories
        The one with the most doubtful listings first.
    rejected
        Kind of defect -> how many rows have it.
    """

    judged: Mapping[int, JudgedRow]
    categories: tuple[CategoryDigest, ...]
    rejected: Mapping[str, int]

    @property
    def decisions(self) -> Counter[str]:
        """How many listings each decision was made of."""
        return Counter(row.verdict.decision for row in self.judged.values())


def doubt_of(verdict: Verdict) -> Doubt:
    """Say in a few words why a listing isn't accepted; empty if it is, or couldn't be read."""
    if verdict.decision in {"accept", "rejected"}:
        return ""
    if verdict.original is not None:
        return "in the catalogue already"
    if verdict.decision == "out_of_catalogue":
        return "unlike the catalogue"
    if verdict.route == "zero_shot":
        return "known by its name only"
    if verdict.mismatch:
        return "photo and title don't match"
    if verdict.shift is not None:
        return "listings have drifted"
    return "not sure enough"


def digest_verdicts(
    judged: Iterable[JudgedRow],
    embedded: EmbeddedListings,
    rows: Sequence[int],
    rules: Sequence[CategoryRule] = (),
    min_examples: int = 0,
) -> Digest:
    """Gather a file's doubtful listings by category, and into groups of a kind.

    Parameters
    ----------
    embedded, rows
        The doubtful listings as vectors, and the data row of each; see `doubtful_rows`.
    rules
        Each category's own cut-offs; `min_examples` as for training: with fewer behind it nothing
        is accepted by them either.
    """
    by_row = {row.row: row for row in judged}
    place = {row: n for n, row in enumerate(rows)}
    pools: dict[str, list[int]] = {}
    for row in rows:
        pools.setdefault(_pool(by_row[row].verdict), []).append(row)
    vectors = joint_vectors(embedded)
    answered = [row.verdict for row in by_row.values() if row.verdict.decision != "rejected"]
    counts = Counter(map(_pool, answered))
    accepted = Counter(_pool(each) for each in answered if each.decision == "accept")
    own: dict[str, list[CategoryRule]] = {}
    for rule in rules:
        own.setdefault(rule.category, []).append(rule)
    usual = Counter(word for title in embedded.titles for word in set(title.split()))
    categories = []
    for name in sorted(counts, key=lambda each: (-len(pools.get(each, ())), each)):
        members = pools.get(name, [])
        places = [place[row] for row in members]
        clusters = [
            _cluster([members[n] for n in group], place, embedded.titles, usual, by_row)
            for group in like_groups(vectors[places])
        ]
        passing = [row for row in members if passes(by_row[row].verdict, rules, min_examples)]
        categories.append(
            CategoryDigest(
                name, counts[name], accepted[name], tuple(clusters),
                tuple(own.get(name, ())), frozenset(passing),
            )
        )  # fmt: skip
    defects = [row.verdict for row in by_row.values() if row.verdict.decision == "rejected"]
    kinds = Counter(each.reasons[0].partition(":")[0] if each.reasons else "" for each in defects)
    return Digest(by_row, tuple(categories), dict(kinds.most_common()))


def require_same_file(
    judged: Iterable[JudgedRow], listings: Mapping[int, Listing], verdicts: Path, path: Path
) -> None:
    """Raise a CatalogError unless each verdict is about the listing in its row of the file."""
    for row in judged:
        said, there = row.verdict, listings.get(row.row)
        if said.decision == "rejected" or (there and there.listing_id == said.listing_id):
            continue
        found = f"is {there.listing_id} there" if there else "can't be read there"
        raise CatalogError(
            f"{verdicts} must be about the listings of {path}, but its row {row.row}, "
            f"{said.listing_id}, {found}. Pass the file that was judged, and the same options."
        )


def doubtful_rows(judged: Iterable[JudgedRow]) -> list[int]:
    """Name the data rows of listings that were read, and aren't accepted."""
    return [row.row for row in judged if doubt_of(row.verdict)]


def passes(verdict: Verdict, rules: Sequence[CategoryRule], min_examples: int = 0) -> bool:
    """Tell whether a listing reaches its category's own cut-off, and nothing else holds it."""
    if doubt_of(verdict) != "not sure enough" or verdict.probability is None:
        return False
    if verdict.n_examples is not None and verdict.n_examples < min_examples:
        return False
    there = frozenset(verdict.views)
    return any(
        rule.category == verdict.category
        and rule.modalities == there
        and verdict.probability >= rule.rule.threshold
        for rule in rules
    )


def joint_vectors(embedded: EmbeddedListings) -> Floats:
    """Lay photo and title side by side, shape ``(n, d)``: unit length, what is missing is zero."""
    views = (embedded.photo, embedded.title)
    joined = np.hstack([np.where(view.present[:, None], view.array, 0.0) for view in views])
    lengths = np.linalg.norm(joined, axis=1, keepdims=True)
    return np.asarray(joined / np.where(lengths > 0, lengths, 1.0))


def like_groups(vectors: Floats) -> list[list[int]]:
    """Gather like rows: the largest group first, within each the most typical row first.

    Parameters
    ----------
    vectors
        Shape ``(n, d)``, of unit length.

    Returns
    -------
    list of list
        Every row once; at most `MAX_CLUSTERS` groups, about one for each root of n rows.
    """
    n = len(vectors)
    if n == 0:
        return []
    labels = _labels(vectors, min(MAX_CLUSTERS, max(1, round(np.sqrt(n)) - 1)))
    groups = []
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        typical = vectors[rows] @ vectors[rows].mean(axis=0)
        groups.append(rows[np.argsort(-typical, kind="stable")].tolist())
    return sorted(groups, key=lambda rows: (-len(rows), rows[0]))


def _labels(vectors: Floats, n_clusters: int) -> Ints:
    from sklearn.cluster import AgglomerativeClustering

    n = len(vectors)
    if n_clusters < 2:
        return np.zeros(n, dtype=int)
    compared = np.arange(n)
    if n > MAX_COMPARED:
        drawn = np.random.default_rng(_SEED).choice(n, MAX_COMPARED, replace=False)
        compared = np.sort(drawn)
    found = AgglomerativeClustering(n_clusters).fit_predict(vectors[compared])
    if len(compared) == n:
        return np.asarray(found)
    means = np.stack([vectors[compared][found == k].mean(axis=0) for k in range(n_clusters)])
    distances = (means**2).sum(axis=1) - 2 * vectors @ means.T
    return np.asarray(distances.argmin(axis=1))


def _cluster(
    rows: list[int],
    place: Mapping[int, int],
    titles: Sequence[str],
    usual: Mapping[str, int],
    judged: Mapping[int, JudgedRow],
) -> Cluster:
    found = Counter(word for row in rows for word in set(titles[place[row]].split()))
    telling = {
        word: n * n / usual[word]
        for word, n in found.items()
        if len(word) > 2 and word.isalpha() and n * 4 >= len(rows)
    }
    words = sorted(telling, key=lambda word: (-telling[word], word))[:N_WORDS]
    doubts = Counter(doubt_of(judged[row].verdict) for row in rows)
    return Cluster(tuple(rows), tuple(words), dict(doubts.most_common()))


def _pool(verdict: Verdict) -> str:
    if verdict.decision == "out_of_catalogue" or verdict.category is None:
        return UNSOLD
    return verdict.category
