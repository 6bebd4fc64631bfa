"""Every command uses every option that it takes: what is given arrives where work is done."""

import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import click
import pytest
import shelfsure.catalog.catalog
import shelfsure.catalog.catalog_file
import shelfsure.catalog.taxonomy_file
import shelfsure.catalog.usable
import shelfsure.cli.main as cli
import shelfsure.embedding.embedder
import shelfsure.exploration.audit
import shelfsure.exploration.maps.explore
import shelfsure.finetuning.backbone_comparison.candidates
import shelfsure.finetuning.backbone_comparison.dataset
import shelfsure.finetuning.backbone_comparison.experiment
import shelfsure.finetuning.run
import shelfsure.monitoring.retraining.division
import shelfsure.pipeline.judged_file
import shelfsure.pipeline.pipeline
import shelfsure.pipeline.verdict_file
import shelfsure.retrieval.duplicates.find  # or it would keep what stands in for loading
import shelfsure.serving.serve
import shelfsure.spark.jobs
import shelfsure.spark.session
import typer
from shelfsure.cli.options import EncoderOptions, FileOptions, PhotoOptions
from shelfsure.embedding.run_options import RunOptions
from shelfsure.pipeline.pipeline import ListingPipeline
from shelfsure.vision.encoder import PhotoEncoder

COLUMNS = ("listing_id", "title", "description", "brand", "category", "image", "group")
GIVEN = {
    "image_root": "photos",
    **{f"{name}_column": f"my {name}" for name in COLUMNS},
    "more_images_column": "my further photos",
    "category_separator": "/",
    "category_taxonomy": "taxonomy.txt",
    "encoding": "windows-1252",
    "on_photo_error": "title",
    "no_photos": True,
    "min_usable": 0.3,
    "max_pixels": 77,
    "allow_truncated": True,
    "device": "cpu",
    "runtime": "torch",
    "no_cache": True,
}
"""Options that commands share, none at its default."""
COMMANDS = {
    "train": ["shop.csv", "--out", "out", "--mlflow", "none"],
    "predict": ["bundle", "shop.csv", "--out", "out.csv"],
    "explain": ["bundle", "--title", "lamp"],
    "evaluate": ["bundle", "shop.csv", "--out", "out"],
    "robustness": ["bundle", "shop.csv", "--out", "out"],
    "recalibrate": ["bundle", "new.csv", "--out", "out"],
    "finetune": ["shop.csv", "--out", "out"],
    "backbones": ["shop.csv", "--out", "out", "--mlflow", "none"],
    "split": ["shop.csv", "--out", "out"],
    "duplicates": ["shop.csv", "--out", "out"],
    "digest": ["bundle", "verdicts.csv", "shop.csv", "--out", "out"],
    "audit": ["shop.csv", "--out", "out"],
    "explore": ["shop.csv", "--out", "out", "--mlflow", "none"],
    "photos fetch": ["shop.csv", "out", "--yes"],
    "classify": ["--title", "lamp", "--labels", "lamp,rug"],
    "serve": ["bundle"],
    "export": ["bundle", "--out", "out", "--listings", "shop.csv"],
    "index build": ["shop.csv", "--out", "out"],
    "index add": ["index", "shop.csv"],
    "index search": ["index", "--title", "lamp"],
    "taxonomy add": ["bundle", "Lamps"],
    **{
        f"spark {name}": ["in.parquet", "out.parquet"]
        for name in ("judge", "embed", "prepare", "duplicates")
    },
    "registry promote": ["bundle", "--against", "shop.csv"],
}
"""A command that takes any of them -> its arguments; the others take none."""


class Arrived(Exception):  # noqa: N818 (it ends a command, and isn't an error)
    """The work would begin now."""


def commands(group: Any = None, name: str = "") -> Iterator[tuple[str, click.Command]]:
    group = group or typer.main.get_command(cli.app)
    for key, command in group.commands.items():
        full = f"{name} {key}".strip()
        yield from commands(command, full) if hasattr(command, "commands") else [(full, command)]


def shared(command: click.Command) -> list[str]:
    return [str(p.name) for p in command.params if p.name in GIVEN]


@pytest.fixture
def arrived(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """Option -> its value, as far as anything that reads, loads or computes was told of it."""
    told: dict[str, Any] = {}
    monkeypatch.chdir(tmp_path)

    def tell(options: RunOptions) -> None:
        told.update(max_pixels=options.limits.max_pixels, device=options.device)
        told.update(allow_truncated=options.limits.allow_truncated, runtime=options.runtime)
        told["no_cache"] = options.cache is None

    def read(path: Path, *, columns: dict[str, Any], image_root: Path, **others: Any) -> Any:
        told["image_root"] = str(image_root)
        columns["category"] = " > ".join(columns["category"])
        columns["more_images"] = " + ".join(columns["more_images"])
        told.update({f"{name}_column": column for name, column in columns.items()})
        told.update(others, no_photos=not others["photos"])
        told["category_taxonomy"] = str(others["category_taxonomy"])
        return SimpleNamespace(
            listings=[], rows=[], source=path, columns="", notes=(), photo_problems={}
        )

    def taxonomy(path: Path) -> dict[str, str]:
        told["category_taxonomy"] = str(path)
        return {}

    def table(path: Path, *, named: Any, encoding: str) -> NoReturn:
        told["more_images_column"], told["image_column"] = sorted(named)
        told["encoding"] = encoding
        raise Arrived

    def opened(path: Path, **given: Any) -> Any:
        return SimpleNamespace(listings=read(path, **given).listings, path=path, columns="")

    def enough(_: object, min_fraction: float) -> None:
        told["min_usable"] = min_fraction

    def begin(*arguments: Any, options: Any = None, **_: Any) -> NoReturn:
        tell(next(x for x in (*arguments, options) if isinstance(x, RunOptions)))
        raise Arrived

    def start(*arguments: Any, **_: Any) -> NoReturn:
        rows, worker = arguments[3:5]
        told.update({f"{name}_column": column for name, column in rows.columns.items()})
        told.update(image_root=rows.image_root, on_photo_error=rows.on_photo_error)
        begin(worker.run_options())

    monkeypatch.setattr(shelfsure.spark.session, "connect", nullcontext)
    monkeypatch.setattr(shelfsure.spark.jobs, "Job", start)
    monkeypatch.setattr(shelfsure.catalog.catalog, "read_catalog", read)
    monkeypatch.setattr(shelfsure.catalog.catalog_file, "CatalogFile", opened)
    monkeypatch.setattr(shelfsure.catalog.tables, "open_table", table)
    monkeypatch.setattr(shelfsure.catalog.taxonomy_file, "read_taxonomy", taxonomy)
    monkeypatch.setattr(shelfsure.catalog.usable, "require_usable", enough)
    monkeypatch.setattr(shelfsure.pipeline.verdict_file, "read_rows", lambda _: [])
    monkeypatch.setattr(shelfsure.pipeline.judged_file, "require_first_rows", enough)
    monkeypatch.setattr(shelfsure.embedding.embedder, "load_embedder", begin)
    monkeypatch.setattr(shelfsure.pipeline.pipeline, "load_embedder", begin)
    monkeypatch.setattr(ListingPipeline, "load", begin)
    monkeypatch.setattr(ListingPipeline, "add_categories", begin)
    monkeypatch.setattr(shelfsure.finetuning.run, "finetune", begin)
    monkeypatch.setattr(shelfsure.pipeline.persistence, "load_settings", lambda _: None)
    monkeypatch.setattr(shelfsure.serving.serve, "serve", lambda open_, **_: open_())
    comparison = shelfsure.finetuning.backbone_comparison
    monkeypatch.setattr(comparison.candidates, "find_candidates", lambda _: ([], {}))
    monkeypatch.setattr(PhotoEncoder, "load", lambda **_: None)
    monkeypatch.setattr(comparison.dataset, "gather", lambda *_, **__: (None, None, None))
    monkeypatch.setattr(comparison.experiment, "compare_backbones", begin)
    return told


def test_every_command_with_shared_options_is_tried() -> None:
    assert {name for name, command in commands() if shared(command)} == set(COMMANDS)


def test_the_options_tried_are_all_there_are() -> None:
    groups = (FileOptions, PhotoOptions, EncoderOptions)
    defaults = {name: value for group in groups for name, value in vars(group()).items()}
    assert defaults.keys() == GIVEN.keys()
    assert all(GIVEN[name] != value for name, value in defaults.items())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_shared_option_of_a_command_arrives(
    name: str, arrived: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    options = shared(dict(commands())[name])
    assert options
    given: list[str] = []
    for option in options:
        flag, value = f"--{option.replace('_', '-')}", GIVEN[option]
        given += [flag] if value is True else [flag, str(value)]
    monkeypatch.setattr(sys, "argv", ["shelfsure", *name.split(), *COMMANDS[name], *given])
    with pytest.raises(Arrived):
        cli.main()
    assert {option: arrived.get(option) for option in options} == {
        option: GIVEN[option] for option in options
    }


@pytest.mark.parametrize(
    ("name", "n_options"), [("taxonomy list", 0), ("taxonomy add", 2), ("classify", 5),
                            ("index search", 5), ("finetune", 18), ("export", 17)]
)  # fmt: skip
def test_a_command_takes_no_option_that_it_has_no_use_for(name: str, n_options: int) -> None:
    assert len(shared(dict(commands())[name])) == n_options
