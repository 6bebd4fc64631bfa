"""A comparison in words: the cells of its table, and README.md."""

import json
from collections.abc import Sequence

from ...core.reports import markdown_text
from .records import Comparison, Row

PICTURE = "backbones.png"
ARM_NAMES = {"frozen": "frozen", "finetuned": "fine-tuned"}
HEADER = (
    "backbone",
    "arm",
    "seeds",
    "top-1",
    "macro-F1",
    "params",
    "side",
    "images/s",
    "x starter",
    "minutes",
    "missing",
)
NOTES = """
- Photos only. Both arms end in a logistic regression on unit vectors, fitted on all listings to
  learn from: *frozen* on the backbone as it came, *fine-tuned* after the recipe below.
- ± is the standard deviation over seeds, in points. What other test listings would change comes on
  top: a share of 90% measured on {n_test:,} is known to ±{half_width:.1%}.
- A pretrained backbone's frozen features don't depend on a seed, so they are measured once.
- The recipe is the same for all, but for two things. A backbone with a fixed side gets photos of
  that side. One that was never trained (`light-cnn`, `random:…`) learns in all layers from the
  start; for training from scratch the same number of epochs is few.
- images/s: prepared photos to embeddings on {device}, {precision}, runtime {runtime}; decoding
  comes on top. "x starter" divides it by the starter backbone's, timed in turn with it.
- Params: parameters without the classifier. Minutes are of fine-tuning one seed, since it was last
  resumed; {given}.
"""


def cells(row: Row) -> list[str]:
    """Write one row as text, an unknown value as a dash."""

    def said(value: float | None, form: str) -> str:
        return "-" if value is None else format(value, form)

    def with_sd(value: float | None, sd: float | None) -> str:
        return said(value, ".1%") + ("" if sd is None else f" ± {100 * sd:.1f}")

    n = row.n_parameters
    return [
        row.backbone,
        ARM_NAMES[row.arm],
        str(row.n_seeds),
        with_sd(row.top1, row.top1_sd),
        with_sd(row.macro_f1, row.macro_f1_sd),
        "-" if n is None else f"{n / 1e6:.1f} M",
        said(row.side_px, "d"),
        said(row.images_per_s, ",.1f"),
        said(row.speed_ratio, ".2f"),
        said(row.minutes, ",.1f"),
        row.missing,
    ]


def write_page(comparison: Comparison) -> str:
    """Write README.md; names and reasons come from outside, so they can't become markup."""
    facts = comparison.facts
    limit = facts["max_minutes"]
    notes = NOTES.format(
        **facts,
        half_width=1.96 * (0.9 * 0.1 / facts["n_test"]) ** 0.5,
        given=f"at most {limit:g} were given" if limit else "no limit was given",
    )
    head = (
        f"{facts['n_train']:,} listings to learn from, {facts['n_test']:,} to test on, no "
        f"duplicate in both; {facts['n_categories']} categories; {facts['n_left_out']:,} listings "
        "left out (no photo, too rare a category, or a duplicate of a given test listing). Whoever "
        f"always answers the largest category gets {facts['largest_fraction']:.1%} right."
    )
    parts = [
        "# Backbones compared",
        head,
        _table([HEADER, *(cells(row) for row in comparison.rows())]),
        f"![accuracy against speed]({PICTURE})",
        notes.strip(),
    ]
    if reasons := missing_because(comparison):
        parts += ["## Not measured", "\n".join(f"- {markdown_text(reason)}" for reason in reasons)]
    tuned = [result for result in comparison.results if result.encoder]
    if tuned:
        parts += [
            "## Encoders",
            "Use one: `shelfsure train CATALOGUE --out BUNDLE --image-encoder FOLDER`",
            _table([("run", "FOLDER"), *((str(r.trial), str(r.encoder)) for r in tuned)]),
        ]
    recipe = json.dumps(facts["recipe"], indent=2)
    return "\n\n".join([*parts, "## Recipe", f"```json\n{recipe}\n```"]) + "\n"


def missing_because(comparison: Comparison) -> list[str]:
    """Say in full why something wasn't measured."""
    return [
        *(f"{name} was skipped. {why}" for name, why in comparison.skipped.items()),
        *(f"{name} couldn't be timed. {why}" for name, why in comparison.untimed.items()),
        *(f"{trial} failed. {why}" for trial, why in comparison.failed.items()),
    ]


def _table(rows: Sequence[Sequence[str]]) -> str:
    written = ["| " + " | ".join(map(markdown_text, row)) + " |" for row in rows]
    return "\n".join([written[0], "|" + " --- |" * len(rows[0]), *written[1:]])
