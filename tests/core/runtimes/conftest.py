"""A small encoder that every runtime can take, and one that none can."""

from collections.abc import Callable

import numpy as np
import pytest
import timm
import torch
from shelfsure.core.arrays import Floats
from shelfsure.core.runtimes.session import Graph, Session
from shelfsure.core.runtimes.torch_session import TorchSession
from shelfsure.vision.encoder import PhotoEncoder
from shelfsure.vision.preprocess import Preprocessing

BACKBONE = "test_efficientnet.r160_in1k"
PREPROCESSING = Preprocessing(64, 1.0, "squash", (0.5,) * 3, (0.5,) * 3)


def small_backbone(seed: int = 0) -> torch.nn.Module:
    torch.manual_seed(seed)
    return timm.create_model(BACKBONE, pretrained=False)


@pytest.fixture(scope="session")
def small_encoder() -> PhotoEncoder:
    return PhotoEncoder(small_backbone(), PREPROCESSING)


@pytest.fixture(scope="session")
def small_squares() -> list[np.ndarray]:
    rng = np.random.default_rng(11)
    return list(rng.integers(0, 256, (9, 64, 64, 3), dtype=np.uint8))


class Linear(torch.nn.Module):
    """Rows times a matrix, scaled to unit length: converted in a moment."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.layer = torch.nn.Linear(4, 6)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.normalize(self.layer(rows), dim=1)


class Unconvertible(Linear):
    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        if rows.sum() > 0:  # a branch on the data
            return super().forward(rows)
        return super().forward(rows) * -1


def graph_of(module: torch.nn.Module) -> Graph:
    return Graph(module.eval(), {"rows": torch.ones(2, 4)}, {"rows": {0: "batch"}})


@pytest.fixture(scope="session")
def linear_graph() -> Graph:
    return graph_of(Linear())


@pytest.fixture(scope="session")
def unconvertible_graph() -> Graph:
    return graph_of(Unconvertible())


PROBES = np.random.default_rng(2).normal(size=(5, 4)).astype(np.float32)


def encode_on(graph: Graph) -> Callable[[Session | None], Floats]:
    """What an encoder would give to a bench."""
    own = TorchSession(graph.module, "cpu", "float32")
    return lambda session: np.concatenate((session or own).run([(PROBES,)]))
