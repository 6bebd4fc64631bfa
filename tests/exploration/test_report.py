import csv
import json
from dataclasses import replace

import pytest
from shelfsure.core.files import require_free_folder
from shelfsure.exploration.findings import KINDS
from shelfsure.exploration.report import AUDIT, TITLES, write_audit


def test_write_audit_says_the_same_in_table_and_numbers(tiny_audit, tmp_path):
    write_audit(tiny_audit, tmp_path, header={})
    told = json.loads((tmp_path / "audit.json").read_text())
    with (tmp_path / "findings.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(told["findings"]) == len(tiny_audit.findings) > 3
    for row, finding in zip(rows, told["findings"], strict=True):
        assert {key: str("" if value is None else value) for key, value in finding.items()} == row
    assert told["counts"]["wrong_label"] >= 1
    assert told["left_out"] == {"Garden > Hoses": 2}
    assert told["categories"][0]["forecast"]["n"] == 20
    require_free_folder(tmp_path, AUDIT, replace=True)


def test_write_audit_makes_a_page_that_loads_and_runs_nothing(tiny_audit, tmp_path):
    page = write_audit(tiny_audit, tmp_path, header={"catalogue": "<b>.csv"}).read_text()
    assert "default-src 'none'" in page
    assert "data:image/jpeg;base64," in page
    assert "<script" not in page
    assert "http://" not in page
    assert "https://" not in page
    assert "&lt;b&gt;.csv" in page
    assert "Labels that are more likely wrong than right" in page


def test_write_audit_shows_titles_as_text(tiny_audit, tmp_path):
    evil = "<script>alert(1)</script> \ud83d"
    listings = tuple(replace(one, title=evil) for one in tiny_audit.catalog.listings)
    audit = replace(tiny_audit, catalog=replace(tiny_audit.catalog, listings=listings))
    page = write_audit(audit, tmp_path, header={}).read_text()
    assert "<script" not in page
    assert "&lt;script&gt;" in page


@pytest.mark.parametrize("findings", [()])
def test_write_audit_of_nothing_says_so(tiny_audit, tmp_path, findings):
    audit = replace(tiny_audit, findings=findings, pairs=(), left_out={})
    assert "Nothing to repair" in write_audit(audit, tmp_path, header={}).read_text()
    assert json.loads((tmp_path / "audit.json").read_text())["findings"] == []


def test_every_kind_has_a_title():
    assert set(TITLES) == set(KINDS)
