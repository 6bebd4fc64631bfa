"""The plan of a run: which photos each step sees, and how; a pure function of the seed.

Nothing about a step depends on the steps before it. So a resumed run needs no sampler state, and
any number of processes sees the same steps as one.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np
from torch.utils.data import Sampler

from ..core.arrays import Floats, Ints
from .config import Stage


class Draw(NamedTuple):
    """One photo in one step: its row, and how it is shown; see `Stage`.

    `number` is unique in the run; it seeds what chance does to the photo.
    """

    row: int
    number: int
    side_px: int
    strength: float


@dataclass(frozen=True)
class Schedule:
    """All steps of a run.

    Parameters
    ----------
    weights
        Shape ``(n_photos,)``, how often each photo is drawn, relative to the others.
    batch_size
        Photos in a step.
    n_steps
        In all.
    round_steps
        Steps between two checkpoints; one round is one epoch to Lightning.
    """

    weights: Floats
    batch_size: int
    n_steps: int
    round_steps: int
    stages: tuple[Stage, ...]
    seed: int

    @property
    def n_rounds(self) -> int:
        return -(-self.n_steps // self.round_steps)

    @property
    def epoch_steps(self) -> int:
        """Steps in which about every photo is seen once."""
        return max(1, len(self.weights) // self.batch_size)

    def stage(self, step: int) -> Stage:
        """Look up which part a step belongs to."""
        ends = np.cumsum([stage.share for stage in self.stages])
        place = int(np.searchsorted(ends / ends[-1], (step + 0.5) / self.n_steps))
        return self.stages[min(place, len(self.stages) - 1)]

    def batch(self, step: int) -> list[Draw]:
        """Draw one step's photos."""
        stage, first = self.stage(step), step * self.batch_size
        return [
            Draw(self._row(number), number, stage.side_px, stage.strength)
            for number in range(first, first + self.batch_size)
        ]

    def _row(self, number: int) -> int:
        turn, place = divmod(number, len(self.weights))
        return int(_turn(self._weights, self.seed, turn)[place])

    @cached_property
    def _weights(self) -> bytes:
        return self.weights.tobytes()


@lru_cache(maxsize=2)
def _turn(weights: bytes, seed: int, turn: int) -> Ints:
    return one_turn(np.frombuffer(weights), np.random.default_rng([seed, 1, turn]))


def one_turn(weights: Floats, rng: np.random.Generator) -> Ints:
    """Order as many photos as there are, each as often as its weight says, as evenly as possible.

    With equal weights it is a permutation.
    """
    wanted = weights / weights.sum() * len(weights)
    order = rng.permutation(len(weights))
    ends = np.cumsum(wanted[order])
    ends[-1] = len(weights)
    # systematic sampling: every photo comes as often as wanted, rounded up or down
    marks = np.arange(len(weights)) + rng.uniform(0.01, 0.99)
    return rng.permutation(order[np.searchsorted(ends, marks)])


def draw_weights(labels: Ints, oversample: float) -> Floats:
    """Weigh photos, with labels of shape ``(n,)``, by how rare their leaf is; above 0.

    An `oversample` of 0 shows every photo alike, of 1 every leaf.
    """
    counts = np.bincount(labels)
    return np.asarray(counts[labels].astype(float) ** -oversample)


def learning_rate_factor(step: int, n_steps: int, warmup: float) -> float:
    """Rise linearly over the first `warmup` share of the steps, then fall to 0 as a cosine."""
    rising = max(1.0, warmup * n_steps)
    if step < rising:
        return (step + 1) / (rising + 1)
    return float(0.5 + 0.5 * np.cos(np.pi * (step - rising) / max(1.0, n_steps - rising)))


class Steps(Sampler[list[Draw]]):
    """One round of a plan after the other, as a batch sampler: the photos that a process sees.

    Parameters
    ----------
    step
        Tells the step that the next round begins with.
    part, n_parts
        Which process of how many.
    accumulate
        Parts of a step whose gradients are summed.
    """

    def __init__(
        self,
        schedule: Schedule,
        step: Callable[[], int],
        *,
        part: int,
        n_parts: int,
        accumulate: int,
    ) -> None:
        self.schedule, self.step = schedule, step
        self.part, self.n_parts, self.accumulate = part, n_parts, accumulate

    def __len__(self) -> int:
        return self.schedule.round_steps * self.accumulate

    def __iter__(self) -> Iterator[list[Draw]]:
        first = self.step()
        for step in range(first, first + self.schedule.round_steps):
            own = self.schedule.batch(step)[self.part :: self.n_parts]
            for piece in range(self.accumulate):
                yield own[piece :: self.accumulate]
