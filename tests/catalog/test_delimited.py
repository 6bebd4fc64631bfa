"""Quotes: what a csv writer wrote comes back, and a stray quote costs its own row only."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from shelfsure.catalog.catalog import read_catalog
from shelfsure.catalog.delimited import split_records
from shelfsure.catalog.delimited_lines import are_rows, split_line
from shelfsure.catalog.file_lines import ROW_LINE

AMAZON = (
    "feed_product_type\titem_sku\titem_name\tproduct_description\tbullet_point1\r\n"
    "cup\tMUG-1\tRed Mug – 330 ml\tCafé mug\tMicrowave safe\r\n"
    'watch\tW-1\tMen’s Watch 1.5" dial\tLeather strap\tQuartz\r\n'
    'towel\tT-1\tAcme "Soft" Towel\t"100% cotton\tQuick dry\r\n'
    'towel\tT-2\tHand Towel\tSoft towel 16"\tQuick dry\r\n'
)
TWO_STRAYS = """listing_id,title,brand
1,Red ceramic mug,Acme
2,"Blue ceramic mug,Acme
3,Analog wrist watch,Acme
4,Green bath towel 27",Acme
5,White dinner plate,Acme
"""


def catalog_of(tmp_path: Path, name: str, text: str):  # type: ignore[no-untyped-def]
    (tmp_path / name).write_text(text, encoding="utf-8", newline="")
    return read_catalog(tmp_path / name)


def test_a_quote_in_tsv_quotes_only_if_it_closes_at_its_fields_end(tmp_path: Path) -> None:
    catalog = catalog_of(tmp_path, "amazon.tsv", AMAZON)
    assert [(x.listing_id, x.title, x.description) for x in catalog.listings] == [
        ("MUG-1", "Red Mug – 330 ml", "Café mug"),
        ("W-1", 'Men’s Watch 1.5" dial', "Leather strap"),
        ("T-1", 'Acme "Soft" Towel', '"100% cotton'),
        ("T-2", "Hand Towel", 'Soft towel 16"'),
    ]
    assert catalog.rejected == ()


def test_rows_between_two_stray_quotes_stay_and_the_defect_names_its_lines(tmp_path: Path) -> None:
    catalog = catalog_of(tmp_path, "b.csv", TWO_STRAYS)
    assert [(x.listing_id, x.title) for x in catalog.listings] == [
        ("1", "Red ceramic mug"),
        ("3", "Analog wrist watch"),
        ("4", 'Green bath towel 27"'),
        ("5", "White dinner plate"),
    ]
    assert [(bad.row, bad.kind) for bad in catalog.rejected] == [(2, "unbalanced quotes")]
    assert "line 3;" in catalog.rejected[0].reason
    assert catalog.rejected[0].reason.endswith("up to line 5")
    assert catalog.n_rows == 5


@pytest.mark.parametrize("separator", [",", ";", "|"])
@pytest.mark.parametrize("n_between", [0, 1, 2, 30])
@pytest.mark.parametrize("column", [1, 2])
def test_no_row_between_two_stray_quotes_is_lost(
    tmp_path: Path, separator: str, n_between: int, column: int
) -> None:
    rows = [[f"id{n}", f"good mug {n}", "Acme"] for n in range(n_between + 4)]
    rows[1][column] = '"' + rows[1][column]
    rows[n_between + 2][column] += '"'
    lines = [separator.join(row) for row in [["listing_id", "title", "brand"], *rows]]
    catalog = catalog_of(tmp_path, "a.csv", "\n".join(lines))
    assert catalog.n_rows == len(rows)
    assert [bad.row for bad in catalog.rejected] == [2]


def test_a_long_description_with_as_many_commas_in_one_line_stays_one_field(tmp_path: Path) -> None:
    told = "A mug.\nred,blue,green\nSoft, warm, light.\nFor tea"
    catalog = catalog_of(
        tmp_path, "a.csv", f'listing_id,title,description\n1,Mug,"{told}"\n2,Cup,x\n'
    )
    assert [x.description for x in catalog.listings] == [told, "x"]
    assert catalog.rejected == ()


def test_quotes_escaped_by_backslashes_are_read(tmp_path: Path) -> None:
    text = (
        "listing_id,title,brand\n"
        '1,"5\\" screen protector, black",\n'
        "2,red mug,C:\\photos\\\n"
        '3,"men watch 2\\" dial",Acme\n'
        '4,"blue ""classic"" towel","C:\\x\\"\n'
        '5,"13\\"",\n'
        '6,"first 5\\"\nsecond",Acme\n'
    )
    catalog = catalog_of(tmp_path, "part-00000.csv", text)
    assert [x.title for x in catalog.listings] == [
        '5" screen protector, black',
        "red mug",
        'men watch 2" dial',
        'blue "classic" towel',
        '13"',
        'first 5"\nsecond',
    ]
    assert catalog.listings[1].brand == "C:\\photos\\"
    assert catalog.listings[3].brand == "C:\\x\\"
    assert catalog.rejected == ()


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ('a\t"b\tc"\td\r\n', ["a", "b\tc", "d"]),
        ('a\t"b\tc" x\td', ["a", '"b', 'c" x', "d"]),
        ('"a ""b"" c"\t5"', ['a "b" c', '5"']),
        ('""\t"\t', ["", '"', ""]),
        ("", [""]),
    ],
)
def test_split_line_quotes_by_whole_fields(line: str, fields: list[str]) -> None:
    assert split_line(line, "\t") == fields


CELL = st.text(st.sampled_from("ab,;\t\"\n\r 'é\\"), max_size=10)


@settings(max_examples=300, deadline=None)
@given(
    rows=st.lists(st.lists(CELL, min_size=3, max_size=3), min_size=1, max_size=6),
    separator=st.sampled_from([",", ";", "\t"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_what_a_csv_writer_wrote_is_read_back_equal(
    rows: list[list[str]], separator: str, quoting: int, end: str
) -> None:
    header = ["listing_id", "title", "brand"]
    file = io.StringIO(newline="")
    csv.writer(
        file,
        delimiter=separator,
        quoting=quoting,  # type: ignore[arg-type]
        lineterminator="\r\n" if any("\r" in cell for row in rows for cell in row) else end,
    ).writerows([header, *rows])
    for row in rows:  # lines that are whole rows each can't be told from rows between stray quotes
        own = io.StringIO(newline="")
        csv.writer(own, delimiter=separator, quoting=quoting).writerow(row)  # type: ignore[arg-type]
        assume(not are_rows(ROW_LINE.findall(own.getvalue()), separator, 3))
    records = list(split_records(ROW_LINE.findall(file.getvalue()), separator, 3))
    assert [record.fields for record in records] == [header, *rows]


@settings(max_examples=300, deadline=None)
@given(
    text=st.text(st.sampled_from('a1,\t"\\\n\r '), max_size=60), separator=st.sampled_from(",\t")
)
def test_every_line_is_in_one_record_whatever_the_text(text: str, separator: str) -> None:
    records = list(split_records(ROW_LINE.findall(text), separator, 3))
    last = 0
    for record in records:
        assert last < record.line <= record.last_line
        last = record.last_line


WORDS = st.lists(st.sampled_from(["red", "mug", "5", "x", "blue"]), min_size=1, max_size=4)
STRAY = {
    "none": "{}",
    "opens": '"{}',
    "closes": '{}"',
    "inside": '5" {}',
    "both": '"{}" x',
}
CELLS = st.tuples(WORDS, st.sampled_from(sorted(STRAY)))


@settings(max_examples=300, deadline=None)
@given(
    cells=st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=12),
    separator=st.sampled_from(",;\t|"),
)
def test_no_row_is_lost_however_many_quotes_go_astray(
    cells: list[tuple[tuple[list[str], str], ...]], separator: str
) -> None:
    rows = [
        [f"id{n}", *(STRAY[how].format(" ".join(words)) for words, how in pair)]
        for n, pair in enumerate(cells)
    ]
    text = "\n".join(separator.join(row) for row in [["listing_id", "title", "brand"], *rows])
    _, *records = split_records(ROW_LINE.findall(text), separator, 3)
    assert [(record.line, record.last_line) for record in records] == [
        (n, n) for n in range(2, len(rows) + 2)
    ]
    for row, record in zip(rows, records, strict=True):
        if separator == "\t" or not any('"' in cell for cell in row):
            assert record.fields == row
