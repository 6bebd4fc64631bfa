"""No output replaces an input, a folder of another kind, or a file that isn't Shelfsure's own."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from shelfsure.pipeline.bundle import open_bundle
from shelfsure.retrieval.index.store import ListingIndex

Run = Callable[..., Any]


def everything(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def refused(done: Any, *said: str) -> None:
    assert done.code == 1, done
    assert "Error: " in done.error
    assert "Traceback" not in done.error
    for each in said:
        assert each in done.error


def test_predict_never_replaces_the_file_that_it_judges(run: Run, bundle: Path, shop: Path) -> None:
    before = everything(shop)
    link = shop / "link.csv"
    link.symlink_to("catalogue.csv")
    for out in (shop / "catalogue.csv", shop / "photos/../catalogue.csv", link):
        done = run("predict", bundle, shop / "catalogue.csv", "--out", out)
        refused(done, "must not replace what it is made from", out.name)
    link.unlink()
    assert everything(shop) == before


def test_predict_replaces_earlier_verdicts_and_nothing_else(
    run: Run, bundle: Path, shop: Path, tmp_path: Path
) -> None:
    for suffix in ("csv", "jsonl", "parquet"):
        out = tmp_path / f"verdicts.{suffix}"
        for _ in range(2):
            done = run("predict", bundle, shop / "catalogue.csv", "--out", out, "--no-duplicates")
            assert done.code == 0, done.error
        out.write_bytes(b"listing_id,title\n1,my own list\n")
        done = run("predict", bundle, shop / "catalogue.csv", "--out", out)
        refused(done, "Only a file of verdicts", str(out))
        assert out.read_bytes() == b"listing_id,title\n1,my own list\n"


@pytest.mark.parametrize("name", ["train.csv", "test.csv", "rejected.csv"])
def test_split_replaces_neither_its_input_nor_others_files(run: Run, shop: Path, name: str) -> None:
    (shop / "catalogue.csv").rename(shop / name)
    before = everything(shop)
    refused(run("split", shop / name, "--out", shop), "must not replace", name)
    assert everything(shop) == before
    shutil.copyfile(shop / name, shop / "catalogue.csv")
    refused(run("split", shop / "catalogue.csv", "--out", shop), "may be replaced", name)
    assert everything(shop).keys() - before.keys() == {"catalogue.csv"}
    assert (shop / name).read_bytes() == before[name]


def test_split_into_its_catalogues_folder_can_be_repeated(run: Run, shop: Path) -> None:
    before = everything(shop)
    for seed in (0, 1):
        done = run("split", shop / "catalogue.csv", "--out", shop, "--seed", seed)
        assert done.code == 0, done.error
    after = everything(shop)
    assert after.keys() - before.keys() == {"train.csv", "test.csv", "rejected.csv"}
    assert {name: after[name] for name in before} == before
    refused(run("split", shop / "train.csv", "--out", shop), "must not replace", "train.csv")
    assert everything(shop) == after


def test_index_build_writes_to_no_other_folder(run: Run, bundle: Path, shop: Path) -> None:
    for folder in (bundle, shop):
        before = everything(folder)
        done = run("index", "build", shop / "catalogue.csv", "--out", folder)
        refused(done, "An index is written to a new or empty folder", str(folder))
        assert everything(folder) == before
    open_bundle(bundle)


def test_index_build_repairs_an_index_and_keeps_what_isnt_its_own(
    run: Run, shop: Path, tmp_path: Path
) -> None:
    out = tmp_path / "index"
    assert run("index", "build", shop / "catalogue.csv", "--out", out).code == 0
    (out / "manifest.json").write_text("{")
    assert run("index", "build", shop / "catalogue.csv", "--out", out).code == 0
    (out / "notes.txt").write_text("mine")
    assert run("index", "build", shop / "catalogue.csv", "--out", out).code == 0
    assert (out / "notes.txt").read_text() == "mine"
    assert len(ListingIndex.open(out).ids()) == 44


def test_index_build_never_replaces_its_input_by_the_rejected(run: Run, shop: Path) -> None:
    catalogue = shop / "index-rejected.csv"
    (shop / "catalogue.csv").rename(catalogue)
    before = everything(shop)
    refused(run("index", "build", catalogue, "--out", shop / "index"), "must not replace")
    assert everything(shop) == before


def test_taxonomy_add_keeps_files_that_arent_the_bundles(
    run: Run, drawn_shop: Path, tmp_path: Path
) -> None:
    bundle = tmp_path / "shop"
    (tmp_path / "quick.yaml").write_text("levels: 2\n")
    train = ("train", drawn_shop / "catalogue.csv", "--out", bundle, "--mlflow", "none",
             "--config", tmp_path / "quick.yaml")  # fmt: skip
    assert run(*train).code == 0
    (bundle / "notes").mkdir()
    (bundle / "notes/why.txt").write_text("mine")
    (bundle / "link").symlink_to("notes/why.txt")
    rejected = (bundle / "rejected.csv").read_bytes()
    assert run("taxonomy", "add", bundle, "Garden > Gnomes").code == 0
    assert (bundle / "rejected.csv").read_bytes() == rejected
    assert run(*train, "--overwrite").code == 0
    assert (bundle / "notes/why.txt").read_text() == "mine"
    assert (bundle / "link").is_symlink()
    assert (bundle / "link").read_text() == "mine"
    assert "Gnomes" not in run("taxonomy", "list", bundle).out
    assert [path.name for path in tmp_path.glob(".*")] == []


def test_train_never_replaces_a_list_of_ones_own(run: Run, bundle: Path, shop: Path) -> None:
    (bundle / "rejected.csv").write_text("customer,why\n1,rude\n")
    before = everything(bundle)
    done = run("train", shop / "catalogue.csv", "--out", bundle, "--overwrite", "--mlflow", "none")
    refused(done, "rejected.csv is something else")
    assert everything(bundle) == before


@pytest.mark.parametrize("command", ["evaluate", "duplicates"])
def test_reports_are_written_to_no_other_folder(
    run: Run, bundle: Path, shop: Path, tmp_path: Path, command: str
) -> None:
    given = [command, *([bundle] if command == "evaluate" else []), shop / "catalogue.csv"]
    given += ["--mlflow", "none"] if command == "evaluate" else []
    for folder in (bundle, shop):
        before = everything(folder)
        refused(run(*given, "--out", folder), "something else", str(folder))
        assert everything(folder) == before
    out = tmp_path / "report"
    assert run(*given, "--out", out).code == 0
    names = everything(out).keys()
    (out / "notes.txt").write_text("mine")
    assert run(*given, "--out", out).code == 0
    assert everything(out).keys() == names | {"notes.txt"}
    (out / "rejected.csv").write_bytes((shop / "catalogue.csv").read_bytes())
    again = [out / "rejected.csv" if each == shop / "catalogue.csv" else each for each in given]
    refused(run(*again, "--image-root", shop, "--out", out), "must not replace")


@pytest.fixture
def nothing_usable(tmp_path: Path) -> Path:
    """A catalogue whose photos aren't there."""
    path = tmp_path / "list" / "train.csv"
    path.parent.mkdir()
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(
            [("listing_id", "title", "category", "image")]
            + [(f"x{n}", f"lamp {n}", "Home > Lamps", f"{n}.jpg") for n in range(20)]
        )
    return path


@pytest.mark.parametrize(
    "command",
    [
        ("index", "build", "{}", "--out", "out"),
        ("index", "add", "out", "{}"),
        ("split", "{}", "--out", "out"),
        ("duplicates", "{}", "--out", "out"),
        ("predict", "bundle", "{}", "--out", "out/verdicts.csv"),
        ("evaluate", "bundle", "{}", "--out", "out", "--mlflow", "none"),
        ("train", "{}", "--out", "out", "--overwrite", "--mlflow", "none"),
    ],
    ids=lambda command: "-".join(command[:2]),
)
@pytest.mark.usefixtures("bundle")
def test_nothing_usable_is_an_error_that_leaves_what_was_there(
    run: Run, shop: Path, nothing_usable: Path, tmp_path: Path, command: tuple[str, ...]
) -> None:
    def filled(path: Path) -> list[str]:
        return [str(path) if each == "{}" else each for each in command]

    if command[0] == "train":
        shutil.copytree("bundle", "out")
    elif command[:2] == ("index", "add"):
        assert run("index", "build", shop / "catalogue.csv", "--out", "out").code == 0
    else:
        done = run(*filled(shop / "catalogue.csv"))
        assert done.code == 0, done.error
    before = everything(tmp_path / "out")
    assert before
    refused(run(*filled(nothing_usable)), "20 rows: 0 kept, 20 rejected", "Row 1: ", "--image-root")
    assert everything(tmp_path / "out") == before
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_min_usable_says_how_much_is_enough(run: Run, shop: Path, bundle: Path) -> None:
    for path in sorted((shop / "photos").iterdir())[:11]:  # of 44
        path.write_bytes(b"no photo")
    given = ("index", "build", shop / "catalogue.csv", "--out", "index")
    refused(run(*given, "--min-usable", "0.8"), "80.0% of the rows", "44 rows: 33 kept")
    assert not Path("index").exists()
    done = run(*given, "--min-usable", "0.75")
    assert done.code == 0, done.error
    given = ("predict", bundle, shop / "catalogue.csv", "--out", "verdicts.jsonl")
    refused(run(*given, "--min-usable", "0.8"), "80.0% of the rows")
    assert run(*given).code == 0
    rows = [json.loads(line) for line in Path("verdicts.jsonl").read_text().splitlines()]
    assert sum(row["decision"] == "rejected" for row in rows) == 11
