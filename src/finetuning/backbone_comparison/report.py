"""A comparison as files and as a table: backbones.csv, backbones.json, backbones.png, README.md."""

import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Literal

from rich.box import SIMPLE
from rich.markup import escape
from rich.table import Table

from ...catalog.delimited import write_csv
from ...core.files import atomic_path
from .plot import save_picture
from .readme import HEADER, PICTURE, cells, write_page
from .records import Comparison, Row

TABLE, RESULTS, PAGE = "backbones.csv", "backbones.json", "README.md"


def write_report(comparison: Comparison, out: Path) -> None:
    """Write all four files anew, each whole or not at all."""
    rows = comparison.rows()
    lines = [[*(asdict(row) | {"notes": "; ".join(row.notes)}).values()] for row in rows]
    write_csv(out / TABLE, [field.name for field in fields(Row)], lines)
    facts = {
        "facts": comparison.facts,
        "rows": [asdict(row) for row in rows],
        "results": [asdict(result) for result in comparison.results],
    }
    with atomic_path(out / RESULTS) as path:
        path.write_text(json.dumps(facts, indent=2), encoding="utf-8")
    with atomic_path(out / PICTURE) as path:
        save_picture(rows, path)
    with atomic_path(out / PAGE) as path:
        path.write_text(write_page(comparison), encoding="utf-8")


def result_table(comparison: Comparison) -> Table:
    """Make the table for a terminal; README.md has the reasons in full."""
    facts = comparison.facts
    table = Table(
        title=f"{facts['n_test']:,} test listings of {facts['n_categories']} categories, "
        f"{facts['n_train']:,} learned from",
        box=SIMPLE,
        padding=(0, 1, 0, 0),
    )
    shown = [name for name in HEADER if name not in {"seeds", "side", "missing"}]
    for name in shown:
        justify: Literal["left", "right"] = "left" if name in {"backbone", "arm"} else "right"
        table.add_column(name, justify=justify, overflow="fold", no_wrap=name == "arm")
    for row in comparison.rows():
        said = dict(zip(HEADER, cells(row), strict=True))
        if row.top1 is None:
            said["top-1"] = row.missing
        table.add_row(*(escape(said[name]) for name in shown))
    return table
