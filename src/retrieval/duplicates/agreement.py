"""How much two pictures that lie on each other show the same: in structure and in colour."""

import cv2
import numpy as np

from ...core.arrays import Bools, Floats

BLOCK_PX = 9
MIN_TEXTURED_PX = 60  # fewer say nothing
MIN_VARIANCE = 30.0  # of a block, in squared grey levels: below, it is plain
MIN_CHROMA = 2.0  # mean, in grey levels: below, a photo counts as grey
BLOCK_WEIGHT_LIMIT = 30.0
AGREES = 0.5
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


def correlation(x: Floats, y: Floats) -> float:
    """Pearson's correlation, -1 to 1; 0 where one of them is constant."""
    x, y = x - x.mean(), y - y.mean()
    norm = float(np.sqrt((x * x).sum() * (y * y).sum()))
    return float((x * y).sum()) / norm if norm > 1e-3 * x.size else 0.0


def colour_residual(x: Floats, y: Floats) -> float:
    """Measure the colour of y that one cast and one saturation for the whole photo can't explain.

    Parameters
    ----------
    x, y
        Shape ``(n_pixels, 3)``, RGB, 0 to 255: the same places in two photos.

    Returns
    -------
    float
        0 for the same colours, also under a cast or when one photo is grey; about 1 for others.
    """
    grey = (x @ LUMA)[:, None]
    chroma_x, chroma_y = x - grey, y - (y @ LUMA)[:, None]
    if min(np.abs(chroma_x).mean(), np.abs(chroma_y).mean()) < MIN_CHROMA:
        return 0.0
    # a cast tints in proportion to brightness
    energy = float((grey * grey).sum()) + 1.0
    rest_x = chroma_x - grey * ((grey * chroma_x).sum(axis=0) / energy)
    rest_y = chroma_y - grey * ((grey * chroma_y).sum(axis=0) / energy)
    slope = float((rest_x * rest_y).sum()) / max(float((rest_x * rest_x).sum()), 1.0)
    rest_x *= np.clip(slope, 0.3, 2.5)
    residual = np.linalg.norm(rest_y - rest_x, axis=1)
    strength = np.maximum(np.linalg.norm(rest_x, axis=1), np.linalg.norm(rest_y, axis=1))
    return float((strength * residual).sum() / ((strength**2).sum() + 4.0 * len(strength)))


def block_agreement(x: Floats, y: Floats, overlap: Bools) -> tuple[float, float, Bools]:
    """Compare the textured blocks of two grey pictures that lie on each other.

    Parameters
    ----------
    x, y
        Shape ``(height, width)``, float32, 0 to 255; `overlap` says where both show something.

    Returns
    -------
    tuple
        The share of them that agrees, 0 to 1, the stronger texture counting more; their median
        agreement, -1 to 1; and where they agree. 0.5 each where hardly anything is textured.
    """
    block = (BLOCK_PX, BLOCK_PX)
    mean_x, mean_y = cv2.blur(x, block), cv2.blur(y, block)
    variance_x = np.maximum(cv2.blur(x * x, block) - mean_x**2, 0)
    variance_y = np.maximum(cv2.blur(y * y, block) - mean_y**2, 0)
    covariance = cv2.blur(x * y, block) - mean_x * mean_y
    # one contrast for the whole photo, so that a block can't hide by its own
    gain = float(np.sqrt(max(y[overlap].var(), 1.0) / max(x[overlap].var(), 1.0)))
    variance_x, covariance = variance_x * gain**2, covariance * gain
    stronger = np.maximum(variance_x, variance_y)
    inside = cv2.blur(overlap.astype(np.float32), block) > 0.99
    # where an over-exposed copy has burnt out, nothing is left to compare
    burnt = (np.maximum(mean_x, mean_y) > 251) & (np.minimum(mean_x, mean_y) > 190)
    textured = inside & (stronger > MIN_VARIANCE) & ~burnt
    if textured.sum() < MIN_TEXTURED_PX:
        return 0.5, 0.5, overlap
    agreement = (2 * covariance + 8) / (variance_x + variance_y + 8)
    agrees = textured & (agreement > AGREES)
    weights = np.minimum(np.sqrt(stronger), BLOCK_WEIGHT_LIMIT)
    fraction = float(weights[agrees].sum() / weights[textured].sum())
    median = float(np.median(agreement[textured]))
    return fraction, median, agrees if agrees.any() else overlap
