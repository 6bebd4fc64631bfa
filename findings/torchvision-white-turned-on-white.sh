#!/usr/bin/env bash
# Guessed: a white photo, turned or shrunk with fill=255, stays white.
#
# torchvision 0.29.2's transforms of tensors (v2, RandomAffine and RandomRotation among them) draw a
# dark seam between photo and fill with bilinear interpolation: an edge pixel of which the share w is
# photo becomes 255 (w * w + 1 - w), down to 191, because the photo's part, which counts in shares
# already, is weighed once more. Nearest interpolation and Pillow leave white as it is. Product
# photos stand on white, so augmentation frames each of them with a thin grey line that no upload has.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/env"
"$place/env/bin/pip" install --quiet torch==2.15.0 torchvision==0.29.2 pillow==12.3.0
cat >"$place/turn.py" <<'PY'
import numpy as np
import torch
from PIL import Image
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2.functional import affine

white = torch.full((3, 192, 192), 255, dtype=torch.uint8)
place = {"angle": 20.0, "translate": [0, 0], "scale": 0.8, "shear": [0.0, 0.0], "fill": [255.0] * 3}
darkest = {}
for mode in (InterpolationMode.BILINEAR, InterpolationMode.NEAREST):
    turned = affine(white, interpolation=mode, **place)
    darkest[f"torchvision, {mode.value}"] = int(turned.min())
own = Image.new("RGB", (192, 192), "white").rotate(
    20, Image.Resampling.BILINEAR, fillcolor=(255, 255, 255)
)
darkest["Pillow, bilinear"] = int(np.asarray(own).min())
print("darkest pixel of 255:", darkest)
assert 185 <= darkest["torchvision, bilinear"] <= 200
assert darkest["torchvision, nearest"] == darkest["Pillow, bilinear"] == 255
PY
cd "$place"
"$place/env/bin/python" turn.py
