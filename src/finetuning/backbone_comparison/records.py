"""What was measured, and what it comes to over seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import mean, stdev
from typing import Any, Literal

from .candidates import Candidate

Arm = Literal["frozen", "finetuned"]
ARMS: tuple[Arm, ...] = ("frozen", "finetuned")
ARM_NAMES = {"frozen": "frozen", "finetuned": "fine-tuned"}


@dataclass(frozen=True)
class Trial:
    """One backbone, one arm, one seed.

    The seed is None where chance has no part: a logistic regression on pretrained, frozen features.
    """

    backbone: str
    arm: Arm
    seed: int | None

    def __str__(self) -> str:
        seed = "" if self.seed is None else f", seed {self.seed}"
        return f"{self.backbone}, {self.arm}{seed}"


@dataclass(frozen=True)
class Result:
    """A finished trial; `top1` and `macro_f1` are on the test listings, 0 to 1.

    Parameters
    ----------
    minutes
        Of fine-tuning; None for frozen features.
    encoder
        The fine-tuned encoder's folder, relative to the comparison's.
    history
        Training loss and held-out macro-F1 by step.
    """

    trial: Trial
    top1: float
    macro_f1: float
    minutes: float | None = None
    encoder: str | None = None
    history: Sequence[Mapping[str, float]] = ()


@dataclass(frozen=True)
class Row:
    """One backbone in one arm; standard deviations are over seeds, None for fewer than two.

    Parameters
    ----------
    n_seeds
        Finished trials that differ by chance; 1 where chance has no part.
    minutes
        Mean of fine-tuning.
    speed_ratio
        Images/s divided by the starter backbone's in the same minute.
    notes
        What is missing; where the reason is known, after a colon.
    """

    backbone: str
    arm: str
    n_seeds: int = 0
    top1: float | None = None
    top1_sd: float | None = None
    macro_f1: float | None = None
    macro_f1_sd: float | None = None
    minutes: float | None = None
    n_parameters: int | None = None
    side_px: int | None = None
    images_per_s: float | None = None
    speed_ratio: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def missing(self) -> str:
        """The notes without their reasons."""
        return ", ".join(note.partition(":")[0] for note in self.notes)


@dataclass
class Comparison:
    """Everything known so far; it grows while trials end.

    Parameters
    ----------
    names
        All backbones asked for, in their order.
    skipped
        Backbone -> why its weights can't be had.
    failed
        Trial, as text -> why it ended without a result.
    speeds
        Backbone -> ``images_per_s``, ``speed_ratio`` and ``side_px``.
    untimed
        Backbone -> why its speed isn't known.
    facts
        What all have in common: the split, the recipe, the machine.
    """

    names: Sequence[str]
    arms: Sequence[Arm]
    candidates: Sequence[Candidate]
    skipped: Mapping[str, str]
    facts: dict[str, Any]
    results: list[Result] = field(default_factory=list)
    failed: dict[Trial, str] = field(default_factory=dict)
    speeds: dict[str, Mapping[str, float]] = field(default_factory=dict)
    untimed: dict[str, str] = field(default_factory=dict)

    def rows(self) -> list[Row]:
        """Give the table: every backbone asked for has a row in every arm."""
        by_name = {candidate.name: candidate for candidate in self.candidates}
        return [
            self._row(by_name[name], arm)
            if name in by_name
            else Row(name, arm, notes=(f"skipped: {self.skipped[name]}",))
            for name in self.names
            for arm in self.arms
        ]

    def missing_because(self) -> list[str]:
        """Say in full why something wasn't measured."""
        return [
            *(f"{name} was skipped. {why}" for name, why in self.skipped.items()),
            *(f"{name} couldn't be timed. {why}" for name, why in self.untimed.items()),
            *(f"{trial} failed. {why}" for trial, why in self.failed.items()),
        ]

    def _row(self, candidate: Candidate, arm: Arm) -> Row:
        done = [r for r in self.results if (r.trial.backbone, r.trial.arm) == (candidate.name, arm)]
        notes = [
            f"seed {trial.seed} failed: {why}" if trial.seed is not None else f"failed: {why}"
            for trial, why in self.failed.items()
            if (trial.backbone, trial.arm) == (candidate.name, arm)
        ]
        if not done and not notes:
            notes = ["not run yet"]
        if candidate.name in self.untimed:
            notes.append(f"not timed: {self.untimed[candidate.name]}")
        top1, top1_sd = spread([r.top1 for r in done])
        macro_f1, macro_f1_sd = spread([r.macro_f1 for r in done])
        speed = self.speeds.get(candidate.name, {})
        return Row(
            backbone=candidate.name,
            arm=arm,
            n_seeds=len(done),
            top1=top1,
            top1_sd=top1_sd,
            macro_f1=macro_f1,
            macro_f1_sd=macro_f1_sd,
            minutes=spread([r.minutes for r in done if r.minutes is not None])[0],
            n_parameters=candidate.n_parameters,
            side_px=int(speed["side_px"]) if speed else None,
            images_per_s=speed.get("images_per_s"),
            speed_ratio=speed.get("speed_ratio"),
            notes=tuple(notes),
        )


def spread(values: Sequence[float]) -> tuple[float | None, float | None]:
    """Give mean and sample standard deviation, None where there are too few values.

    >>> spread([0.5, 0.75, 1.0])
    (0.75, 0.25)
    >>> spread([0.5])
    (0.5, None)
    """
    return mean(values) if values else None, stdev(values) if len(values) > 1 else None
