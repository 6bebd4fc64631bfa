"""Files to rows: what is written comes back as it was, and broken rows don't take others along."""

import csv
import gzip
import json
import threading
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from shelfsure.catalog.catalog import read_catalog
from shelfsure.catalog.delimited import split_records, write_csv
from shelfsure.catalog.delimited_lines import are_rows
from shelfsure.catalog.file_lines import ROW_LINE
from shelfsure.catalog.raw_rows import Row
from shelfsure.catalog.tables import open_table
from shelfsure.core.errors import CatalogError
from shelfsure.core.mojibake import mend

# All of Unicode but half surrogates, which no UTF-8 file can hold, and what rows.py rejects.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
CELLS = st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=6)
TITLES = st.lists(
    st.text(
        st.characters(
            exclude_categories=["Cs"],
            exclude_characters=[chr(c) for c in (*range(32), 127) if chr(c) not in "\t\n\r"],
        ),
        max_size=12,
    ),
    min_size=1,
    max_size=6,
)
quick = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


class Table(NamedTuple):
    """All column names of a file, and its data rows."""

    columns: tuple[str, ...]
    rows: list[Row]


def read_table(path: Path, wanted: Collection[str]) -> Table:
    source = open_table(path, named=wanted)
    return Table(source.columns, list(source.rows(wanted)))


@quick
@given(cells=CELLS)
def test_read_table_returns_csv_and_tsv_text_as_written(
    tmp_path: Path, cells: list[tuple[str, str]]
) -> None:
    write_csv(tmp_path / "a.csv", ("listing_id", "title"), cells)
    for row in cells:  # see test_delimited: some texts can't be told from two rows
        lines = ROW_LINE.findall(f'{row[0]},"{row[1]}"')
        assume(not are_rows(lines, ",", 2) and not are_rows(lines, "\t", 2))
    with (tmp_path / "a.tsv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter="\t", quoting=csv.QUOTE_ALL).writerows([("x", "y"), *cells])
    for name, columns in (("a.csv", ("listing_id", "title")), ("a.tsv", ("x", "y"))):
        table = read_table(tmp_path / name, columns)
        assert table.columns == columns
        assert [tuple(row.fields.values()) for row in table.rows] == cells


@quick
@given(titles=TITLES)
def test_read_catalog_keeps_any_title_in_every_format(tmp_path: Path, titles: list[str]) -> None:
    ids = [f"{place:03}" for place in range(len(titles))]
    write_csv(tmp_path / "a.csv", ("listing_id", "title"), list(zip(ids, titles, strict=True)))
    with (tmp_path / "a.jsonl").open("w", encoding="utf-8", newline="\n") as file:
        for place, (listing_id, title) in enumerate(zip(ids, titles, strict=True)):
            item = {"listing_id": listing_id, "title": title}
            file.write(json.dumps(item, ensure_ascii=place % 2 == 0) + "\n")
    pq.write_table(pa.table({"listing_id": ids, "title": titles}), tmp_path / "a.parquet")
    kept = [(i, mend(t)) for i, t in zip(ids, titles, strict=True) if t.strip()]
    for name in ("a.csv", "a.jsonl", "a.parquet"):
        catalog = read_catalog(tmp_path / name)
        assert [(x.listing_id, x.title) for x in catalog.listings] == kept
        assert catalog.n_rows == len(titles)


@quick
@given(text=st.text(st.sampled_from('ab,"\n\r\t\x00é'), max_size=40))
def test_split_records_takes_any_text(text: str) -> None:
    records = list(split_records(ROW_LINE.findall(text), ","))
    lines = [line for record in records for line in range(record.line, record.last_line + 1)]
    filled = [n for n, line in enumerate(ROW_LINE.findall(text), start=1) if line.strip("\r\n")]
    assert lines == sorted(set(lines)), "no line is read twice"
    assert set(filled) <= set(lines), "and none is lost"
    if '"' not in text:
        joined = [",".join(record.fields or []) for record in records]
        assert joined == [line for line in text.replace("\r", "\n").split("\n") if line]


def test_split_records_resumes_after_an_open_quote() -> None:
    text = 'a,b\n1,"open\n2,x\n3,"y, z"\n4,"two\nlines"\n5,"end\n6,w'
    assert [
        (record.line, record.fields) for record in split_records(ROW_LINE.findall(text), ",")
    ] == [
        (1, ["a", "b"]),
        (2, None),
        (3, ["2", "x"]),
        (4, ["3", "y, z"]),
        (5, ["4", "two\nlines"]),
        (7, None),
        (8, ["6", "w"]),
    ]


def test_read_table_takes_a_long_field_and_leaves_the_limit(tmp_path: Path) -> None:
    before = csv.field_size_limit()
    long = "x" * (3 * before)
    write_csv(tmp_path / "a.csv", ("listing_id", "title"), [("1", long), ("2", "short")])
    results: list[int] = []

    def read() -> None:
        rows = read_table(tmp_path / "a.csv", ("title",)).rows
        results.extend(len(row.fields["title"]) for row in rows)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [3 * before, 5] * 4
    assert csv.field_size_limit() == before


def test_read_json_lines_sets_broken_lines_aside(tmp_path: Path) -> None:
    lines = [
        '{"listing_id": 1, "title": "good\u2028one"}',
        "",
        '{"listing_id": 2, "title": }',
        '["listing_id", 3]',
        '{"listing_id": 4, "title": "a", "title": "b"}',
        '{"listing_id": 5, "title": "half \\ud83d"}',
        '{"listing_id": 6, "title": ["a"]}',
        '{"listing_id": true, "title": "t"}',
        '{"listing_id": 7.5, "title": "t"}',
        "[" * 100_000,
        '{"listing_id": 8, "title": ' + "9" * 5000 + "}",
        '{"listing_id": 9.0, "title": null, "image": null}',
        '{"listing_id": 10.0, "title": "good too"}',
        '{"title": "no id"}',
        '{"listing_id": 11, "title": "t", "image": {"path": "a.jpg"}}',
        '{"listing_id": 12, "title": "NUL \\u0000"}',
    ]
    (tmp_path / "a.NDJSON").write_text("\r\n".join(lines) + "\n", encoding="utf-8")
    catalog = read_catalog(tmp_path / "a.NDJSON")
    assert [(x.listing_id, x.title) for x in catalog.listings] == [
        ("1", "good\u2028one"),
        ("6", "a"),
        ("10", "good too"),
        ("12", "NUL"),
    ]
    assert catalog.rows == (1, 6, 12, 15)
    assert [(rejected.row, rejected.kind) for rejected in catalog.rejected] == [
        (2, "not JSON"),
        (3, "not a JSON object"),
        (4, "not JSON"),
        (5, "broken character"),
        (7, "not text"),
        (8, "not text"),
        (9, "not JSON"),
        (10, "not JSON"),
        (11, "missing photo and title"),
        (13, "missing listing_id"),
        (14, "photo not found"),
    ]
    assert "line 3" in catalog.rejected[0].reason
    catalog.write_rejected(tmp_path / "rejected.csv")  # half a surrogate must not break it
    assert len(read_table(tmp_path / "rejected.csv", ()).rows) == 11


def test_read_parquet_takes_numbers_and_sets_other_types_aside(tmp_path: Path) -> None:
    table = pa.table(
        {
            "listing_id": pa.array([7, 8, None, 2**60 + 1], pa.int64()),
            "title": pa.array(["NA", "ok", "x", "null"]).dictionary_encode(),
            "brand": pa.array([1.0, 2.5, 3.0, float("nan")]),
        }
    )
    pq.write_table(table, tmp_path / "a.PARQUET")
    catalog = read_catalog(tmp_path / "a.PARQUET")
    assert [(x.listing_id, x.title, x.brand) for x in catalog.listings] == [
        ("7", "NA", "1"),
        (str(2**60 + 1), "null", None),
    ]
    assert [rejected.kind for rejected in catalog.rejected] == ["not text", "missing listing_id"]


def test_read_parquet_rejects_only_the_row_of_broken_text(tmp_path: Path) -> None:
    broken = pa.array([b"good", b"caf\xe9", None, "größer".encode()], pa.binary())
    buffers = broken.buffers()
    titles = pa.Array.from_buffers(pa.string(), 4, buffers)
    pq.write_table(
        pa.table({"listing_id": ["1", "2", "3", "4"], "title": titles}), tmp_path / "a.parquet"
    )
    catalog = read_catalog(tmp_path / "a.parquet")
    assert [x.title for x in catalog.listings] == ["good", "größer"]
    assert [r.reason.split(":")[0] for r in catalog.rejected] == [
        "not text",
        "missing photo and title",
    ]


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        (
            "a.csv",
            "listing_id,title\n1,Größe\n".encode("latin-1"),
            r"byte 21 \(line 2\) is 0xf6.*WIN",
        ),
        ("a.csv", b"\xef\xbb\xbfid\n\xff", r"byte 6 \(line 2\) is 0xff"),
        ("a.tsv", "listing_id\ttitle\n1\tx\n".encode("utf-16-le"), "utf-16-le.*iconv -f UTF-16"),
        ("a.csv", b"\xff\xfea\x00,", "UTF-16.*byte"),
        ("a.csv", b"", "empty"),
        ("a.jsonl", b"\xef\xbb\xbf \n", "empty"),
        ("a.csv", b'listing_id,"title\n1,x\n', "header .line 1."),
        ("a.jsonl", b'[\n{"listing_id": 1}', r"one JSON array.*line 2 column 18"),
        ("a.json", b"[1, 2]", r"item 1 is a int"),
        ("a.parquet", b"not parquet at all", "Parquet"),
        ("a.parquet", b"", "Parquet"),
        ("a.csv.gz", b"x", "packed by gzip"),
        ("a.csv.gz", gzip.compress(b"listing_id,title\n1,x\n", mtime=0)[:-9], "packed by gzip"),
        ("a.parquet.gz", b"x", r"\.csv, \.tsv.*\.csv\.gz.*but this ends in '\.gz'"),
        ("a", b"x", "ends in 'nothing'"),
    ],
)
def test_read_table_says_what_is_wrong_with_a_file(
    tmp_path: Path, name: str, data: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(CatalogError, match=message):
        read_table(tmp_path / name, ("title",))


def test_read_table_says_that_a_file_is_missing_or_a_folder(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match=r"a\.csv.*no such file"):
        read_table(tmp_path / "a.csv", ())
    (tmp_path / "b.csv").mkdir()
    with pytest.raises(CatalogError, match=r"b\.csv.*folder"):
        read_table(tmp_path / "b.csv", ())


def test_read_table_damaged_parquet_is_a_catalog_error(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"title": ["a" * 50] * 1000}), path, compression="zstd")
    data = bytearray(path.read_bytes())
    data[4:60] = bytes(56)
    path.write_bytes(data)
    with pytest.raises(CatalogError, match="Parquet"):
        read_table(path, ("title",))


def test_read_catalog_reports_columns_of_parquet_and_json(tmp_path: Path) -> None:
    twice = pa.table([pa.array(["a"]), pa.array(["b"]), pa.array(["c"])], ["title", "title", "id"])
    pq.write_table(twice, tmp_path / "a.parquet")
    with pytest.raises(CatalogError, match=r"`title` must appear once"):
        read_catalog(tmp_path / "a.parquet")
    pq.write_table(twice.select([2]).slice(0, 0), tmp_path / "b.parquet")
    with pytest.raises(CatalogError, match=r"Found: id\.(.|\n)*must have rows"):
        read_catalog(tmp_path / "b.parquet")
    (tmp_path / "a.jsonl").write_text("{}\n")
    with pytest.raises(CatalogError, match=r"`listing_id` is missing\. Found: none"):
        read_catalog(tmp_path / "a.jsonl")


@pytest.mark.parametrize("name", ["none.csv", "none.sqlite", "none"])
def test_a_file_that_is_not_there_is_said_to_be_missing(name: str, tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="there is no such file"):
        open_table(tmp_path / name)
