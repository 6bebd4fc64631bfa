"""What is kept of a photo to compare it with others: a small picture and its local features."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from ...core.arrays import Floats
from ...vision.load import DecodedPhoto, PhotoLimits, decode_photo

DETAIL_PX = 288
PICTURE_PX = 192
FINE_PX = 32
MAX_POINTS = 350
PLAIN = 6.0  # grey levels that a line of one colour deviates at most, after a poor JPEG, too
Bytes = npt.NDArray[np.uint8]

# Seen in a mirror, SIFT's 4 x 4 cells swap top and bottom (they lie along the feature's own
# direction) and its 8 directions run the other way round.
_MIRRORED = np.arange(128).reshape(4, 4, 8)[::-1, :, [0, 7, 6, 5, 4, 3, 2, 1]].ravel()


@dataclass(frozen=True)
class PhotoDetail:
    """A photo reduced to 150 KB at most, and as much again once it has been compared.

    Parameters
    ----------
    picture
        Shape ``(height, width, 3)``, RGB, 0 to 255, the longer side 192 px.
    points
        Shape ``(n_points, 2)``: where features lie, across and down, as fractions from 0 to 1.
    descriptors
        Shape ``(n_points, 128)``: their SIFT descriptors, 0 to 255.
    size
        Width and height of the photo itself, in pixels.
    """

    picture: Bytes
    points: npt.NDArray[np.float32]
    descriptors: Bytes
    size: tuple[int, int]

    @cached_property
    def root_sift(self) -> Floats:
        """Descriptors of unit length, which compare better (Arandjelović and Zisserman 2012)."""
        values = self.descriptors.astype(np.float32)
        root: Floats = np.sqrt(values / values.sum(axis=1, keepdims=True).clip(1))
        return root

    @cached_property
    def fine_structure(self) -> Floats:
        """The picture as 32 x 32 grey levels without what is large in it: mean 0, norm 1."""
        grey = cv2.cvtColor(self.picture, cv2.COLOR_RGB2GRAY)
        small = cv2.resize(grey, (FINE_PX, FINE_PX), interpolation=cv2.INTER_AREA)
        fine = small.astype(np.float32)
        fine -= cv2.blur(fine, (9, 9))
        fine -= fine.mean()
        return np.asarray(fine / max(float(np.linalg.norm(fine)), 1e-6))

    @cached_property
    def n_content_pixels(self) -> int:
        """Pixels of the photo without its plain margins, which say nothing about the product."""
        return round(self.size[0] * self.size[1] * content_fraction(self.picture))


def describe_photo(photo: DecodedPhoto) -> PhotoDetail:
    """Reduce a photo to what `match_photos` compares."""
    size = (photo.width_px, photo.height_px)
    detail = photo.image.resize(_fit(size, DETAIL_PX), Image.Resampling.BICUBIC, box=photo.box)
    picture = detail.resize(_fit(size, PICTURE_PX), Image.Resampling.BOX)
    # a plain T-shirt has few strong corners, so weak ones count too
    sift = cv2.SIFT.create(nfeatures=MAX_POINTS, contrastThreshold=0.02)
    found, descriptors = sift.detectAndCompute(np.asarray(detail.convert("L")), None)
    places = np.array([point.pt for point in found], dtype=np.float32).reshape(-1, 2)
    return PhotoDetail(
        picture=np.asarray(picture),
        points=np.asarray((places + 0.5) / detail.size, dtype=np.float32),
        descriptors=np.zeros((0, 128), np.uint8)
        if descriptors is None
        else descriptors.astype(np.uint8),
        size=size,
    )


def load_detail(source: str | Path | bytes, limits: PhotoLimits) -> PhotoDetail:
    """Read, decode and reduce one photo, or raise PhotoError."""
    return describe_photo(decode_photo(source, min_side_px=DETAIL_PX, **vars(limits)))


def content_fraction(picture: Bytes) -> float:
    """Share of a picture, ``(height, width, 3)``, that is left once its plain margins are cut off.

    A frame goes, and the white ground behind it; a picture of one colour is all content.
    """
    content = picture.astype(np.float32)
    while True:
        rows, columns = (content.std(axis=along).mean(axis=-1) > PLAIN for along in (1, 0))
        if not rows.any() or not columns.any():
            return 1.0
        if rows[0] and rows[-1] and columns[0] and columns[-1]:
            return content[..., 0].size / picture[..., 0].size
        # from the sides of a frame its top looks uneven: cut in one direction at a time
        lines = rows if not (rows[0] and rows[-1]) else columns
        first, last = np.flatnonzero(lines)[[0, -1]]
        cut = slice(first, last + 1)
        content = content[cut] if lines is rows else content[:, cut]


def same_pixels(a: str | Path | bytes, b: str | Path | bytes, limits: PhotoLimits) -> bool:
    """Tell whether two photos decode to the same pixels, whatever their files look like.

    Raises PhotoError if one of them can't be used.
    """
    one, other = (decode_photo(source, **vars(limits)).image for source in (a, b))
    return one.size == other.size and one.tobytes() == other.tobytes()


def mirrored_descriptors(descriptors: Floats) -> Floats:
    """Give the descriptors that the mirrored photo has at the mirrored points.

    Spares finding features once more: looking for a mirrored copy costs only the matching.
    """
    return descriptors[:, _MIRRORED]


def _fit(size: tuple[int, int], longer_px: int) -> tuple[int, int]:
    scale = longer_px / max(size)
    return max(8, round(size[0] * scale)), max(8, round(size[1] * scale))
