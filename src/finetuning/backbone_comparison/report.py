"""A comparison as files and as a table: backbones.csv, backbones.json, backbones.png, README.md."""

import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Literal

from rich.box import SIMPLE
from rich.markup import escape
from rich.table import Table

from ...catalog.delimited import write_csv
from ...core.files import atomic_path, write_text
from ...core.reports import render
from .plot import save_picture
from .records import ARM_NAMES, Comparison, Row

TABLE, RESULTS, PAGE, PICTURE = "backbones.csv", "backbones.json", "README.md", "backbones.png"


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
    write_text(out / RESULTS, json.dumps(facts, indent=2))
    with atomic_path(out / PICTURE) as path:
        save_picture(rows, path)
    write_text(out / PAGE, write_page(comparison))


def write_page(comparison: Comparison) -> str:
    """Write README.md; names and reasons come from outside, so they can't become markup."""
    facts = comparison.facts
    values = facts | {
        "rows": [cells(row) for row in comparison.rows()],
        "picture": PICTURE,
        "half_width": 1.96 * (0.9 * 0.1 / facts["n_test"]) ** 0.5,
        "missing": comparison.missing_because(),
        "tuned": [result for result in comparison.results if result.encoder],
        "recipe": json.dumps(facts["recipe"], indent=2),
    }
    return render(Path(__file__).with_name("page.md.j2"), **values) + "\n"


def result_table(comparison: Comparison) -> Table:
    """Make the table for a terminal; README.md has the reasons in full."""
    facts, rows = comparison.facts, comparison.rows()
    table = Table(
        title=f"{facts['n_test']:,} test listings of {facts['n_categories']} categories, "
        f"{facts['n_train']:,} learned from",
        box=SIMPLE,
        padding=(0, 1, 0, 0),
    )
    shown = [name for name in cells(rows[0]) if name not in {"seeds", "side", "missing"}]
    for name in shown:
        justify: Literal["left", "right"] = "left" if name in {"backbone", "arm"} else "right"
        table.add_column(name, justify=justify, overflow="fold", no_wrap=name == "arm")
    for row in rows:
        said = cells(row)
        if row.top1 is None:
            said["top-1"] = row.missing
        table.add_row(*(escape(said[name]) for name in shown))
    return table


def cells(row: Row) -> dict[str, str]:
    """Write one row as text by column, an unknown value as a dash."""

    def said(value: float | None, form: str) -> str:
        return "-" if value is None else format(value, form)

    def with_sd(value: float | None, sd: float | None) -> str:
        return said(value, ".1%") + ("" if sd is None else f" ± {100 * sd:.1f}")

    n = row.n_parameters
    return {
        "backbone": row.backbone,
        "arm": ARM_NAMES[row.arm],
        "seeds": str(row.n_seeds),
        "top-1": with_sd(row.top1, row.top1_sd),
        "macro-F1": with_sd(row.macro_f1, row.macro_f1_sd),
        "params": "-" if n is None else f"{n / 1e6:.1f} M",
        "side": said(row.side_px, "d"),
        "images/s": said(row.images_per_s, ",.1f"),
        "x starter": said(row.speed_ratio, ".2f"),
        "minutes": said(row.minutes, ",.1f"),
        "missing": row.missing,
    }
