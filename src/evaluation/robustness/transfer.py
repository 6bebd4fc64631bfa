"""What sending and saving do to a photo: compressed, and shrunk."""

import cv2
import numpy as np

from ...vision.photo_measures import Pixels


def jpeg(photo: Pixels, quality: float, _: np.random.Generator) -> Pixels:
    """Save as JPEG of a quality from 1 to 100."""
    written = cv2.imencode(".jpg", photo[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, int(quality)])[1]
    return np.asarray(cv2.imdecode(written, cv2.IMREAD_COLOR_RGB), np.uint8)


def low_resolution(photo: Pixels, side_px: float, _: np.random.Generator) -> Pixels:
    """Shrink to `side_px` on the longer side; a smaller photo stays as it is."""
    scale = side_px / max(photo.shape[:2])
    if scale >= 1:
        return photo
    height, width = (max(1, round(side * scale)) for side in photo.shape[:2])
    return np.asarray(cv2.resize(photo, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
