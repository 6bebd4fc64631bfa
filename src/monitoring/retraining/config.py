"""What a retraining can be told: the model behind configs/retrain.yaml."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from ...core.config import Config, Section, Share, load_config, load_yaml
from ...core.device import Runtime
from ...core.tracking import LOCAL_STORE
from ...finetuning.config import FinetuneConfig, load_finetune_config


class ReadConfig(Section):
    """How the catalogue is read; as the options of `shelfsure train` of the same names."""

    image_root: Path | None = None
    columns: dict[
        Literal["listing_id", "title", "description", "brand", "category", "image", "group"],
        str | list[str],
    ] = Field(default_factory=dict)
    category_separator: str | None = None
    encoding: str | None = None
    on_photo_error: Literal["reject", "title"] = "reject"
    no_photos: bool = False
    min_usable: Annotated[float, Field(ge=0, le=1)] = 0.0


class RetrainConfig(Section):
    """One retraining; paths are relative to the folder that it is started in.

    Parameters
    ----------
    others
        In files ``with``. Review queues, and further files of listings.
    outside
        A folder of photos that the catalogue doesn't sell.
    out
        The folder of everything that a retraining keeps.
    train, finetune
        A profile or a YAML file, as for `shelfsure train --config` and `shelfsure finetune
        --config`; without `finetune` the photo encoder stays as it is.
    name
        In the registry; default: the name of `out`.
    winner
        What a bundle becomes at most: ``challenger``, for `shelfsure serve --challenger` to try on
        live traffic, or ``champion`` at once, if it is shown to be better.
    test_fraction
        Of listings that are new, those that never train.
    newest
        So many of the newest answers show what comes in now: training leans towards them where
        that helps, and those that are test listings are compared by themselves.
    """

    model_config = ConfigDict(serialize_by_alias=True, validate_by_name=True)

    catalogue: Path
    others: Annotated[tuple[Path, ...], Field(alias="with")] = ()
    outside: Path | None = None
    out: Path
    read: ReadConfig = ReadConfig()
    train: str = "starter"
    levels: Annotated[int, Field(ge=1, le=10)] | None = None
    finetune: str | None = None
    name: str | None = None
    mlflow: str = LOCAL_STORE
    winner: Literal["challenger", "champion"] = "challenger"
    test_fraction: Share = 0.25
    newest: Annotated[int, Field(ge=1)] = 200
    seed: Annotated[int, Field(ge=0)] | None = None
    device: str = "auto"
    runtime: Runtime = "auto"

    @property
    def model_name(self) -> str:
        return self.name or self.out.resolve().name

    def training(self) -> Config:
        """Load what `train` names."""
        return load_config(self.train, levels=self.levels, seed=self.seed)

    def finetuning(self) -> FinetuneConfig | None:
        """Load what `finetune` names, if it does."""
        if self.finetune is None:
            return None
        return load_finetune_config(self.finetune, levels=self.levels, seed=self.seed)


def load_retrain_config(path: str | Path) -> RetrainConfig:
    """Read a retraining's YAML file; see `load_yaml`."""
    return load_yaml(RetrainConfig, path, {})
