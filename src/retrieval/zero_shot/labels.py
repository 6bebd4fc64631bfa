"""The user's own categories: from the command line or a file."""

from pathlib import Path

from ...core.errors import ConfigError


def read_labels(labels: str | None, labels_file: Path | None) -> tuple[list[str], list[str | None]]:
    """Read category names, without repeats, and each one's description or None.

    Parameters
    ----------
    labels
        Names separated by commas.
    labels_file
        UTF-8 text, a name a line; a tab and a description may follow.

    Raises
    ------
    ConfigError
        If neither or both are given, the file can't be read, or fewer than two names are there.
    """
    if (labels is None) == (labels_file is None):
        raise ConfigError("Give either --labels or --labels-file.")
    if labels_file is not None:
        try:
            lines = labels_file.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{labels_file} must be a UTF-8 text file, but: {error}") from error
    else:
        lines = (labels or "").split(",")
    described = {}
    for line in lines:
        name, _, description = (part.strip() for part in line.partition("\t"))
        if name:
            described[name] = description or None
    if len(described) < 2:
        raise ConfigError(f"Zero-shot needs at least 2 categories, got {list(described)}.")
    return list(described), list(described.values())
