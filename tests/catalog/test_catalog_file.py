"""Read some rows at a time, a catalogue is what it is when read at once."""

import gzip
import json
import random
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from itertools import chain
from pathlib import Path

import pandas as pd
import pytest
from shelfsure.catalog import file_lines, row_checker, text_files
from shelfsure.catalog.catalog import Catalog, read_catalog, read_in_chunks
from shelfsure.catalog.catalog_file import CatalogFile
from shelfsure.catalog.file_lines import JSON_LINE, ROW_LINE, FileLines
from shelfsure.core.errors import CatalogError

BROKEN = '''id,title,description,color
a1,Mug,"Two lines
of text",red
a2,Mug with a stray " quote,x,blue

a3,"Unclosed,x,blue
a4,Lamp,"said ""so""",red
a1,Again,x,red
a5,Café,"ends",
id,title,description,color
a6,too,many,fields,here
,No id,x,y
a7,MenÃ¢â‚¬â„¢s,"stray, opens here
a8,Lamp,"and closes",green
,,,
a9,Rug,y,red'''


def together(chunks: list[Catalog]) -> Catalog:
    return replace(
        chunks[0],
        listings=tuple(chain.from_iterable(chunk.listings for chunk in chunks)),
        rows=tuple(chain.from_iterable(chunk.rows for chunk in chunks)),
        rejected=tuple(chain.from_iterable(chunk.rejected for chunk in chunks)),
        product_columns={k: v for chunk in chunks for k, v in chunk.product_columns.items()},
        photo_problems={k: v for chunk in chunks for k, v in chunk.photo_problems.items()},
    )


def same_in_chunks(path: Path, n_rows: int, **options: object) -> Catalog:
    whole = read_catalog(path, **options)  # type: ignore[arg-type]
    file = CatalogFile(path, **options)  # type: ignore[arg-type]
    chunks = list(read_in_chunks(file, n_rows))
    assert all(chunk.n_rows == n_rows for chunk in chunks[:-1])
    assert replace(together(chunks), notes=file.notes) == whole
    assert file.fraction_read == 1.0
    return whole


@pytest.mark.parametrize("n_rows", [1, 2, 3, 7])
def test_chunks_of_a_broken_csv_are_the_whole(tmp_path: Path, n_rows: int) -> None:
    path = tmp_path / "a.csv"
    path.write_text(BROKEN, encoding="utf-8")
    whole = same_in_chunks(path, n_rows)
    assert {row.kind for row in whole.rejected} >= {
        "duplicate id",
        "unbalanced quotes",
        "header again",
        "wrong number of fields",
        "missing listing_id",
    }
    assert [one.listing_id for one in whole.listings][:3] == ["a1", "a2", "a4"]


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "windows-1252"])
def test_chunks_in_any_encoding_are_the_whole(
    tmp_path: Path, encoding: str, ends: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_lines, "_BLOCK_LINES", 2)
    monkeypatch.setattr(file_lines, "BLOCK_BYTES", 7)
    monkeypatch.setattr(text_files, "BLOCK_BYTES", 7)
    rows = [f"{n},Größe {n},x" for n in range(20)]
    path = tmp_path / "a.csv"
    path.write_bytes(ends.join(["id,title,brand", *rows, ""]).encode(encoding))
    given = {"encoding": encoding} if encoding == "windows-1252" else {}
    whole = same_in_chunks(path, 6, **given)
    assert [one.title for one in whole.listings] == [f"Größe {n}" for n in range(20)]
    packed = tmp_path / "a.csv.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert read_catalog(packed, **given).listings == whole.listings  # type: ignore[arg-type]


def test_chunks_of_other_formats_are_the_whole(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {
            "id": ["b", "a", "b", None, *"cdefgh"],
            "title": [f"mug {n}" for n in range(10)],
            "size": list("SMLSMLSMLS"),
        }
    )
    table.to_parquet(tmp_path / "a.parquet", row_group_size=4)
    table.to_json(tmp_path / "a.jsonl", orient="records", lines=True)
    table.to_json(tmp_path / "a.json", orient="records")
    (tmp_path / "parts" / "brand=Acme").mkdir(parents=True)
    for n in range(2):
        part = tmp_path / f"parts/brand=Acme/{n}.csv"
        table[5 * n : 5 * n + 5].to_csv(part, index=False)
    found = [
        same_in_chunks(tmp_path / name, 3) for name in ("a.parquet", "a.jsonl", "a.json", "parts")
    ]
    assert [row.reason for row in found[0].rejected] == [
        "duplicate id: row 1 has it too",
        "missing listing_id",
    ]
    for other in found[1:]:
        assert (other.rows, other.rejected) == (found[0].rows, found[0].rejected)
        assert other.product_columns == found[0].product_columns
    assert {one.brand for one in found[3].listings} == {"Acme"}


@pytest.mark.parametrize("first", ["not json", '{"id": "x"', "[1]"])
def test_json_lines_with_a_broken_line_are_read_in_chunks(tmp_path: Path, first: str) -> None:
    path = tmp_path / "a.jsonl"
    lines = [first, *(json.dumps({"id": n, "title": f"a\u2028b {n}"}) for n in range(9)), "", "{"]
    path.write_text("\n".join(lines))
    if first == "[1]":
        assert same_in_chunks(path, 4).n_rows == 11
    whole = same_in_chunks(path, 4)
    assert [row.row for row in whole.rejected] == [1, 11]
    assert "line 12" in whole.rejected[1].reason


def test_a_duplicate_is_found_however_far_back_its_first_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_checker, "_RECENT", 16)
    draw = random.Random(4)
    ids = [draw.randrange(150) for _ in range(400)]
    path = tmp_path / "a.csv"
    path.write_text("id,title\n" + "".join(f"n{name},mug\n" for name in ids))
    whole = same_in_chunks(path, 10)
    first = {name: row for row, name in reversed([*enumerate(ids, start=1)])}
    assert whole.rows == tuple(sorted(first.values()))
    assert {bad.row: bad.reason for bad in whole.rejected} == {
        row: f"duplicate id: row {first[name]} has it too"
        for row, name in enumerate(ids, start=1)
        if first[name] != row
    }


def test_a_broken_byte_costs_its_row_in_chunks_too(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    rows = [f"{n},Größe {n}".encode() for n in range(9)]
    rows[4] = b"4,Gr\xf6\xdfe"
    path.write_bytes(b"\n".join([b"id,title", *rows]))
    whole = same_in_chunks(path, 2)
    assert [(bad.row, bad.kind) for bad in whole.rejected] == [(5, "broken character")]
    path.write_bytes(b"\n".join([b"id,title", rows[4]]))
    with pytest.raises(CatalogError, match=r"must be UTF-8, but byte 13 \(line 2\) is 0xf6"):
        CatalogFile(path)


@pytest.mark.parametrize("text", ["a", "a\r", "\r\n\r\nx", "é\n\rb\r\n", "x\u2028y\n"])
def test_file_lines_are_the_texts_lines(
    tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(text.encode())
    for n_bytes in range(1, 6):
        monkeypatch.setattr(file_lines, "BLOCK_BYTES", n_bytes)
        monkeypatch.setattr(text_files, "BLOCK_BYTES", n_bytes)
        monkeypatch.setattr(file_lines, "_BLOCK_LINES", 2)
        lines = FileLines(path)
        assert list(lines) == ROW_LINE.findall(text)
        assert lines[-3:] == ROW_LINE.findall(text)[-3:]
        assert "".join(FileLines(path, line=JSON_LINE)) == text
        assert len(FileLines(path, line=JSON_LINE)) == len(text.split("\n")) - text.endswith("\n")
        with pytest.raises(IndexError):
            lines[len(lines)]


def written_csv(path: Path, n: int) -> None:
    with path.open("w") as file:
        file.write("id,title,description\n")
        file.writelines(f"n{row},mug number {row},{'words ' * 20}\n" for row in range(n))


def written_jsonl(path: Path, n: int) -> None:
    with path.open("w") as file:
        file.writelines(
            json.dumps({"id": row, "title": f"mug {row}", "about": "words " * 20}) + "\n"
            for row in range(n)
        )


def written_parquet(path: Path, n: int) -> None:
    titles = [f"mug {row} {'words ' * 20}" for row in range(n)]
    pd.DataFrame({"id": range(n), "title": titles}).to_parquet(path, row_group_size=1000)


@pytest.mark.parametrize("write", [written_csv, written_jsonl, written_parquet])
def test_memory_doesnt_grow_with_the_rows(
    tmp_path: Path, write: Callable[[Path, int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_checker, "_RECENT", 1000)
    monkeypatch.setattr(file_lines, "BLOCK_BYTES", 1 << 16)
    monkeypatch.setattr(text_files, "BLOCK_BYTES", 1 << 16)
    path = tmp_path / f"a.{write.__name__.removeprefix('written_')}"
    peaks = []
    for n_rows in (3_000, 3_000, 20_000):  # the first warms up
        write(path, n_rows)
        tracemalloc.start()
        n_read = sum(chunk.n_rows for chunk in read_in_chunks(CatalogFile(path), 500))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert n_read == n_rows
    # 8 bytes a line and 16 an id, twice while they are put together; a row of text takes 600
    assert peaks[2] - peaks[1] < 17_000 * 140, peaks
