"""`shelfsure audit` on the drawn shop, with fake encoders."""

import csv
import json

from shelfsure.serving.review.store import ReviewStore


def spoilt(shop):
    """Label one rug a kite, and name each row's part."""
    with (shop / "catalogue.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for place, row in enumerate(rows):
        row["part"] = "test" if place % 4 == 0 else "train"
        if row["listing_id"] == "s04":
            row["category"] = "Toys > Kites"
    with (shop / "catalogue.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


def test_audit_names_the_wrong_label_and_queues_it(run, shop, tmp_path, monkeypatch):
    monkeypatch.setenv("SHELFSURE_REVIEWS", str(tmp_path / "reviews.sqlite"))
    spoilt(shop)
    arguments = ("--levels", 2, "--split-column", "part", "--review", "--no-learning-curve")
    for _ in range(2):  # an earlier report is replaced
        done = run("audit", shop / "catalogue.csv", "--out", "report", *arguments)
        assert done.code == 0, done.error
    told = json.loads((tmp_path / "report/audit.json").read_text())
    wrong = {f["listing_id"]: f for f in told["findings"] if f["kind"] == "wrong_label"}
    assert wrong["s04"]["suggested_category"] == "Home > Rugs"
    assert {path.name for path in (tmp_path / "report").iterdir()} == {
        "audit.html",
        "audit.json",
        "findings.csv",
        "rejected.csv",
    }
    assert [each["forecast"] for each in told["categories"]] == [None] * 3
    queued = ReviewStore(tmp_path / "reviews.sqlite").pending()
    assert "s04" in {item.listing.listing_id for item in queued}
    assert "wait in the review queue" in done.out


def test_audit_finds_what_leaks_into_the_test_file(run, shop, tmp_path):
    rows = (shop / "catalogue.csv").read_text().splitlines()
    (shop / "test.csv").write_text("\n".join([rows[0], *rows[1:4]]))
    done = run(
        "audit", shop / "catalogue.csv", "--out", "report", "--levels", 2, "--test",
        shop / "test.csv", "--no-learning-curve",
    )  # fmt: skip
    assert done.code == 0, done.error
    told = json.loads((tmp_path / "report/audit.json").read_text())
    assert told["counts"]["leak"] == 3


def test_audit_replaces_no_folder_of_another_kind(run, shop):
    done = run("audit", shop / "catalogue.csv", "--out", shop)
    assert done.code == 1
    assert "Error: " in done.error
    assert not (shop / "audit.html").exists()


def test_audit_says_which_column_is_missing(run, shop, tmp_path):
    done = run("audit", shop / "catalogue.csv", "--out", "report", "--split-column", "fold")
    assert done.code == 1
    assert "`fold`, named by --split-column, is missing" in done.error
    assert not (tmp_path / "report").exists()
