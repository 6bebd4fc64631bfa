import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from shelfsure.catalog.catalog import Catalog, RejectedRow, read_catalog
from shelfsure.core.errors import ConfigError
from shelfsure.pipeline.batch import check_suffix, judge, write_verdicts
from shelfsure.pipeline.pipeline import ListingPipeline
from shelfsure.pipeline.verdict import Verdict

Rows = list[tuple[int, Verdict]]
NESTED = {"top_k", "sure_of", "views", "neighbours", "duplicates", "reasons"}


@pytest.fixture(scope="module")
def pipeline(tiny_trained: ListingPipeline) -> ListingPipeline:
    return replace(tiny_trained, retrieval=None, version="abc")


@pytest.fixture(scope="module")
def catalog(tiny_folder: Path) -> Catalog:
    return read_catalog(tiny_folder / "catalogue.csv")


@pytest.fixture(scope="module")
def rows(pipeline: ListingPipeline, catalog: Catalog) -> Rows:
    return judge(pipeline, catalog)


def read_back(path: Path) -> list[dict[str, Any]]:
    """A file's records, nested fields parsed, nothing where a cell is empty."""
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as file:
            records: list[dict[str, Any]] = list(csv.DictReader(file))
    else:
        records = pd.read_parquet(path).astype(object).to_dict("records")
    for record in records:
        for key, value in record.items():
            missing = value is None or value == "" or value != value
            record[key] = None if missing else value
            if key in NESTED and not missing:
                record[key] = json.loads(value)
    return records


def test_judge_lets_listings_go_by_their_title_where_that_is_asked_for(
    pipeline: ListingPipeline, rows: Rows, tiny_folder: Path
) -> None:
    catalog = read_catalog(tiny_folder / "catalogue.csv", on_photo_error="title")
    by_title, by_photo = dict(judge(pipeline, catalog)), dict(rows)
    assert by_title.keys() == by_photo.keys()
    assert (by_photo[6].decision, by_title[6].route) == ("rejected", "text_only")
    assert by_title[6].category == "Home > Lamps"
    assert "goes by its title, as its photo can't be used" in by_title[6].reasons[-1]
    assert all(by_title[row] == by_photo[row] for row in by_photo if row != 6)


def test_judge_tells_of_a_photo_that_isnt_there(pipeline: ListingPipeline, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,title,image\n1,lamp,https://x.org/a.jpg\n2,lamp,\n")
    catalog = read_catalog(tmp_path / "a.csv", on_photo_error="title")
    (_, without), (_, never) = judge(pipeline, catalog)
    assert without.reasons[:-1] == never.reasons
    assert without.reasons[-1].startswith("It goes by its title")
    assert "photo is a URL" in without.reasons[-1]
    assert without.model_copy(update={"reasons": (), "listing_id": ""}) == never.model_copy(
        update={"reasons": (), "listing_id": ""}
    )


def test_judge_without_photos_goes_by_titles(pipeline: ListingPipeline, tiny_folder: Path) -> None:
    verdicts = judge(pipeline, read_catalog(tiny_folder / "catalogue.csv", photos=False))
    routes = {verdict.route for _, verdict in verdicts if verdict.decision != "rejected"}
    assert routes == {"text_only"}


def test_judge_gives_every_row_its_verdict_in_file_order(rows: Rows, tiny_folder: Path) -> None:
    with (tiny_folder / "catalogue.csv").open(encoding="utf-8", newline="") as file:
        ids = [record["listing_id"] for record in csv.DictReader(file)]
    assert [row for row, _ in rows] == list(range(1, len(ids) + 1))
    assert [verdict.listing_id for _, verdict in rows] == ids
    rejected = {row: verdict for row, verdict in rows if verdict.decision == "rejected"}
    # by decoding, by reading the file
    assert sorted(rejected) == [6, 10]
    assert "bad.png" in rejected[6].reasons[0]
    assert rejected[10].reasons == ("duplicate id: row 1 has it too",)
    assert {verdict.model_version for _, verdict in rows} == {"abc"}


def test_judge_takes_a_catalogue_of_rejected_rows_only(pipeline: ListingPipeline) -> None:
    catalog = Catalog((), (), (RejectedRow(1, "a", "missing photo and title"),))
    ((row, verdict),) = judge(pipeline, catalog)
    assert (row, verdict.listing_id, verdict.decision) == (1, "a", "rejected")


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_write_verdicts_keeps_rows_order_and_values(
    rows: Rows, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"verdicts{suffix}"
    write_verdicts(path, rows)
    records = read_back(path)
    assert [int(record["row"]) for record in records] == [row for row, _ in rows]
    for record, (_, verdict) in zip(records, rows, strict=True):
        assert set(record) == {*Verdict.model_fields, "row", "title"}
        assert record["listing_id"] == verdict.listing_id
        assert record["category"] == verdict.category
        assert record["decision"] == verdict.decision
        assert record["reasons"] == list(verdict.reasons)
        assert record["top_k"] == [guess.model_dump() for guess in verdict.top_k]
        probability = record["probability"]
        assert (None if probability is None else float(probability)) == verdict.probability


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_write_verdicts_sets_titles_beside_them(
    rows: Rows, catalog: Catalog, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"verdicts{suffix}"
    write_verdicts(path, rows, catalog)
    titles = {record["listing_id"]: record["title"] for record in read_back(path)[10:]}
    assert len(titles) == 54
    own = {listing.listing_id: listing.title for listing in catalog.listings}
    assert titles == {key: own[key] for key in titles}
    assert read_back(path)[9]["title"] is None  # a row that couldn't be read


def test_write_verdicts_makes_lines_that_are_verdicts_again(rows: Rows, tmp_path: Path) -> None:
    write_verdicts(tmp_path / "v.jsonl", rows)
    lines = (tmp_path / "v.jsonl").read_text(encoding="utf-8").splitlines()
    again = [Verdict.model_validate(json.loads(line)) for line in lines]
    assert again == [verdict for _, verdict in rows]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_write_verdicts_keeps_odd_ids_as_text(tmp_path: Path, suffix: str) -> None:
    ids = ["007", "1e5", "NA", 'a"b,c', "кружка", "two\u2028lines", "=1+1"]
    rows = [(i, Verdict(listing_id=x, decision="review")) for i, x in enumerate(ids, start=1)]
    path = tmp_path / f"v{suffix}"
    write_verdicts(path, rows)
    if suffix == ".jsonl":
        records = [json.loads(x) for x in path.read_text(encoding="utf-8").rstrip("\n").split("\n")]
    else:
        records = read_back(path)
    assert [record["listing_id"] for record in records] == ids


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_write_verdicts_of_nothing_is_a_readable_file(tmp_path: Path, suffix: str) -> None:
    write_verdicts(tmp_path / f"v{suffix}", [])
    assert read_back(tmp_path / f"v{suffix}") == []


def test_write_verdicts_leaves_the_old_file_if_it_fails(rows: Rows, tmp_path: Path) -> None:
    path = tmp_path / "v.parquet"
    path.write_text("old")
    broken = [(1, Verdict(listing_id="a", decision="review")), (1, None)]
    with pytest.raises(AttributeError):
        write_verdicts(path, broken)  # type: ignore[arg-type]
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["v.xlsx", "v", "v.csv.gz"])
def test_check_suffix_names_what_is_possible(name: str) -> None:
    with pytest.raises(ConfigError, match=r"\.csv, \.jsonl, \.parquet, but --out is v"):
        check_suffix(Path(name))
    check_suffix(Path("V.CSV"))


def test_verdicts_of_a_file_in_another_format_are_the_same(
    rows: Rows, pipeline: ListingPipeline, tiny_folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(tiny_folder / "photos", tmp_path / "photos")
    table = pd.read_csv(tiny_folder / "catalogue.csv", dtype=str)
    table.to_json(tmp_path / "c.jsonl", orient="records", lines=True)
    table.to_parquet(tmp_path / "c.parquet")
    for name in ("c.jsonl", "c.parquet"):
        again = judge(pipeline, read_catalog(tmp_path / name))
        assert [(r, v.listing_id, v.category, v.decision) for r, v in again] == [
            (r, v.listing_id, v.category, v.decision) for r, v in rows
        ]
