"""What chance does to training photos; torchvision's transforms, a seed for each draw."""

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .config import Augmentation

if TYPE_CHECKING:
    import torch

WHITE = 255
QUALITY = (30, 90)
MAX_BLUR_PX = 1.5


@lru_cache(maxsize=16)
def photo_transform(settings: Augmentation, side_px: int, strength: float) -> Any:
    """Build the transform of one photo, uint8 ``(3, h, w)`` to uint8 ``(3, side_px, side_px)``.

    What turning and shrinking uncover is white, as the frame of a `border` square is.
    """
    import torch
    from torchvision.transforms import v2

    colour, degrees = strength * settings.colour, strength * settings.rotation_degrees
    steps: list[Any] = [
        v2.RandomAffine(
            degrees,
            scale=(1 - strength * settings.zoom_out, 1.0),
            interpolation=v2.InterpolationMode.BILINEAR,
            fill=WHITE,
        ),
        v2.RandomResizedCrop(
            side_px, scale=(1 - strength * (1 - settings.min_area), 1.0), antialias=True
        ),
        v2.RandomHorizontalFlip(settings.flip),
        v2.ColorJitter(colour, colour, colour, strength * settings.hue or None),
    ]
    if magnitude := round(strength * settings.rand_augment):
        steps.append(v2.RandAugment(num_ops=1, magnitude=magnitude, fill=[WHITE] * 3))
    steps += [
        v2.RandomApply([v2.GaussianBlur(5, (0.1, MAX_BLUR_PX))], strength * settings.blur),
        v2.RandomApply([v2.Lambda(compressed)], strength * settings.jpeg),
        v2.ToDtype(torch.uint8),
        v2.RandomErasing(strength * settings.erasing, scale=(0.02, 0.2), value=127),
    ]
    return v2.Compose(steps)


def compressed(photo: "torch.Tensor") -> "torch.Tensor":
    """Add a JPEG's artefacts, by chance; torchvision announces that it will drop its own."""
    import cv2
    import torch

    quality = int(torch.randint(QUALITY[0], QUALITY[1] + 1, ()))
    pixels = np.ascontiguousarray(photo.permute(1, 2, 0).numpy())
    _, encoded = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(encoded, cv2.IMREAD_COLOR_RGB)
    return torch.from_numpy(decoded).permute(2, 0, 1)


def augment(
    photo: npt.NDArray[np.uint8],
    backdrop: npt.NDArray[np.uint8] | None,
    settings: Augmentation,
    side_px: int,
    strength: float,
) -> "torch.Tensor":
    """Change one photo, shape ``(h, w, 3)``, by chance (PyTorch's generator).

    `backdrop`, of the same shape, stands in for a white background; None leaves it. Returns uint8
    of shape ``(3, side_px, side_px)``.
    """
    import torch

    if backdrop is not None:
        photo = on_backdrop(photo, backdrop)
    pixels = torch.from_numpy(np.array(photo)).permute(2, 0, 1)
    changed: torch.Tensor = photo_transform(settings, side_px, strength)(pixels)
    return changed


def mix(first: "torch.Tensor", second: "torch.Tensor") -> "tuple[torch.Tensor, float]":
    """Blend two photos (mixup) or paste a part of the second into the first (CutMix).

    Returns the new photo, and how much of it is the first, 0 to 1.
    """
    import torch
    from torchvision.transforms import v2

    blend = v2.RandomChoice([v2.MixUp(alpha=0.4, num_classes=2), v2.CutMix(num_classes=2)])
    pair = torch.stack([first, second]).float()
    mixed, shares = blend(pair, torch.tensor([0, 1]))
    return mixed[0].round().to(torch.uint8), float(shares[0, 0])


WHITE_FROM = 245
"""A background pixel has no channel below this."""
SOFTEN_PX = 3


def white_background(photo: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Find the white that reaches the photo's edge; white inside of a product isn't meant.

    Of shape ``(height, width, 3)``, 0 to 255, it makes ``(height, width)``: True is background.
    """
    import cv2

    white = (photo.min(axis=2) >= WHITE_FROM).astype(np.uint8)
    _, parts = cv2.connectedComponents(white, connectivity=4)
    edge = np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]])
    touching = np.setdiff1d(edge, [0])
    return np.asarray(np.isin(parts, touching) & (white > 0))


def on_backdrop(
    photo: npt.NDArray[np.uint8], backdrop: npt.NDArray[np.uint8]
) -> npt.NDArray[np.uint8]:
    """Put a product that stands on white before another photo, blurred beyond recognition.

    Both have the shape ``(side, side, 3)``, 0 to 255. A photo that doesn't stand on white stays.
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
