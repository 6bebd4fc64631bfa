"""One catalogue in every format that shops and engines write it in."""

import datetime as dt
import gzip
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from shelfsure.catalog.catalog import Catalog, read_catalog
from shelfsure.core.errors import CatalogError, MissingExtraError
from shelfsure.core.extras import missing_modules

ROWS = [("1001", "Red mug, 330 ml", "Kitchen"), ("0002", "Men’s watch", "Watches")]
HEADER = ("listing_id", "title", "category")


def delimited(separator: str, header: tuple[str, ...] = HEADER) -> str:
    return "".join(
        separator.join(f'"{cell}"' if separator in cell else cell for cell in row) + "\r\n"
        for row in (header, *ROWS)
    )


def as_objects() -> list[dict[str, str]]:
    return [dict(zip(HEADER, row, strict=True)) for row in ROWS]


FILES: dict[str, bytes] = {
    "a.csv": delimited(",").encode(),
    "b.csv": delimited(";").encode(),
    "c.csv": delimited("\t").encode("utf-16"),
    "d.csv": ("\ufeff" + delimited("|")).encode(),
    "e.tsv": delimited("\t").encode(),
    "f.txt": delimited("\t").encode(),
    "g.txt": delimited(",").encode(),
    "h.csv.gz": gzip.compress(delimited(",").encode()),
    "i.TSV.GZ": gzip.compress(delimited("\t").encode()),
    "j.csv": ("sep=;\r\n" + delimited(";")).encode(),
    "k.csv": ("Export of 28.11.2026\r\n\r\n" + delimited(",")).encode(),
    "l.csv": delimited(",").replace("\r\n", ",,\r\n").encode(),
    "m.csv": (delimited(",") + ",,\r\n,,\r\n").encode(),
    "n.json": json.dumps(as_objects(), indent=1).encode(),
    "o.json": "\n".join(map(json.dumps, as_objects())).encode(),
    "p.json": json.dumps({"products": as_objects()}).encode(),
    "q.jsonl": json.dumps(as_objects()).encode(),
    "r.jsonl.gz": gzip.compress("\n".join(map(json.dumps, as_objects())).encode()),
    "s.csv": delimited(";", ("listing_id", "title, short", "category")).encode(),
}


def read_back(catalog: Catalog) -> list[tuple[str, str | None, str | None]]:
    assert not catalog.rejected
    return [(x.listing_id, x.title, x.category) for x in catalog.listings]


@pytest.mark.parametrize("name", FILES)
def test_read_catalog_reads_the_same_from_every_text_format(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(FILES[name])
    columns = {"title": "title, short"} if name == "s.csv" else {}
    assert read_back(read_catalog(tmp_path / name, columns=columns)) == ROWS


def test_amazons_lines_above_the_header_are_left_out(tmp_path: Path) -> None:
    text = (
        "TemplateType=fptcustom\tVersion=2023.1116\tThe top 3 rows are for Amazon.com use only.\t\n"
        "Product Type\tSeller SKU\tProduct Name\tKey Product Features\n"
        "feed_product_type\titem_sku\titem_name\tbullet_point1\n"
        'watch\tW-1\tMen’s Watch 1.5" dial\tQuartz\n'
    )
    (tmp_path / "a.txt").write_bytes(text.encode("windows-1252"))
    with pytest.raises(CatalogError, match=r"line 4.*0x92.*--encoding windows-1252"):
        read_catalog(tmp_path / "a.txt")
    with pytest.raises(CatalogError, match="one that Python knows, but is 'cp99'"):
        read_catalog(tmp_path / "a.txt", encoding="cp99")
    catalog = read_catalog(tmp_path / "a.txt", encoding="windows-1252")
    assert read_back(catalog) == [("W-1", 'Men’s Watch 1.5" dial', "watch")]
    assert "the header is line 3; what stands above it is left out" in catalog.notes


def test_a_line_that_isnt_utf8_costs_its_row_where_others_are(tmp_path: Path) -> None:
    lines = ["id,title", "1,Größe", "2,Café", "3,mug"]
    broken = "4,Maß".encode("latin-1")
    (tmp_path / "a.csv").write_bytes("\n".join(lines).encode() + b"\n" + broken)
    catalog = read_catalog(tmp_path / "a.csv")
    assert [x.title for x in catalog.listings] == ["Größe", "Café", "mug"]
    assert [(bad.row, bad.listing_id, bad.kind) for bad in catalog.rejected] == [
        (4, "4", "broken character")
    ]
    catalog.write_rejected(tmp_path / "rejected.csv")
    (tmp_path / "b.csv").write_bytes("\n".join(lines).encode("latin-1"))
    with pytest.raises(CatalogError, match="--encoding windows-1252"):
        read_catalog(tmp_path / "b.csv")


def test_a_header_that_comes_again_is_no_listing(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,title\n1,mug\nid,title\n2,cup\n")
    catalog = read_catalog(tmp_path / "a.csv")
    assert [x.listing_id for x in catalog.listings] == ["1", "2"]
    assert [bad.reason for bad in catalog.rejected] == ["header again: line 3 repeats the header"]


def test_ids_that_a_spreadsheet_shortened_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,title\n8.90E+12,mug\n8.90E+12,cup\n")
    [note] = read_catalog(tmp_path / "a.csv").notes
    assert "ids such as '8.90E+12' were shortened" in note
    (tmp_path / "b.csv").write_text("id,title\n8E12,mug\n1E+2x,cup\n")
    assert read_catalog(tmp_path / "b.csv").notes == ()


def test_blank_rows_dont_count_but_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(FILES["m.csv"])
    catalog = read_catalog(tmp_path / "a.csv")
    assert catalog.notes == ("2 rows without any value don't count",)
    assert catalog.n_rows == 2


def test_json_lines_may_lack_fields(tmp_path: Path) -> None:
    lines = ['{"id":"1","title":"5\\" screen"}', '{"id":"2"}', '{"title":"x","id":3}']
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    catalog = read_catalog(tmp_path / "a.jsonl")
    assert [(x.listing_id, x.title) for x in catalog.listings] == [("1", '5" screen'), ("3", "x")]
    assert [(bad.listing_id, bad.kind) for bad in catalog.rejected] == [
        ("2", "missing photo and title")
    ]


TYPES: list[tuple[str, pa.Array, list[str]]] = [
    ("int64", pa.array([1001, 2**60 + 1], pa.int64()), ["1001", str(2**60 + 1)]),
    ("uint64", pa.array([1, 2**64 - 1], pa.uint64()), ["1", str(2**64 - 1)]),
    ("float", pa.array([1001.0, 1002.0]), ["1001", "1002"]),
    (
        "decimal",
        pa.array([Decimal("1001.00"), Decimal("10.50")], pa.decimal128(20, 2)),
        ["1001", "10.5"],
    ),
    ("large text", pa.array(["007", "8.0"], pa.large_string()), ["007", "8.0"]),
    ("text view", pa.array(["a", "b"], pa.string_view()), ["a", "b"]),
    ("dictionary", pa.array(["a", "b"]).dictionary_encode(), ["a", "b"]),
    ("bytes of text", pa.array([b"a", "é".encode()], pa.binary()), ["a", "é"]),
    (
        "16 bytes",
        pa.array([UUID(int=1).bytes, UUID(int=2**127).bytes], pa.binary(16)),
        [str(UUID(int=1)), str(UUID(int=2**127))],
    ),
    ("uuid", pa.array([UUID(int=1).bytes, UUID(int=2).bytes], pa.uuid()),
     [str(UUID(int=1)), str(UUID(int=2))]),
    ("date", pa.array([dt.date(2026, 1, 2), dt.date(2026, 1, 3)]), ["2026-01-02", "2026-01-03"]),
    ("list of one", pa.array([["a"], ["b"]]), ["a", "b"]),
]  # fmt: skip


@pytest.mark.parametrize(("values", "ids"), [case[1:] for case in TYPES], ids=[c[0] for c in TYPES])
def test_ids_of_every_arrow_type_are_written_one_way(
    tmp_path: Path, values: pa.Array, ids: list[str]
) -> None:
    pq.write_table(pa.table({"id": values, "title": ["mug", None]}), tmp_path / "a.parquet")
    catalog = read_catalog(tmp_path / "a.parquet")
    assert [x.listing_id for x in catalog.listings] == ids[:1]
    assert [bad.listing_id for bad in catalog.rejected] == ids[1:]
    assert catalog.rejected[0].kind == "missing photo and title"


def broken_text() -> pa.Array:
    data = pa.array([b"caf\xe9", b"ok"], pa.binary())
    return pa.Array.from_buffers(pa.string(), 2, data.buffers())


UNREADABLE: dict[str, Callable[[], pa.Array]] = {
    "date out of range": lambda: pa.array([2**30, 0], pa.int32()).cast(pa.date32()),
    "time out of range": lambda: pa.array([2**60, 0], pa.int64()).cast(pa.timestamp("ms")),
    "unknown zone": lambda: pa.array([0, 0], pa.int64()).cast(pa.timestamp("us", "Mars/Olympus")),
    "broken text in lists": lambda: pa.ListArray.from_arrays([0, 1, 2], broken_text()),
    "broken text in objects": lambda: pa.StructArray.from_arrays([broken_text()], ["value"]),
    "numbers in lists": lambda: pa.array([[1.5, 2.5], [1.5, 2.5]]),
    "objects": lambda: pa.array([{"x": "a"}, {"x": "b"}]),
    "truths": lambda: pa.array([True, False]),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_parquet_holds_that_is_no_text_costs_its_row_only(tmp_path: Path, name: str) -> None:
    table = pa.table({"id": [1, 2], "title": UNREADABLE[name](), "brand": ["b", "c"]})
    pq.write_table(table, tmp_path / "a.parquet")
    catalog = read_catalog(tmp_path / "a.parquet")
    assert catalog.n_rows == 2
    first = catalog.rejected[0]
    assert (first.row, first.listing_id) == (1, "1")
    assert first.kind in {"not readable", "not text"}
    assert "title" in first.reason
    if name.startswith("broken text"):
        assert [x.title for x in catalog.listings] == ["ok"]
    # the same in a column that nobody asked for costs nothing
    pq.write_table(table.rename_columns(["id", "other", "title"]), tmp_path / "b.parquet")
    assert len(read_catalog(tmp_path / "b.parquet").listings) == 2


def test_a_hugging_face_data_set_keeps_its_photos_and_names(tmp_path: Path) -> None:
    label = {"names": ["Kitchen", "Watches"], "_type": "ClassLabel"}
    info = {"info": {"features": {"label": label, "image": {"_type": "Image"}}}}
    table = pa.table(
        {
            "id": [1001, 1002],
            "image": [{"bytes": b"one", "path": "a.jpg"}, {"bytes": b"two", "path": None}],
            "label": [1, 0],
        }
    ).replace_schema_metadata({"huggingface": json.dumps(info)})
    pq.write_table(table, tmp_path / "a.parquet")
    catalog = read_catalog(tmp_path / "a.parquet", need_category=True)
    assert [(x.listing_id, x.image, x.category) for x in catalog.listings] == [
        ("1001", b"one", "Watches"),
        ("1002", b"two", "Kitchen"),
    ]


def test_a_folder_of_parts_is_one_table(tmp_path: Path) -> None:
    folder = tmp_path / "out.parquet"
    for brand, ids in (("Acme", [1, 2]), ("B%20b", [3])):
        (folder / f"brand={brand}").mkdir(parents=True)
        part = pa.table({"id": ids, "title": ["mug"] * len(ids)})
        pq.write_table(part, folder / f"brand={brand}/part-0.snappy.parquet")
    (folder / "_SUCCESS").touch()
    (folder / ".part-0.snappy.parquet.crc").write_bytes(b"x")
    catalog = read_catalog(folder)
    assert [(x.listing_id, x.brand) for x in catalog.listings] == [
        ("1", "Acme"),
        ("2", "Acme"),
        ("3", "B b"),
    ]
    assert catalog.rows == (1, 2, 3)
    other = tmp_path / "csv"
    other.mkdir()
    (other / "part-1.csv").write_text("title,listing_id\nb,2\n")
    (other / "part-0.csv").write_text("listing_id,title\n1,a\n")
    assert [(x.listing_id, x.title) for x in read_catalog(other).listings] == [
        ("1", "a"),
        ("2", "b"),
    ]
    (tmp_path / "none").mkdir()
    with pytest.raises(CatalogError, match="folder must hold the parts of one table"):
        read_catalog(tmp_path / "none")


def test_a_spreadsheet_says_what_reads_it_or_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    path.write_bytes(b"no spreadsheet")
    if missing_modules("excel"):
        with pytest.raises(MissingExtraError, match=r"Reading \.xlsx .*shelfsure\[excel\]"):
            read_catalog(path)
        return
    with pytest.raises(CatalogError, match="must be a spreadsheet"):
        read_catalog(path)
    write_sheet(path, [["Our shop", None, None], ["SKU", "Name", "Category"], [1001, "Mug", 201.0]])
    catalog = read_catalog(path)
    assert read_back(catalog) == [("1001", "Mug", "201")]
    assert "the header is row 2; what stands above it is left out" in catalog.notes


def write_sheet(path: Path, rows: list[list[Any]]) -> None:
    """Write the least that is a workbook, with its texts in the cells."""
    import zipfile

    def cell(value: Any) -> str:
        if value is None:
            return "<c/>"
        if isinstance(value, str):
            return f'<c t="inlineStr"><is><t>{value}</t></is></c>'
        return f"<c><v>{value}</v></c>"

    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    body = "".join(f"<row>{''.join(map(cell, row))}</row>" for row in rows)
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types"/>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" '
        f'Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets>'
        '<sheet name="S" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships">'
        f'<Relationship Id="r1" Type="{office}/worksheet" Target="worksheets/s.xml"/>'
        "</Relationships>",
        "xl/worksheets/s.xml": f'<worksheet xmlns="{main}"><sheetData>{body}</sheetData>'
        "</worksheet>",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
