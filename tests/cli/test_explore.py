"""`shelfsure explore` on the drawn shop, with fake encoders."""

import json
import shutil

from shelfsure.exploration.maps import explore


def test_explore_writes_a_report_and_replaces_it(run, shop, tmp_path, monkeypatch):
    monkeypatch.setattr(explore, "has_umap", lambda: False)
    arguments = (
        "--levels",
        2,
        "--families",
        "tfidf,colour,photo-encoder+tfidf",
        "--mlflow",
        "none",
    )
    for maps in ((), ("--no-maps",)):
        done = run("explore", shop / "catalogue.csv", "--out", "report", *arguments, *maps)
        assert done.code == 0, done.error
    told = json.loads((tmp_path / "report/explore.json").read_text())
    assert [each["name"] for each in told["families"]] == ["tfidf", "colour", "photo-encoder+tfidf"]
    assert told["families"][1]["map_silhouette"] is None  # the second time, without maps
    assert (tmp_path / "report/rejected.csv").exists()
    assert "colour" in done.out


def test_explore_reads_a_folder_a_category(run, shop, tmp_path):
    for number, photo in enumerate(sorted(shop.rglob("*.png"))[:12]):
        folder = tmp_path / "photos" / ("lamps" if number % 2 else "rugs")
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(photo, folder)
    done = run(
        "explore", "photos", "--out", "report", "--families", "colour", "--no-maps", "--mlflow",
        "none",
    )  # fmt: skip
    assert done.code == 0, done.error
    told = json.loads((tmp_path / "report/explore.json").read_text())
    assert {each["name"]: each["n"] for each in told["categories"]} == {
        "all": 12, "lamps": 6, "rugs": 6,
    }  # fmt: skip


def test_explore_names_the_families_that_it_knows(run, shop):
    done = run("explore", shop / "catalogue.csv", "--out", "report", "--families", "tfidf,hug")
    assert done.code == 1
    assert "'hug'" in done.error
    assert "word-vectors" in done.error


def test_explore_says_why_nothing_is_compared_and_wants_a_family(run, shop):
    arguments = ("--out", "report", "--no-maps", "--mlflow", "none", "--families")
    few = ("--min-examples", 999)
    done = run("explore", shop / "catalogue.csv", *arguments, "tfidf", *few)
    assert "Lower --min-examples or --levels" in done.out
    done = run("explore", shop / "catalogue.csv", *arguments, "")
    assert done.code == 1
    assert "holds 'nothing'" in done.error
