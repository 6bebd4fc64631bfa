"""A retraining: parts, encoder, bundle, comparison, registration, hand-over."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ...catalog.merging import Merged
from ...catalog.photo_listings import photos_in
from ...catalog.usable import require_usable
from ...core.config import Config, ImageConfig, image_encoder_section
from ...core.errors import CatalogError
from ...embedding.run_options import RunOptions
from ...evaluation.paired_comparison import Comparison, compare_pipelines
from ...evaluation.registry import CHALLENGER, CHAMPION, check_registry
from ...finetuning.config import FinetuneConfig
from ...pipeline.bundle import copy_bundle
from ...pipeline.pipeline import ListingPipeline
from .config import RetrainConfig
from .dataset import Dataset, read_parts, write_parts
from .division import divide
from .gate import Gate, read_gate
from .latest import read_latest, write_latest
from .registration import champion_before, opened_version, pull_champion, register_once
from .steps import STEP, STEPS, Steps, digest, only_one

REJECTED = "rejected.csv"


@dataclass(frozen=True)
class Retraining:
    """What became of a retraining.

    Parameters
    ----------
    ran
        False where there was nothing to do.
    data_version
        Hash of rows and photos.
    bundle
        The folder of the bundle that was trained.
    registered
        Its version in the registry.
    alias
        What it is there: ``champion``, ``challenger``, or nothing.
    gate
        The comparison with the champion, and what follows from it.
    """

    ran: bool
    data_version: str
    bundle: Path
    registered: str
    alias: str
    gate: Gate


def retrain(
    settings: RetrainConfig,
    read: Callable[[], Merged],
    options: RunOptions,
    say: Callable[[str], None] = lambda _: None,
) -> Retraining:
    """Train on a catalogue and its answers, and let the bundle stand against the champion.

    Each step's result is kept in ``out/steps``, so a killed run goes on where it was, and ends with
    what it would have ended with. With the same data and settings there is nothing to do.

    Parameters
    ----------
    read
        Reads the catalogue and merges what came after it.
    options
        How encoders run.
    say
        Called with each line of the log.

    Raises
    ------
    ConfigError
        If a recipe, the store or the name in it can't be used.
    RetrainingLockedError
        If another one is at work.
    TrainingError
        If the listings can't train.
    CatalogError
        If too few can test.
    TrackingError
        If the registry can't be reached; the next run goes on from there.
    """
    check_registry(settings.mlflow, settings.model_name)
    recipes = settings.training(), settings.finetuning()  # a wrong one is said at once
    with only_one(settings.out):
        outside = photos_in(settings.outside) if settings.outside else ()
        data = Dataset.of(read(), outside)
        return _Run(settings, *recipes, data, options, Steps(settings.out, say)).go()


@dataclass
class _Run:
    settings: RetrainConfig
    training: Config
    finetuning: FinetuneConfig | None
    data: Dataset
    options: RunOptions
    steps: Steps

    def __post_init__(self) -> None:
        self.told: dict[str, Any] = {
            "shelfsure": version("shelfsure"),
            "train": self.training.model_dump(mode="json"),
        }

    def go(self) -> Retraining:
        data, steps = self.data, self.steps
        tuned = self.finetuning and self.finetuning.model_dump(mode="json")
        asked = self.settings.model_dump(
            mode="json", include={"winner", "test_fraction", "newest", "mlflow"}
        )
        asked |= {"finetune": tuned, "name": self.settings.model_name}
        key = digest([data.version, self._newest_answers(), self.told, asked])
        latest = read_latest(self.settings.out)
        if latest.get("key") == key and self._is_whole(latest):
            steps.log("retrain", "skipped", f"nothing to do: data {data.version[:12]} is done")
            return self._result(latest, ran=False)
        was = latest.get("data_version")
        why = "it was never done here" if was is None else f"the last was {was[:12]}"
        why = "the settings have changed" if was == data.version else why
        steps.log("retrain", "started", f"data {data.version[:12]}; {why}")
        run_key = digest([key, latest.get("key")])
        champion = champion_before(self.settings.mlflow, self.settings.model_name, run_key)
        parts = self._parts(latest.get("parts", ""))
        encoder = self._encoder(parts, tuned) if self.finetuning else None
        bundle = self._bundle(parts, encoder)
        comparison = self._comparison(parts, bundle, champion)
        registered = self._registered(comparison, bundle, run_key, champion)
        told = json.loads((registered / "registered.json").read_bytes())
        done = {
            "key": key,
            "data_version": data.version,
            "parts": parts.name,
            "bundle": bundle.name,
            "comparison": comparison.name,
            **told,
        }
        self._hand_over(bundle, told["alias"])
        write_latest(self.settings.out, done)
        steps.forget_others()
        steps.log("retrain", "done", str(read_gate(comparison)))
        return self._result(done, ran=True)

    def _parts(self, before: str) -> Path:
        settings = self.settings
        old = read_parts(self._step(before)) if before else {}
        inputs = {
            "data": self.data.version,
            "before": before,
            "test_fraction": settings.test_fraction,
            **self.told,
        }

        def work(folder: Path) -> None:
            new, usable = divide(
                self.data.catalog, old, self.training, self.options, settings.test_fraction
            )
            require_usable(usable, settings.read.min_usable)
            write_parts(folder, old | new)
            usable.write_rejected(folder / REJECTED)
            reasons = self.steps.place("parts", inputs) / REJECTED
            where = f"; reasons in {reasons}" if usable.rejected else ""
            self.steps.log("parts", "read", f"{usable.summary()}{where}")

        return self.steps.run("parts", inputs, work)

    def _encoder(self, parts: Path, tuned: Any) -> Path:
        from ...finetuning.run import finetune
        from ...finetuning.state import SETTINGS, RunState

        assert self.finetuning is not None  # noqa: S101 (for mypy: go() asks)
        config = self.finetuning

        def work(folder: Path) -> None:
            out = folder / "encoder"
            if not (out / "finetuned.json").is_file():
                begun = (RunState.beside(out).folder / SETTINGS).is_file()
                options = replace(self.options, cache=None)
                catalog = self.data.only(self._of(parts, "train"))
                finetune(catalog, out, config, options=options, resume=begun)

        inputs = {"parts": self._content(parts), "finetune": tuned}
        return self.steps.run("encoder", inputs, work, in_place=True)

    def _bundle(self, parts: Path, encoder: Path | None) -> Path:
        config, train = self.training, self._of(parts, "train")
        newest = [name for name in self._newest_answers() if name in train]
        if encoder:
            section = image_encoder_section(str(encoder / "encoder"))
            config = config.model_copy(update={"image": ImageConfig(**section)})

        def work(folder: Path) -> None:
            pipeline = ListingPipeline.fit(
                self.data.only(train),
                config,
                self.options,
                outside=self.data.outside,
                newest=newest,
            )
            if found := pipeline.facts.get("newest"):
                self.steps.log("bundle", "leans", "to the newest {n_listings:,}".format(**found))
            pipeline.save(folder / "bundle")

        inputs = {"parts": self._content(parts), "encoder": encoder and encoder.name, **self.told}
        inputs["newest"] = digest(newest)
        return self.steps.run("bundle", inputs, work)

    def _comparison(self, parts: Path, bundle: Path, champion: str) -> Path:
        settings, tests = self.settings, self._of(parts, "test")
        newest = [name for name in self._newest_answers() if name in tests]

        def work(folder: Path) -> None:
            gate = Gate(None, None)
            if champion:
                new = ListingPipeline.load(bundle / "bundle", self.options)
                name = settings.model_name
                with opened_version(settings.mlflow, name, champion, self.options) as old:
                    overall = compare_pipelines(new, old, self.data.only(tests))
                    gate = Gate(overall, self._newest(new, old, newest))
            (folder / "gate.json").write_text(json.dumps(asdict(gate)), encoding="utf-8")

        inputs = {"bundle": bundle.name, "champion": champion, "newest": digest(newest)}
        return self.steps.run("comparison", inputs, work)

    def _newest(
        self, new: ListingPipeline, old: ListingPipeline, names: list[str]
    ) -> Comparison | None:
        """Compare on the newest answers alone; None if those that test are too few."""
        try:
            return compare_pipelines(new, old, self.data.only(set(names))) if names else None
        except CatalogError:
            return None

    def _registered(self, comparison: Path, bundle: Path, run_key: str, champion: str) -> Path:
        settings, gate = self.settings, read_gate(comparison)
        alias = CHALLENGER if gate.worth_a_trial else ""
        if gate.first or (gate.gain and settings.winner == CHAMPION):
            alias = CHAMPION

        def work(folder: Path) -> None:
            number = register_once(
                settings.mlflow,
                settings.model_name,
                bundle / "bundle",
                alias=alias,
                compared="" if gate.first else str(gate),
                key=run_key,
                before=champion,
            )
            told = json.dumps({"registered": number, "alias": alias})
            (folder / "registered.json").write_text(told, encoding="utf-8")

        inputs = {"comparison": comparison.name, "alias": alias, "retraining": run_key}
        return self.steps.run("registration", inputs, work)

    def _hand_over(self, bundle: Path, alias: str) -> None:
        """Leave the folders that `serve` reads: the champion's, and a challenger's."""
        settings = self.settings
        if alias == CHALLENGER:
            copy_bundle(bundle / "bundle", settings.out / CHALLENGER, overwrite=True)
        pull_champion(settings.mlflow, settings.model_name, settings.out / CHAMPION)

    def _newest_answers(self) -> Sequence[str]:
        return self.data.answered[-self.settings.newest :]

    def _of(self, parts: Path, part: str) -> set[str]:
        return {name for name, own in read_parts(parts).items() if own == part}

    def _content(self, parts: Path) -> str:
        """Hash the data and its parts, whichever steps led to them."""
        own = read_parts(parts)
        ids = (one.listing_id for one in self.data.catalog.listings)
        return digest([self.data.version, [own.get(name) for name in ids]])

    def _is_whole(self, latest: dict[str, Any]) -> bool:
        return all((self._step(latest[x]) / STEP).is_file() for x in ("bundle", "comparison"))

    def _step(self, name: str) -> Path:
        return self.settings.out / STEPS / name

    def _result(self, told: dict[str, Any], *, ran: bool) -> Retraining:
        return Retraining(
            ran,
            told["data_version"],
            self._step(told["bundle"]) / "bundle",
            told["registered"],
            told["alias"],
            read_gate(self._step(told["comparison"])),
        )
