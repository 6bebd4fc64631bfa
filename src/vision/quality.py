"""Photo quality: what a seller could do better, measured on a small copy of the photo.

Flags inform; they never decide. Each threshold was set on 786 real marketplace photos (512 px),
of which 6 % have a flag, and on degraded copies of them, of which most should; `LIMITS` gives the
shares.
"""

from dataclasses import astuple, dataclass
from typing import Literal

import cv2
import numpy as np
from pydantic import BaseModel, ConfigDict

from ..core.arrays import Floats
from .load import DecodedPhoto
from .photo_measures import clipped_fraction, frame_fraction, levels, sharpness
from .preprocess import resized
from .text_overlay import text_fraction

FlagName = Literal[
    "low_resolution", "blurry", "dark", "overexposed", "low_contrast", "border", "text_overlay"
]
SIDE_PX = 384
"""The longer side of the copy that is measured; smaller photos stay as they are."""


class PhotoFlag(BaseModel):
    """Something about the photo that the seller could improve; the message says what to do.

    `value` was measured, `threshold` is what it should have kept; see `PhotoQuality` for units.
    """

    model_config = ConfigDict(frozen=True)

    flag: FlagName
    value: float
    threshold: float
    message: str


@dataclass(frozen=True)
class PhotoQuality:
    """Measures of one photo.

    Parameters
    ----------
    longer_side_px
        Of the file, before any reduction.
    sharpness
        Fineness of the finest edges, 0 (smooth) to about 3; see `photo_measures.sharpness`.
    highlight
        Brightness that 5 % of the pixels exceed, 0 to 255.
    clipped_fraction
        Share of the pixels, pure white ones aside, that have a channel at its end.
    contrast
        Largest spread of a channel between its darkest and its brightest percent, 0 to 255.
    frame_fraction
        Share of the photo that a frame or bars of one colour take, white ones aside.
    text_fraction
        Share of the width that the letters of the longest line of text take.
    """

    longer_side_px: int
    sharpness: float
    highlight: float
    clipped_fraction: float
    contrast: float
    frame_fraction: float
    text_fraction: float

    @classmethod
    def from_row(cls, row: Floats) -> "PhotoQuality":
        """Take the measures from where `row` put them."""
        longer_side_px, *shares = row.tolist()
        return cls(int(longer_side_px), *shares)

    @property
    def row(self) -> Floats:
        """The measures in order, float32: what a cache can keep."""
        return np.array(astuple(self), dtype=np.float32)

    @property
    def flags(self) -> tuple[PhotoFlag, ...]:
        """Every measure beyond its limit, in the order of `LIMITS`."""
        return tuple(
            PhotoFlag(
                flag=limit.flag,
                value=round(float(value), 3),
                threshold=limit.threshold,
                message=limit.message,
            )
            for limit in LIMITS
            if limit.broken_by(value := getattr(self, limit.measure))
        )


@dataclass(frozen=True)
class Limit:
    """The value that a measure should keep: at least, or (`at_most`) at most the threshold."""

    flag: FlagName
    measure: str
    threshold: float
    message: str
    at_most: bool = False

    def broken_by(self, value: float) -> bool:
        """Tell whether a value lies beyond; one that equals the threshold doesn't."""
        return value > self.threshold if self.at_most else value < self.threshold


LIMITS = (
    # real: 0 %; the model itself looks at 288 px
    Limit(
        "low_resolution",
        "longer_side_px",
        300,
        "The photo is very small. Upload one of at least 500 pixels on its longer side.",
    ),
    # real: 0.4 %; Gaussian blur of 1.5 px in 512: 96 %, of 2 px: 100 %
    Limit(
        "blurry",
        "sharpness",
        0.55,
        "The photo looks blurred. Hold the camera still, focus on the product, and don't enlarge "
        "a small photo.",
    ),
    # real: 0.3 %; at a quarter of its brightness: 100 %
    Limit(
        "dark",
        "highlight",
        110,
        "The photo is very dark. Take it in daylight, or with a lamp to each side.",
    ),
    # real: 0.4 %; at 2.5 times its brightness: 44 % (dark products keep their colours)
    Limit(
        "overexposed",
        "clipped_fraction",
        0.3,
        "Much of the product is so bright that its colours are lost. Take it with less light or a "
        "shorter exposure.",
        at_most=True,
    ),
    # real: 0.6 %; at a quarter of its contrast: 100 %
    Limit(
        "low_contrast",
        "contrast",
        75,
        "The product hardly stands out. Use a background that differs from it, and wipe the lens.",
    ),
    # real: 0.1 %; a frame of 4 % of the width: 100 %, bars above and below: 100 %
    Limit(
        "border",
        "frame_fraction",
        0.03,
        "The photo has a frame or bars around it. Crop it to the product and its background.",
        at_most=True,
    ),
    # real: 4 %, mostly printed packaging; a line across the photo: 53 %, half transparent: 35 %
    Limit(
        "text_overlay",
        "text_fraction",
        0.3,
        "There is writing across the photo. If it isn't printed on the product, upload a photo "
        "without text, price or watermark.",
        at_most=True,
    ),
)


def is_measurable(photo: DecodedPhoto) -> bool:
    """Tell whether enough of the file's pixels were decoded for `assess_photo`."""
    left, top, right, bottom = photo.box
    return max(right - left, bottom - top) >= min(SIDE_PX, max(photo.width_px, photo.height_px))


def assess_photo(photo: DecodedPhoto) -> PhotoQuality:
    """Measure a photo; one decoded at a fraction of its size will do if it `is_measurable`."""
    scale = min(1.0, SIDE_PX / max(photo.width_px, photo.height_px))
    width, height = (max(1, round(side * scale)) for side in (photo.width_px, photo.height_px))
    small = np.ascontiguousarray(resized(photo, width, height, bilinear=True))  # or OpenCV copies
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    red, green, blue = cv2.split(small)
    ends = [levels(channel, 0.01, 0.99) for channel in (red, green, blue)]
    return PhotoQuality(
        longer_side_px=max(photo.width_px, photo.height_px),
        sharpness=sharpness(grey),
        highlight=levels(grey, 0.95)[0],
        clipped_fraction=clipped_fraction(red, green, blue),
        contrast=max(highest - lowest for lowest, highest in ends),
        frame_fraction=frame_fraction(small),
        text_fraction=text_fraction(grey),
    )
