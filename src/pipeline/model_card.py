"""The model card: a bundle's own README.md (Mitchell et al. 2019, "Model Cards")."""

from collections.abc import Mapping, Sequence
from typing import Any


def model_card(
    class_names: Sequence[str], config: Mapping[str, Any], facts: Mapping[str, Any]
) -> str:
    """Write the card as Markdown: data, classes, metrics, limits."""
    rows = [
        f"| {' + '.join(e['modalities'])} | {e['n']:,} | {e['top1']:.1%} | "
        f"{e['accept']['coverage']:.1%} | {e['accept']['precision']:.1%} | {_cut(e['accept'])} |"
        for e in facts["evidence"]
    ]
    left_out = [f"- {_plain(name)}: {n}" for name, n in facts["left_out"].items()] or ["- none"]
    counts = facts["category_counts"]
    return "\n".join(
        [
            "# A Shelfsure bundle",
            "",
            (
                "Sorts a marketplace's listings (photo, title, description) into categories, and "
                "says when it isn't sure. Load it with `ListingPipeline.load(folder)` or "
                "`shelfsure predict FOLDER LISTINGS`."
            ),
            "",
            "## Data",
            (
                f"- {facts['n_listings']:,} listings; photos {facts['n_photos']:,}, titles "
                f"{facts['n_titles']:,}, descriptions {facts['n_descriptions']:,}."
            ),
            (
                f"- {facts['n_rejected']:,} rows were rejected, {facts['n_left_out']:,} left out "
                "because their category has too few examples."
            ),
            (
                f"- Photo encoder `{config['image']['weights']}`, text encoder "
                f"`{config['text']['weights']}`, fusion `{config['fusion']}`, "
                f"seed {config['seed']}."
            ),
            *_familiar(facts.get("n_familiar", 0), facts.get("n_siblings", 0)),
            "",
            "## Metrics",
            (
                "Of answers by models that hadn't seen the listing nor its duplicates "
                f"(calibration: {config['calibration']}). *Accepted* is the share that goes on the "
                f"shelf without a look, at a promised precision of "
                f"{config['accept']['target_precision']:.0%} with "
                f"{config['accept']['confidence']:.0%} confidence."
            ),
            "",
            "| evidence | listings | right | accepted | right of accepted | cut-off |",
            "|---|---|---|---|---|---|",
            *rows,
            "",
            f"## Classes ({len(class_names)}, level {config['levels']})",
            *[f"- {_plain(name)}: {counts[name]} listings" for name in class_names],
            "",
            f"## Left out (fewer than {config['min_examples']} listings)",
            *left_out,
            "",
            "## Limits",
            (
                "- The promised precision holds for listings like those it was trained on. Other "
                "sellers, seasons or photo styles need a new evaluation."
            ),
            "- It names the classes above, and by their names alone those left out or added later.",
            (
                f"- At most about {config['retrieval']['alpha']:.0%} of the catalogue's own "
                "listings are refused as strangers; strangers that look ordinary pass."
            ),
            (
                "- `index/` holds the training listings' titles and photo paths."
                if config["retrieval"]["index"]
                else "- It holds no listing data."
            ),
            "- Wrong labels in the training data lower the measured precision and are learned.",
            "",
        ]
    )


def _cut(accept: Mapping[str, Any]) -> str:
    return f"{accept['threshold']:.3f}" if accept["threshold"] <= 1 else "none keeps the promise"


def _plain(text: str) -> str:
    """Keep a category's name from being read as Markdown."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>#|!" and c != ">" else c for c in text)


def _familiar(n: int, n_fold_encoders: int) -> list[str]:
    if n_fold_encoders:
        return [
            (
                f"- The photo encoder is the average of {n_fold_encoders}, each fine-tuned without "
                "a part of these photos. Each calibrates with its own part: the figures below that "
                "involve photos are of these encoders, not of their average."
            )
        ]
    if not n:
        return []
    return [
        (
            f"- The photo encoder was fine-tuned on {n:,} of these photos. They train, but "
            "calibrate nothing: the figures below that involve photos are of the others."
        )
    ]
