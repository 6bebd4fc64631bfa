"""What each player of a game is worth: exactly, or from a sample of the orders of joining.

A game of n players is an array of length ``2**n``: at place ``sum(2**i for i in S)`` stands what
the coalition S is worth. Players' values are what they add on average over all orders of joining
(Shapley 1953); a coalition's dividend is what it is worth beyond all smaller ones inside it
(Harsanyi 1963), so all dividends, and all values, sum to what everybody has over nobody.
"""

from collections.abc import Callable, Sequence
from itertools import combinations
from math import comb

import numpy as np

from ..core.arrays import Bools, Floats, Ints


def coalitions(players: Sequence[str]) -> list[frozenset[str]]:
    """List every set of players, in a game's order.

    >>> [sorted(each) for each in coalitions(["a", "b"])]
    [[], ['a'], ['b'], ['a', 'b']]
    """
    return [
        frozenset(player for place, player in enumerate(players) if code >> place & 1)
        for code in range(2 ** len(players))
    ]


def dividends(worth: Floats) -> Floats:
    """Turn a game into its dividends, shape ``(2**n,)`` both; nobody's dividend is its worth.

    >>> dividends(np.array([0.0, 1.0, 2.0, 7.0]))
    array([0., 1., 2., 4.])
    """
    found = np.array(worth, dtype=np.float64)
    for player in range(_n_players(found)):
        with_and_without = found.reshape(-1, 2, 2**player)
        with_and_without[:, 1] -= with_and_without[:, 0]
    return found


def shapley_values(worth: Floats) -> Floats:
    """Share each coalition's dividend out among its members; shape ``(n,)``.

    >>> shapley_values(np.array([0.0, 1.0, 2.0, 7.0]))
    array([3., 4.])
    """
    shares = dividends(worth)
    members = np.arange(len(shares))[:, None] >> np.arange(_n_players(shares)) & 1
    sizes = np.maximum(members.sum(axis=1), 1)
    return np.asarray((shares / sizes) @ members)


def inner_weights(others: Sequence[str]) -> dict[frozenset[str], float]:
    """Weigh whom a player finds there on joining, over all orders; the weights sum to 1.

    >>> [round(weight, 3) for weight in inner_weights(["a", "b"]).values()]
    [0.333, 0.167, 0.167, 0.333]
    """
    n = len(others)
    return {
        frozenset(there): 1 / ((n + 1) * comb(n, size))
        for size in range(n + 1)
        for there in combinations(others, size)
    }


def sampled_values(
    worth: Callable[[Bools], Floats], n: int, whole: float, *, n_asked: int, seed: int = 0
) -> Floats:
    """Estimate Shapley values by pairs of an order of joining and its reverse.

    Whatever the sample, they sum to `whole`. Where all coalitions can be asked they are exact.

    Parameters
    ----------
    worth
        Distinct coalitions as masks, shape ``(m, n)`` -> what they are worth, ``(m,)``; asked once.
        It isn't asked about nobody, worth 0, and everybody, worth `whole`.
    n
        Players, 1 or more.
    n_asked
        Coalitions to ask about, at most; one pair of orders, ``2 (n - 1)``, is asked in any case.

    Returns
    -------
    Floats
        Shape ``(n,)``.
    """
    if 2**n - 2 <= n_asked:
        members = np.arange(2**n)[:, None] >> np.arange(n) & 1 > 0
        inside = worth(members[1:-1]) if n > 1 else np.zeros(0)
        return shapley_values(np.concatenate([[0.0], inside, [whole]]))
    rng = np.random.default_rng(seed)
    n_pairs = max(1, n_asked // (2 * (n - 1)))
    half = np.array([rng.permutation(n) for _ in range(n_pairs)])
    orders = np.concatenate([half, half[:, ::-1]])
    ranks = np.argsort(orders, axis=1)
    # (n_orders, n - 1, n): who has joined after each step but the last
    joined = ranks[:, None, :] <= np.arange(n - 1)[:, None]
    distinct, places = np.unique(joined.reshape(-1, n), axis=0, return_inverse=True)
    asked = np.asarray(worth(distinct), dtype=np.float64)[places.reshape(len(orders), n - 1)]
    return _mean_gains(orders, np.pad(asked, ((0, 0), (1, 1)), constant_values=(0.0, whole)))


def _mean_gains(orders: Ints, paths: Floats) -> Floats:
    """Average what each player adds; `paths` is worth by step, shape ``(n_orders, n + 1)``."""
    gains = np.empty(orders.shape)
    np.put_along_axis(gains, orders, np.diff(paths, axis=1), axis=1)
    return np.asarray(gains.mean(axis=0))


def _n_players(worth: Floats) -> int:
    n = len(worth).bit_length() - 1
    if len(worth) != 2**n:
        raise ValueError(
            f"A game needs the worth of all 2**n coalitions of n players, got {len(worth)} numbers."
        )
    return n
