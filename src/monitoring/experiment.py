"""Which two models a verdict log compares: one file beside the verdicts, without any listing."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..core.errors import ConfigError
from ..core.files import json_text, parse_json, write_text
from ..core.output import output

NAME = "experiment.json"


@dataclass(frozen=True)
class Contender:
    """A model of an experiment.

    Parameters
    ----------
    version
        Empty: it could never be opened.
    bundle
        Its folder, as it was given; empty if unknown.
    target_precision, confidence
        What it promises of accepted answers.
    """

    version: str
    bundle: str
    target_precision: float
    confidence: float


@dataclass(frozen=True)
class Experiment:
    """Who is compared with whom.

    Parameters
    ----------
    share
        Of the listings' keys that the challenger answers; 0: it answers none.
    off
        Why the challenger was switched off; None: it wasn't.
    """

    champion: Contender
    challenger: Contender
    share: float
    off: str | None = None

    def write(self, folder: Path) -> None:
        """Write it down in a log's folder; an OutputError if that can't be."""
        with output(folder):
            write_text(folder / NAME, json_text({"format": 1, **asdict(self)}))

    @classmethod
    def read(cls, folder: Path) -> "Experiment":
        """Read what was written down last.

        Raises
        ------
        ConfigError
            If there is nothing, or something else.
        """
        try:
            said: dict[str, Any] = parse_json((folder / NAME).read_bytes())
            champion, challenger = (Contender(**said[n]) for n in ("champion", "challenger"))
            return cls(champion, challenger, share=said["share"], off=said["off"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            missing = isinstance(error, FileNotFoundError)
            found = "has none" if missing else f"has a damaged one ({error!r})"
            raise ConfigError(
                f"A log of an A/B test must have a readable {NAME}, but {folder} {found}. Log one "
                "with: shelfsure serve CHAMPION --challenger NEW --log-verdicts DIR."
            ) from error
