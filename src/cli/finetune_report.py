"""What a run came to, in a table."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table


def result_table(facts: Mapping[str, Any]) -> Table:
    """Compare held-out photos before and after, as the pipeline uses them.

    Parameters
    ----------
    facts
        What ``finetuned.json`` says.
    """
    chosen = str(facts["blend"])
    levels = range(1, len(facts["measured"][chosen]) + 1)
    n_held_out, n_seen = facts["n_held_out"], facts["n_seen"]
    title = f"{n_held_out:,} held-out photos; {n_seen:,} learned from"
    if "fold_encoders" in facts:
        title = f"{n_held_out:,} photos, each by an encoder that hasn't learned it"
    table = Table(title=title)
    table.add_column("fine-tuned share of the weights")
    for level in levels:
        table.add_column(f"level {level}: top-1", justify="right")
        table.add_column("macro-F1", justify="right")
    for share, measured in facts["measured"].items():
        name = "none (before)" if float(share) == 0 else f"{float(share):.0%}"
        cells = [f"{level[key]:.3f}" for level in measured for key in ("top1", "macro_f1")]
        table.add_row(name + (" (chosen)" if share == chosen else ""), *cells)
    return table
