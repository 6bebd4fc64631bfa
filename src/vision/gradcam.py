"""Where on the photo the evidence for a category lies: Grad-CAM (Selvaraju et al. 2017).

The category's log-odds are differentiated with respect to the backbone's last map of features,
through pooling, the embedding's unit length and the linear head, all by autograd, so any timm
backbone with such a map will do, frozen or fine-tuned. Only what speaks for the category is kept.
"""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ..core.arrays import Floats
from .preprocess import Preprocessing, resized_size


def category_heatmap(
    encoder: Any, pixels: npt.NDArray[np.uint8], coefficients: Floats, column: int
) -> Floats | None:
    """Find where in the model's input the evidence for one category lies.

    Parameters
    ----------
    encoder
        A `PhotoEncoder`; of any other only None can be had.
    pixels
        Shape ``(side_px, side_px, 3)``, as `PhotoEncoder.prepare` returns it.
    coefficients
        Shape ``(n_categories, dim)``, of the linear head over the unit-length embedding; `column`
        is the category's row. What all have in common doesn't matter, nor do the intercepts.

    Returns
    -------
    Floats or None
        Shape ``(rows, columns)`` of the backbone's map, 0 or more, without a unit; larger speaks
        more for the category. None where the backbone has no map, as vision transformers, or can't
        be differentiated.
    """
    import torch

    from .graph import PhotoGraph

    backbone = getattr(encoder, "backbone", None)
    if not isinstance(backbone, torch.nn.Module) or not hasattr(backbone, "forward_features"):
        return None
    settings = encoder.preprocessing
    network = PhotoGraph(backbone, settings.mean, settings.std).to(encoder.device)
    with torch.no_grad():
        batch = network.normalised(torch.from_numpy(pixels[None].copy()).to(encoder.device))
        features = backbone.forward_features(batch)  # type: ignore[operator]
    if not isinstance(features, torch.Tensor) or features.ndim != 4:
        return None
    features = features.float().requires_grad_()
    head = torch.as_tensor(np.asarray(coefficients, dtype=np.float32), device=features.device)
    # the caller may run inside no_grad; parameters need no gradients of their own
    with torch.enable_grad():
        pooled = backbone.forward_head(features, pre_logits=True)  # type: ignore[operator]
        logits = head @ torch.nn.functional.normalize(pooled, dim=1)[0]
        others = torch.cat([logits[:column], logits[column + 1 :]])
        (gradient,) = torch.autograd.grad(logits[column] - others.logsumexp(0), features)
    channels = 1 if features.shape[1] == backbone.num_features else 3  # timm's Swin puts them last
    places = tuple({1, 2, 3} - {channels})
    evidence = gradient.mean(dim=places, keepdim=True) * features
    positive = evidence.sum(dim=channels)[0].clamp(min=0).detach().cpu().numpy()
    return np.asarray(positive, dtype=np.float32)


def over_photo(
    heat: Floats, preprocessing: Preprocessing, photo_px: tuple[int, int], size_px: tuple[int, int]
) -> Floats:
    """Lay a heatmap of the model's square input over the photo that the input was made from.

    Parameters
    ----------
    heat
        Shape ``(rows, columns)``, 0 or more.
    photo_px, size_px
        Width and height of the upright photo in its file, and of the heatmap to draw.

    Returns
    -------
    Floats
        Shape ``(height, width)``, 0 to 1: scaled so that the photo's hottest point is 1, all 0 if
        nothing speaks for the category. What the model's crop leaves out is 0; what its padding
        adds is left out.
    """
    side, mode = preprocessing.side_px, preprocessing.crop_mode
    resized = resized_size(photo_px, side, preprocessing.crop_fraction, mode)
    maps = [_input_places(length, side, n) for length, n in zip(resized, size_px, strict=True)]
    rows, columns = heat.shape
    # pixel centres: the input's place p lies at (p + 0.5) / side * rows - 0.5 on the map
    x, y = ((places / side * n - 0.5) for places, n in zip(maps, (columns, rows), strict=True))
    grid_x, grid_y = np.meshgrid(x.astype(np.float32), y.astype(np.float32))
    drawn = cv2.remap(
        heat.astype(np.float32), grid_x, grid_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    seen_x, seen_y = ((places >= 0) & (places <= side) for places in maps)
    drawn = drawn * (seen_y[:, None] & seen_x[None, :])
    return np.asarray(drawn / max(drawn.max(), np.finfo(np.float32).tiny))


def _input_places(resized: int, side: int, n: int) -> Floats:
    """Tell where n equal steps along one axis of the photo lie in the input, in its pixels."""
    along = (np.arange(n) + 0.5) / n * resized
    if resized >= side:
        return along - round((resized - side) / 2)
    return along + (side - resized) // 2
