"""Families side by side."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from shelfsure.core.errors import ConfigError
from shelfsure.exploration.features.families import check_names, split_fusion
from shelfsure.exploration.features.fused import fuse
from shelfsure.fusion.views import View


def test_fusing_gives_each_family_the_same_weight(rng) -> None:
    one = View(rng.normal(size=(6, 3)).astype(np.float32) * 100, np.ones(6, dtype=bool))
    other = View(csr_matrix(rng.random((6, 8), dtype=np.float32)), np.arange(6) > 1)
    fused = fuse([one, other])
    lengths = np.linalg.norm(fused.array[:, :3], axis=1), np.linalg.norm(fused.array[:, 3:], axis=1)
    assert lengths[0] == pytest.approx(np.full(6, 0.5**0.5), abs=1e-5)
    assert lengths[1] == pytest.approx(np.where(np.arange(6) > 1, 0.5**0.5, 0), abs=1e-5)
    assert fused.present.all()


def test_whitening_makes_main_directions_count_the_same(rng) -> None:
    uneven = rng.normal(size=(400, 2)).astype(np.float32) * [100, 1]
    white = fuse([View(uneven, np.ones(400, dtype=bool))], whitened=True).array
    plain = fuse([View(uneven, np.ones(400, dtype=bool))]).array
    assert np.abs(plain).mean(axis=0)[1] < 0.1
    assert np.abs(white).mean(axis=0) == pytest.approx([0.64, 0.64], abs=0.06)  # mean |cos|


def test_names_of_fusions_and_models_are_read() -> None:
    assert split_fusion("hog+photo-encoder=resnet18") == (["hog", "photo-encoder=resnet18"], False)
    check_names(["hog+photo-encoder=resnet18:whitened"], ["hog", "photo-encoder"])
    with pytest.raises(ConfigError, match=r"hog.*'hug'"):
        check_names(["hog+hug"], ["hog"])
    with pytest.raises(ConfigError, match="nothing"):
        check_names([], ["hog"])
