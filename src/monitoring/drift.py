"""Has what comes in drifted? Streams and batches, put together into one answer."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..core.arrays import Bools, Floats, Ints
from ..pipeline.shift import ShiftDetector
from .batch import adjusted
from .causes import Cause, name_cause
from .changes import changes
from .logged import LoggedListings, once
from .reference import Reference
from .signals import OOD, ScoreSignal, ShareSignal, Signal, Signals, build_signals, weights
from .stream import ALARM, StreamResult, bet, together

ALL = "all"
MIN_SLICE = 5
"""Fewer listings of a day or group aren't tested by themselves."""
MAX_GROUPS = 20


@dataclass(frozen=True)
class BatchTest:
    """One test of one slice.

    Parameters
    ----------
    kind
        Of the slice: ``all``, ``day`` or ``group``.
    p_value, p_adjusted
        By itself, and corrected for all tests of the report (Holm).
    """

    kind: str
    slice: str
    signal: str
    n: int
    p_value: float
    p_adjusted: float
    said: str

    @property
    def alarm(self) -> bool:
        return self.p_adjusted <= ALARM


@dataclass(frozen=True)
class Drift:
    """What was found about the logged listings of one bundle.

    Parameters
    ----------
    p_values
        Signal name -> shape ``(m,)``, online p-values of all logged listings, NaN where it says
        nothing.
    stream
        Of all signals together, one place a logged listing.
    stream_of
        Signal name -> its own.
    detector_p_value
        What `predict` and `serve` would have found by `pipeline.shift`.
    cause
        What it most likely is; None without a drift.
    """

    logged: LoggedListings
    signals: Signals
    p_values: dict[str, Floats]
    stream: StreamResult
    stream_of: dict[str, StreamResult]
    detector_p_value: float
    tests: Sequence[BatchTest]
    cause: Cause | None

    @property
    def stream_alarm(self) -> int | None:
        """The logged listing, from 0, at which the stream alarmed; None: it didn't."""
        return self.stream.alarm_at(ALARM)

    @property
    def found(self) -> bool:
        return self.stream_alarm is not None or any(test.alarm for test in self.tests)


def find_drift(reference: Reference, logged: LoggedListings) -> Drift:
    """Compare logged listings with the training listings, as a stream, by day and by group."""
    known_rows, kept = once(reference.embedded, logged)
    signals = build_signals(reference, logged, known_rows, kept)
    p_values = {
        signal.name: _spread(signal.stream(), signal.rows, logged) for signal in signals.each
    }
    streams = {name: bet(own) for name, own in p_values.items()}
    whole = StreamResult(np.ones(len(logged.rows)))
    if streams:
        whole = together(list(streams.values()), weights(signals.each))
    watched = ShiftDetector(signals.n_known, reference.alpha)
    watched.watch([np.nan if p is None else p for p in logged.column("ood_p_value")])
    tests = _tests(logged, signals)
    drift = Drift(logged, signals, p_values, whole, streams, watched.p_value, tests, None)
    if not drift.found:
        return drift
    alarmed = {test.signal for test in tests if test.alarm}
    if drift.stream_alarm is not None:
        alarmed.add(min(streams, key=lambda name: streams[name].p_value))
    cause = name_cause(logged, signals, alarmed)
    return Drift(logged, signals, p_values, whole, streams, watched.p_value, tests, cause)


def slices_of(logged: LoggedListings) -> dict[tuple[str, str], Bools]:
    """Name the slices that are tested: all, each day if there are several, the largest groups."""
    days, groups = logged.days, logged.column("group")
    found = {("all", ALL): np.ones(len(days), dtype=bool)}
    if len(set(days)) > 1:
        found |= {("day", day): np.array([own == day for own in days]) for day in sorted(set(days))}
    sizes = Counter(group for group in groups if group)
    for group, n in sizes.most_common(MAX_GROUPS):
        if MIN_SLICE <= n < len(groups):
            found["group", group] = np.array([own == group for own in groups])
    return found


def _tests(logged: LoggedListings, signals: Signals) -> list[BatchTest]:
    slices = slices_of(logged)
    found: list[tuple[str, str, str, int, float, str]] = []
    for (kind, name), chosen in slices.items():
        for signal in signals.each:
            own = chosen[signal.rows]
            if own.sum() >= MIN_SLICE:
                p = signal.batch(own)
                found.append((kind, name, signal.name, int(own.sum()), p, _said(signal, own)))
    # of one seller everything may differ from the rest: a group is tested for strangeness alone
    by_time = {name: chosen for (kind, name), chosen in slices.items() if kind != "group"}
    kinds = {name: kind for kind, name in slices if kind != "group"}
    found += [(kinds[row[0]], *row) for row in changes(logged, signals.kept, by_time)]
    corrected = adjusted(np.array([row[4] for row in found]))
    return [
        BatchTest(*row[:5], p_adjusted=float(p), said=row[5])
        for row, p in zip(found, corrected, strict=True)
    ]


def _said(signal: Signal, chosen: Bools) -> str:
    """Say what was seen of a slice, next to what is usual."""
    if isinstance(signal, ShareSignal):
        return f"{signal.known.mean():.1%} of training's, now {signal.new[chosen].mean():.1%}"
    if isinstance(signal, ScoreSignal) and signal.name == OOD:
        return f"5.0% have p <= .05 usually, now {(-signal.new[chosen] <= 0.05).mean():.1%}"
    return ""


def _spread(p_values: Floats, rows: Ints, logged: LoggedListings) -> Floats:
    spread = np.full(len(logged.rows), np.nan)
    spread[rows] = p_values
    return spread
