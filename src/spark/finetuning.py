"""Fine-tuning in processes that Spark starts, one a task, all at the same time."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..catalog.catalog import Catalog
from ..catalog.listing import Listing
from ..core.errors import ConfigError, TrainingError
from ..core.files import require_free_folder
from ..embedding.run_options import RunOptions
from ..finetuning import run
from ..finetuning.config import FinetuneConfig
from ..finetuning.export import ENCODER


def finetune(
    catalog: Catalog,
    out: Path,
    config: FinetuneConfig,
    *,
    outside: Sequence[Listing] = (),
    options: RunOptions | None = None,
    machine: run.Machine,
    resume: bool = False,
    overwrite: bool = False,
) -> run.FinetuneResult:
    """Do as `finetuning.run.finetune`, in tasks of the session that is open.

    Every worker must see photos and `out` by the same paths, and have Shelfsure.

    Parameters
    ----------
    options
        With the device ``cuda``, Spark must know how many GPUs a task has
        (``spark.task.resource.gpu.amount``); otherwise it runs on processors.
    machine
        Its `nodes` are the processes, for each of which a task must be free at the same time.

    Raises
    ------
    ConfigError
        If `out` can't be written to, or each node is to start more than one process.
    TrainingError
        If one of the processes fails; what it said is in the log.
    """
    from pyspark.ml.torch.distributor import TorchDistributor

    if machine.devices != 1:
        raise ConfigError(
            f"Spark starts each process, got --devices {machine.devices}. Say how many by --nodes."
        )
    out, options = out.resolve(), options or RunOptions()
    require_free_folder(out, ENCODER, replace=overwrite, inputs=(catalog.source,))
    on_gpu = options.device.startswith("cuda")
    given = {"outside": _absolute(outside), "options": options, "machine": machine}
    given |= {"resume": resume, "overwrite": overwrite}
    catalog = replace(catalog, listings=_absolute(catalog.listings))
    distributor = TorchDistributor(machine.nodes, local_mode=False, use_gpu=on_gpu)
    try:
        # a function: of a script that fails, TorchDistributor says nothing
        result = distributor.run(run.finetune, catalog, out, config, **given)
    except Exception as error:  # Spark's, Java's or the network's
        raise TrainingError(
            f"All {machine.nodes} processes must end well, but one failed, as its log says, which "
            "is above and in Spark. If it had begun to learn, --resume goes on from there."
        ) from error
    if not isinstance(result, run.FinetuneResult):
        raise TrainingError(f"The first process must give the encoder, but gave {result!r}.")
    return result


def _absolute(listings: Sequence[Listing]) -> tuple[Listing, ...]:
    """Name photos as other folders' processes find them, too."""
    return tuple(
        replace(
            one,
            image=_resolved(one.image),
            more_images=tuple(_resolved(image) for image in one.more_images),
        )
        for one in listings
    )


def _resolved(photo: Any) -> Any:
    return Path(photo).resolve() if isinstance(photo, str | Path) else photo
