"""From how well two photos agree to the probability that one is a copy of the other."""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from scipy.special import expit

from ...core.arrays import Floats
from ...core.errors import CalibrationError
from ...core.files import json_text, parse_json, write_text
from .photo_match import FEATURES

DEFAULT_MODEL = Path(__file__).parent / "pair_model.json"
# More agreement never makes a copy less likely: each weight keeps its sign.
SIGNS: dict[str, int] = {
    "agreement": 1,
    "median_agreement": 1,
    "colour_residual": -1,
    "more_covered": 1,
    "less_covered": 1,
    "inlier_fraction": 1,
    "log_stretch": -1,
}


def evidence(features: Floats) -> Floats:
    """Bend measured features so that their effect on the log-odds is close to a straight line.

    Agreement matters most near 1: from 0.95 to 1 it says more than from 0.5 to 0.7.

    Features of shape ``(n_pairs, 9)``, see `photo_match.FEATURES`, become ``(n_pairs, 7)``, in the
    order of `SIGNS`. Correlation of edges and the number of inliers aren't among them: beside the
    others they told nothing more.
    """
    agreeing, median, _, colour, more, less, _, fraction, stretch = features.T
    return np.column_stack(
        [
            _near_one(agreeing * more),
            _near_one(median),
            np.clip(colour - 0.3, 0.0, 0.8),  # below lie compression and watermarks
            _near_one(more),
            np.minimum(less, 0.35),  # a copy cropped harder is one motif in a larger picture
            fraction,
            np.minimum(stretch, 1.0),
        ]
    )


@dataclass(frozen=True, slots=True)
class PairModel:
    """A logistic regression on `evidence`, with the cut-off that reaches a chosen precision.

    Parameters
    ----------
    weights
        By evidence, in the order of `SIGNS`.
    intercept
        Log-odds of a copy where all evidence is 0.
    threshold
        Probability, 0 to 1, from which on a pair counts as copies.
    sure_threshold
        The same for pairs whose titles name different things: there the photos must be clearer.
    target_precision
        The precision that the thresholds were chosen for.
    min_similarity
        Cosine of the photos' vectors below which a pair isn't looked at; belongs to the encoder.
    """

    weights: tuple[float, ...]
    intercept: float
    threshold: float
    sure_threshold: float
    target_precision: float
    min_similarity: float = 0.5

    def probabilities(self, features: Floats) -> Floats:
        """Rate pairs of photos: shape ``(n_pairs,)``, 0 to 1, that one is a copy of the other.

        Their features have shape ``(n_pairs, 9)``, see `photo_match.FEATURES`.
        """
        return np.asarray(expit(evidence(features) @ np.array(self.weights) + self.intercept))

    def ignoring_colour(self, features: Floats) -> Floats:
        """Rate pairs as `probabilities` does, as if their colours were the same.

        High for one design in two colours.
        """
        grey = np.array(features, dtype=float)
        grey[:, FEATURES.index("colour_residual")] = 0.0
        return self.probabilities(grey)

    def save(self, path: str | Path) -> None:
        """Write the model as JSON: its numbers, nothing of the photos that it was fitted on."""
        write_text(path, json_text(asdict(self)))

    @classmethod
    def load(cls, path: str | Path = DEFAULT_MODEL) -> "PairModel":
        """Read a model; the one that comes with Shelfsure where no path is given.

        Raises
        ------
        CalibrationError
            If the file holds no such model.
        """
        try:
            saved = Path(path).read_bytes()
        except OSError as error:
            raise CalibrationError(
                f"{path} must hold a duplicate model as JSON, but: {error}. Fit it again."
            ) from error
        return cls.parse(saved, path)

    @classmethod
    def parse(cls, saved: bytes, path: str | Path) -> "PairModel":
        """Take what `save` wrote to `path`; see `load`."""
        try:
            fields = parse_json(saved)
            numbers = tuple(float(weight) for weight in fields.pop("weights"))
            model = cls(weights=numbers, **{name: float(fields[name]) for name in fields})
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise CalibrationError(
                f"{path} must hold a duplicate model as JSON, but: {error}. Fit it again."
            ) from error
        if len(numbers) != len(SIGNS) or not np.isfinite(numbers).all():
            raise CalibrationError(
                f"{path} must hold {len(SIGNS)} finite weights, got {list(numbers)}. Fit it again."
            )
        return model


def _near_one(share: Floats) -> Floats:
    return np.asarray(-np.log(1.03 - np.clip(share, 0.0, 1.0)))
