"""The encoders of a run, trained one after the other: each without one part of the photos."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from ..core.files import atomic_path
from ..embedding.run_options import ResolvedOptions
from .backbones import Backbone
from .config import FinetuneConfig
from .dataset import Prepared, load_head
from .fitting import Machine, fit, make_schedule
from .state import RunState
from .weight_interpolation import Tuned

if TYPE_CHECKING:
    import torch

AFTER, HISTORY = "after.safetensors", "history"


def tune_parts(
    backbone: Backbone,
    parts: Sequence[Prepared],
    config: FinetuneConfig,
    epochs: float,
    state: RunState,
    options: ResolvedOptions,
    machine: Machine,
    *,
    first: bool,
) -> tuple[list[Tuned], list[dict[str, float]]]:
    """Train all encoders; those that a killed run had finished are read.

    Returns
    -------
    list of Tuned
        One for each part; empty in all but the first process.
    list of dict
        The history of all, one after the other; see `fitting.fit`.
    """
    pristine = _copied(backbone)
    tuned, history, n_steps = [], [], 0
    for number, prepared in enumerate(parts):
        place, schedule = state.part(number), make_schedule(prepared, config, epochs)
        backbone.model.load_state_dict(pristine)
        load_head(backbone, place)
        before = _copied(backbone)
        points = place.recall(HISTORY, wait=False)
        if points is None:
            if options.progress and len(parts) > 1:
                tqdm.write(f"Encoder {number + 1} of {len(parts)}", file=sys.stderr)
            points = fit(backbone, prepared, schedule, config, state, place, options, machine)
            if first:
                _keep(backbone, place)
                place.remember(HISTORY, points)
        if first:
            tuned.append(Tuned(before, _kept(place), prepared))
        # one curve: losses of the next encoder follow those of the last
        history += [point | {"step": point["step"] + n_steps} for point in points]
        n_steps += schedule.n_steps
    return tuned, history


def _copied(backbone: Backbone) -> "dict[str, torch.Tensor]":
    return {name: value.cpu().clone() for name, value in backbone.model.state_dict().items()}


def _keep(backbone: Backbone, place: RunState) -> None:
    from safetensors.torch import save_file

    values = {name: value.contiguous() for name, value in _copied(backbone).items()}
    with atomic_path(place.folder / AFTER) as partial:
        save_file(values, partial)


def _kept(place: RunState) -> "dict[str, torch.Tensor]":
    from safetensors.torch import load_file

    stored: Any = load_file(place.folder / AFTER)
    return dict(stored)
