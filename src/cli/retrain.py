"""The command that retrains from a catalogue and people's answers."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .additions import merged
from .messages import say
from .options import EncoderOptions, FileOptions, PhotoOptions
from .registry import NOT_PROMOTED

if TYPE_CHECKING:
    from ..monitoring.retraining.config import RetrainConfig


def retrain(
    settings: Annotated[Path, typer.Argument(help="A YAML file; see configs/retrain.yaml.")],
) -> None:
    """Train on a catalogue and its answers, and let the bundle stand against the champion.

    Again with the same data: nothing. After a kill: it goes on. Exit 4: it may be worse.
    """
    from ..monitoring.retraining.config import load_retrain_config
    from ..monitoring.retraining.run import retrain as run

    asked = load_retrain_config(settings)
    file = _file_options(asked)
    options = EncoderOptions(asked.device, asked.runtime).run_options(PhotoOptions())
    done = run(
        asked,
        lambda: merged(file.catalog(asked.catalogue, need_category=True), asked.others, file),
        options,
        say,
    )
    if not done.ran:
        return
    version = f"Version {done.registered} of {asked.model_name}"
    champion, challenger = (shlex.quote(str(asked.out / x)) for x in ("champion", "challenger"))
    if done.alias == "champion":
        say(f"{version} is the champion:\n  shelfsure serve {champion}")
    elif done.alias:
        say(
            f"{version} may challenge the champion on live traffic:\n"
            f"  shelfsure serve {champion} --challenger {challenger} --share 10% --log-verdicts log"
        )
    else:
        say(f"{version} isn't handed on, because it may be worse than the champion: {done.gate}.")
        raise typer.Exit(NOT_PROMOTED)


def _file_options(asked: "RetrainConfig") -> FileOptions:
    read = asked.read
    columns: dict[str, Any] = {f"{name}_column": column for name, column in read.columns.items()}
    if isinstance(category := read.columns.get("category"), str):
        columns["category_column"] = [category]
    return FileOptions(**read.model_dump(exclude={"columns"}), **columns)
