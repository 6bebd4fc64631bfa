"""Product photos on white, as if taken with a phone: the white makes room for another background.

Neither torchvision nor timm has this.
"""

import numpy as np
import numpy.typing as npt

WHITE = 245
"""A background pixel has no channel below this."""
SOFTEN_PX = 3


def white_background(photo: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Find the white that reaches the photo's edge; white inside of a product isn't meant.

    Parameters
    ----------
    photo
        Shape ``(height, width, 3)``, 0 to 255.

    Returns
    -------
    np.ndarray
        Shape ``(height, width)``; True is background.
    """
    import cv2

    white = (photo.min(axis=2) >= WHITE).astype(np.uint8)
    _, parts = cv2.connectedComponents(white, connectivity=4)
    edge = np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]])
    touching = np.setdiff1d(edge, [0])
    return np.asarray(np.isin(parts, touching) & (white > 0))


def on_backdrop(
    photo: npt.NDArray[np.uint8], backdrop: npt.NDArray[np.uint8]
) -> npt.NDArray[np.uint8]:
    """Put a product that stands on white before another photo, blurred beyond recognition.

    Parameters
    ----------
    photo, backdrop
        Shape ``(side, side, 3)``, 0 to 255, of one size.

    Returns
    -------
    np.ndarray
        A new photo; the same one if it doesn't stand on white.
    """
    import cv2

    background = white_background(photo)
    if not 0.1 < background.mean() < 0.95:
        return photo
    side = len(photo)
    blurred = cv2.blur(cv2.blur(backdrop, (side // 4, side // 4)), (side // 4, side // 4))
    share = cv2.blur(background.astype(np.float32), (SOFTEN_PX, SOFTEN_PX))[..., None]
    mixed = (1 - share) * photo + share * blurred
    return np.asarray(mixed.round(), dtype=np.uint8)
