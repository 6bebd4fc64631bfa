"""The commands about the catalogue as a whole; fake encoders, but for the starter's own tests."""

import csv
import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from shelfsure.embedding.embedder import Embedder
from shelfsure.retrieval.duplicates import find
from shelfsure.retrieval.index.store import ListingIndex

CONFIG = """\
levels: 2
min_examples: 5
accept: {target_precision: 0.8, confidence: 0.8}
retrieval: {alpha: 0.1}
"""


Run = Callable[..., Any]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("workplace")


@pytest.fixture
def index(run: Run, workplace: Path, drawn_shop: Path, tmp_path: Path) -> Path:
    """An index of the drawn shop, for each test its own copy."""
    built = workplace / "index"
    if not built.exists():
        done = run("index", "build", drawn_shop / "catalogue.csv", "--out", built)
        assert done.code == 0, done.error
        (workplace / "build.txt").write_text(done.out)
    return Path(shutil.copytree(built, tmp_path / "index"))


@pytest.fixture
def bundle(run: Run, workplace: Path, drawn_shop: Path, tmp_path: Path) -> Path:
    """A bundle trained with outside photos, for each test its own copy."""
    trained = workplace / "shop"
    if not trained.exists():
        (workplace / "quick.yaml").write_text(CONFIG)
        done = run(
            "train", drawn_shop / "catalogue.csv", "--out", trained, "--mlflow", "none",
            "--config", workplace / "quick.yaml", "--outside", drawn_shop / "outside",
        )  # fmt: skip
        assert done.code == 0, done.error
    return Path(shutil.copytree(trained, tmp_path / "shop"))


def records(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write(path: Path, *rows: tuple[str, ...]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("listing_id", "title", "category", "image"), *rows])
    return path


def ok(done: Any) -> str:
    assert done.code == 0, done.error
    return done.out


def error_line(done: Any) -> str:
    assert done.code == 1
    said, mark, error = done.error.rpartition("Error: ")
    assert mark
    assert all(": columns " in line or line[:6] == "Note: " for line in said.splitlines())
    return error


def test_index_build_says_what_it_holds(index: Path, workplace: Path) -> None:
    said = (workplace / "build.txt").read_text()
    assert "44 rows: 44 kept, 0 rejected" in said
    assert "44 listings" in said
    assert "photo: 44 vectors of 192 dimensions, exact" in said
    assert "title: 44 vectors of 48 dimensions, exact, recall@10 1.000" in said


def test_index_build_sets_bad_photos_aside(run: Run, tiny_folder: Path) -> None:
    said = ok(run("index", "build", tiny_folder / "catalogue.csv", "--out", "tiny"))
    assert "64 rows: 62 kept, 2 rejected" in said
    assert "tiny-rejected.csv" in said
    rejected = [row["listing_id"] for row in records(Path("tiny-rejected.csv"))]
    assert rejected == ["bad-photo", "t00"]


def test_index_build_takes_titles_alone(run: Run) -> None:
    catalogue = write(Path("titles.csv"), ("a", "red lamp", "", ""), ("b", "blue rug", "", ""))
    assert "2 listings" in ok(run("index", "build", catalogue, "--out", "titles"))
    said = ok(run("index", "search", "titles", "--title", "rug"))
    assert said.index("blue rug") < said.index("red lamp")


def test_index_search_by_photo_title_or_both(run: Run, index: Path, drawn_shop: Path) -> None:
    photo = drawn_shop / "photos/4.png"
    assert "s04" in ok(run("index", "search", index, "--photo", photo, "-k", "1"))
    by_title = ok(run("index", "search", index, "--title", "hammocks hanging", "-k", "2"))
    assert "s42" in by_title
    assert "s43" in by_title
    assert "Garden > Hammocks" in by_title
    assert "lamps" not in by_title
    both = ok(run("index", "search", index, "--photo", photo, "--title", "rugs woven Brand4 X4",
                  "-k", "1"))  # fmt: skip
    assert "1.000" in both
    assert "s04" in both


def test_index_search_needs_a_photo_or_a_title(run: Run, index: Path, drawn_shop: Path) -> None:
    assert "photo or a title is needed" in error_line(run("index", "search", index))
    said = error_line(run("index", "search", index, "--photo", drawn_shop / "catalogue.csv"))
    assert "catalogue.csv" in said


def test_index_add_replaces_and_remove_takes_away(
    run: Run, index: Path, drawn_shop: Path, tmp_path: Path
) -> None:
    photo = str(drawn_shop / "photos/0.png")
    more = write(tmp_path / "more.csv", ("s00", "a garden gnome", "Garden", photo),
                 ("new", "another gnome", "Garden", ""))  # fmt: skip
    said = ok(run("index", "add", index, more, "--image-root", drawn_shop))
    assert "45 listings" in said
    found = ok(run("index", "search", index, "--title", "gnome", "-k", "2"))
    assert "a garden gnome" in found
    assert "another gnome" in found
    said = ok(run("index", "remove", index, "new", "s00", "nobody"))
    assert said.startswith("2 of 3 listings removed.\n")
    info = ok(run("index", "info", index))
    assert "43 listings" in info
    assert "gnome" not in ok(run("index", "search", index, "--title", "gnome", "-k", "9"))


def test_index_merge_adds_the_others_listings(run: Run, index: Path, tmp_path: Path) -> None:
    other = write(tmp_path / "other.csv", ("gnome", "a garden gnome", "", ""))
    ok(run("index", "build", other, "--out", "other"))
    assert "45 listings" in ok(run("index", "merge", index, "other"))
    assert "gnome" in ok(run("index", "search", index, "--title", "garden gnome", "-k", "1"))


def test_index_rebuild_writes_one_piece_of_the_kind_wished(
    run: Run, index: Path, tmp_path: Path
) -> None:
    ok(run("index", "add", index, write(tmp_path / "more.csv", ("gnome", "a gnome", "", ""))))
    assert ListingIndex.open(index).info().kind == "auto"
    assert "45 listings" in ok(run("index", "rebuild", index, "--kind", "hnsw"))
    info = ListingIndex.open(index).info()
    assert (info.kind, info.n_segments) == ("hnsw", 1)
    assert "'tree'" in error_line(run("index", "rebuild", index, "--kind", "tree"))


@pytest.mark.parametrize("command", [["info"], ["remove"], ["merge"], ["rebuild"], ["search"]])
def test_index_commands_say_where_there_is_no_index(run: Run, command: list[str]) -> None:
    more = {"remove": ["id"], "merge": ["other"], "search": ["--title", "lamp"]}
    done = run("index", *command, "nowhere", *more.get(command[0], []))
    assert "nowhere" in error_line(done)


def test_index_refuses_other_encoders(
    run: Run, index: Path, monkeypatch: pytest.MonkeyPatch, naming_embedder: Callable[..., Embedder]
) -> None:
    other = naming_embedder()
    other.texts.fingerprint = "0" * 64
    monkeypatch.setattr("shelfsure.embedding.embedder.load_embedder", lambda *_, **__: other)
    assert "title" in error_line(run("index", "search", index, "--title", "lamp"))


@pytest.fixture
def copies(drawn_shop: Path, tmp_path: Path) -> Path:
    """Uploads: 12 new photos, a copy of the fifth of them, and one of the shop's third."""
    folder = tmp_path / "uploads"
    folder.mkdir()
    rows = []
    for number in range(12):
        shutil.copyfile(drawn_shop / f"spare/{number}.png", folder / f"{number}.png")
        rows.append((f"u{number:02d}", f"thing of kind X{number}", "", f"{number}.png"))
    Image.open(folder / "5.png").crop((12, 10, 308, 270)).save(folder / "crop.jpg", quality=85)
    shutil.copyfile(drawn_shop / "photos/3.png", folder / "twin.png")
    rows.append(("crop", rows[5][1], "", "crop.jpg"))
    rows.append(("twin", "lamps glow Brand3 X3", "", "twin.png"))
    (folder / "bad.png").write_bytes(b"no photo")
    rows.append(("bad", "thing", "", "bad.png"))
    return write(folder / "uploads.csv", *rows)


def test_duplicates_within_a_file(run: Run, copies: Path) -> None:
    said = ok(run("duplicates", copies, "--out", "found"))
    assert "15 rows: 14 kept, 1 rejected" in said
    assert "Candidates: exact search, recall@10 1.000." in said
    assert "0 same_photo, 1 same_product, 0 variant; 1 groups" in said
    (pair,) = records(Path("found/pairs.csv"))
    assert {pair["listing_id_a"], pair["listing_id_b"]} == {"u05", "crop"}
    assert [row["listing_id"] for row in records(Path("found/rejected.csv"))] == ["bad"]
    (step,) = json.loads(Path("found/merge.json").read_text())["steps"]
    assert (step["listing_id"], step["into"]) == ("crop", "u05")  # the larger photo is kept
    assert "u05" in Path("found/report.html").read_text()


def test_duplicates_against_an_index(run: Run, copies: Path, index: Path) -> None:
    said = ok(run("duplicates", copies, "--against", index, "--out", "found"))
    assert "1 same_photo" in said
    pairs = [(p["listing_id_a"], p["listing_id_b"]) for p in records(Path("found/pairs.csv"))]
    assert pairs == [("twin", "s03")]


def test_duplicates_can_fit_the_cut_off(
    run: Run, copies: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = partial(find.fit_pair_model, n_sources=6, n_edits=2)
    monkeypatch.setattr(find, "fit_pair_model", quick)
    assert "1 same_product" in ok(run("duplicates", copies, "--fit", "--out", "found"))
    few = write(copies.with_name("few.csv"), ("a", "thing", "", "1.png"))
    assert "10" in error_line(run("duplicates", few, "--fit", "--out", "few"))
    done = run("duplicates", copies, "--fit", "--precision", "2", "--out", "none")
    assert (done.code, "precision" in done.error) == (2, True)


def test_taxonomy_add_makes_a_category_known_by_name(
    run: Run, bundle: Path, tmp_path: Path
) -> None:
    trained = ["Home > Lamps", "Home > Rugs", "Toys > Kites"]
    assert ok(run("taxonomy", "list", bundle)).splitlines() == [
        *trained, "Garden > Hammocks (by name only)",
    ]  # fmt: skip
    titles = {"gnome": "garden gnome", "swing": "hammocks hanging", "lamp": "lamps glow X0"}
    uploads = write(tmp_path / "uploads.csv", *((x, title, "", "") for x, title in titles.items()))
    ok(run("predict", bundle, uploads, "--out", "before.csv"))
    said = ok(run("taxonomy", "add", bundle, "Garden>Gnome", "Garden > Hammocks"))
    assert "Garden>Gnome" in said
    assert ok(run("taxonomy", "list", bundle)).splitlines()[3:] == [
        "Garden > Hammocks (by name only)",
        "Garden > Gnome (by name only)",
    ]
    ok(run("predict", bundle, uploads, "--out", "after.csv"))
    before, after = (
        {row["listing_id"]: row for row in records(Path(name))}
        for name in ("before.csv", "after.csv")
    )
    assert before["gnome"]["category"] != "Garden > Gnome"
    found = after["gnome"]
    assert (found["category"], found["route"]) == ("Garden > Gnome", "zero_shot")
    assert found["decision"] == "review"
    assert after["lamp"]["category"] == "Home > Lamps"
    assert after["lamp"]["route"] == "text_only"
    near = [x["listing_id"] for x in json.loads(after["swing"]["neighbours"])]
    assert {"s42", "s43"} == set(near[:2])  # the index came along
    assert before["lamp"]["model_version"] != after["lamp"]["model_version"]


def test_taxonomy_list_loads_no_encoder(
    run: Run, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("shelfsure.pipeline.persistence.load_embedder")
    assert ok(run("taxonomy", "list", bundle)).splitlines()[0] == "Home > Lamps"
    assert "nowhere" in error_line(run("taxonomy", "list", "nowhere"))


def test_taxonomy_add_says_what_it_cant_add(run: Run, bundle: Path) -> None:
    assert "must have a name" in error_line(run("taxonomy", "add", bundle, " > "))
    assert "nowhere" in error_line(run("taxonomy", "add", "nowhere", "Gnomes"))
    assert ok(run("taxonomy", "list", bundle)).count("by name only") == 1


def test_evaluate_measures_the_gate_and_the_arms_without_training(
    run: Run, bundle: Path, drawn_shop: Path, tmp_path: Path
) -> None:
    outside = Path(shutil.copytree(drawn_shop / "outside", tmp_path / "outside"))
    (outside / "broken.jpg").write_bytes(b"no photo")
    said = ok(run("evaluate", bundle, drawn_shop / "catalogue.csv", "--out", "report",
                  "--outside", outside, "--mlflow", "none"))  # fmt: skip
    metrics = json.loads(Path("report/metrics.json").read_text())
    ood = metrics["ood"]
    assert set(ood) == {"auroc", "fpr95", "refused_inside", "refused_outside", "alpha",
                        "n_inside", "n_outside"}  # fmt: skip
    assert (ood["alpha"], ood["n_inside"], ood["n_outside"]) == (0.1, 44, 12)
    assert ood["auroc"] > 0.95
    assert ood["fpr95"] < 0.2
    assert ood["refused_outside"] > 0.9
    assert ood["refused_inside"] < 0.3
    assert f"AUROC {ood['auroc']:.3f}" in said
    arms = metrics["arms"]
    assert set(arms) == {"fusion", "image_only", "title_only", "text_only", "knn", "zero_shot"}
    assert arms["knn"]["top1"] > 0.9
    assert arms["zero_shot"]["top1"] > 0.9  # each title names its category
    assert {arms[name]["n_answered"] for name in ("knn", "zero_shot")} == {42}


def test_evaluate_without_outside_photos_measures_no_gate(
    run: Run, bundle: Path, drawn_shop: Path
) -> None:
    ok(run("evaluate", bundle, drawn_shop / "catalogue.csv", "--out", "report",
           "--mlflow", "none"))  # fmt: skip
    assert "ood" not in json.loads(Path("report/metrics.json").read_text())
    done = run("evaluate", bundle, drawn_shop / "catalogue.csv", "--out", "none",
               "--outside", "nowhere", "--mlflow", "none")  # fmt: skip
    assert "nowhere" in error_line(done)


def test_predict_refuses_what_is_strange_and_finds_what_is_there_twice(
    run: Run, bundle: Path, drawn_shop: Path, copies: Path
) -> None:
    shutil.copyfile(drawn_shop / "outside/noise 05.png", copies.with_name("noise.png"))
    uploads = write(copies.with_name("two.csv"), ("noise", "", "", "noise.png"),
                    ("twin", "lamps glow Brand3 X3", "", "twin.png"))  # fmt: skip
    ok(run("predict", bundle, uploads, "--out", "verdicts.jsonl"))
    noise, twin = map(json.loads, Path("verdicts.jsonl").read_text().splitlines())
    assert noise["decision"] == "out_of_catalogue"
    assert noise["ood_p_value"] <= 0.1
    assert (twin["category"], twin["decision"]) == ("Home > Lamps", "review")
    assert twin["reasons"][0].startswith("It is in the catalogue already, as s03")
    assert [(d["listing_id"], d["verdict"]) for d in twin["duplicates"]] == [("s03", "same_photo")]
    assert twin["neighbours"][0]["listing_id"] == "s03"
    assert len(twin["neighbours"]) == 5


def ranked(said: str, *names: str) -> list[str]:
    """Order the names as the table does."""
    return sorted(names, key=lambda name: next(
        number for number, line in enumerate(said.splitlines()) if name in line.split()
    ))  # fmt: skip


def test_classify_sorts_into_ones_own_categories(run: Run, tmp_path: Path) -> None:
    said = ok(run("classify", "--title", "red kettle", "--labels", "lamp,kettle"))
    assert ranked(said, "lamp", "kettle") == ["kettle", "lamp"]
    labels = tmp_path / "labels.txt"
    labels.write_text("lamp\tglow\nkettle\n")
    said = ok(run("classify", "--title", "glow", "--labels-file", labels))
    assert ranked(said, "lamp", "kettle") == ["lamp", "kettle"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--title", "lamp"], "either --labels or --labels-file"),
        (["--title", "lamp", "--labels", "a,b", "--labels-file", "x"], "either --labels"),
        (["--title", "lamp", "--labels", "lamp"], "at least 2"),
        (["--title", "lamp", "--labels-file", "nowhere.txt"], "nowhere.txt"),
        (["--labels", "a,b"], "photo or a title is needed"),
        (["--title", " ", "--labels", "a,b"], "photo or a title is needed"),
        (["nowhere.jpg", "--labels", "a,b"], "nowhere.jpg"),
    ],
)
def test_classify_says_what_is_wrong(run: Run, arguments: list[str], said: str) -> None:
    assert said in error_line(run("classify", *arguments))


@pytest.mark.realdata
def test_classify_with_the_starters_own_encoders(run_starter: Run, real_data: Path) -> None:
    labels = ("dog", "tractor", "palace")
    common = ("--labels", ",".join(labels), "--runtime", "torch")
    photo = run_starter("classify", real_data / "outside/tractor.jpg", *common)
    assert ranked(ok(photo), *labels)[0] == "tractor"
    title = run_starter("classify", "--title", "Labrador puppy", *common)
    assert ranked(ok(title), *labels)[0] == "dog"


@pytest.mark.parametrize(
    "command",
    [["duplicates"], ["classify"], ["index"], ["taxonomy"], ["taxonomy", "add"],
     ["taxonomy", "list"], *(["index", name] for name in
     ("build", "add", "remove", "merge", "rebuild", "info", "search"))],
    ids=" ".join,
)  # fmt: skip
def test_help_answers_for_every_command(run: Run, command: list[str]) -> None:
    done = run(*command, "--help")
    assert done.code == 0
    assert "Usage: shelfsure" in done.out
