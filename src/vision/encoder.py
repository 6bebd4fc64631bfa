"""Photos to vectors, over timm."""

from collections.abc import Iterator, Mapping, Sequence
from copy import copy, deepcopy
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..core.arrays import Floats
from ..core.device import Precision, Runtime, pick_device
from ..core.errors import WeightsError
from ..core.runtimes.benchmark import RuntimeBenchmark
from ..core.runtimes.engine import Engine, check_runtime
from ..core.runtimes.session import Graph, Session
from ..core.runtimes.torch_session import TorchSession
from ..core.weights import state_fingerprint
from .backbone import FoldEncoder, load_backbone, tuned_input
from .preprocess import CropMode, Decode, Preprocessing, SquareInput

if TYPE_CHECKING:
    import torch

N_PROBES = 8


class PhotoEncoder(SquareInput):
    """A timm backbone as an encoder: ``encode(squares) -> (n, dim)``, unit length.

    Build it with `load`, or around any timm model. Its `backbone` is there whatever the runtime.
    `seen` has the sha256 of the photos that it was tuned on; `fold_encoders` are the weights of
    others that were tuned alike, each without a part of these. `sessions` (sha256 -> number) says
    which photos were kept together then; None if it wasn't tuned.
    """

    def __init__(
        self,
        backbone: "torch.nn.Module",
        preprocessing: Preprocessing,
        *,
        device: str = "cpu",
        precision: Precision = "float32",
        runtime: Runtime = "torch",
        seen: frozenset[str] = frozenset(),
        fold_encoders: Sequence[FoldEncoder] = (),
        sessions: Mapping[str, int] | None = None,
    ) -> None:
        import torch

        self.runtime = runtime = check_runtime(runtime, device, precision)
        self.backbone = backbone.eval().to(device).to(memory_format=torch.channels_last)
        self.preprocessing = preprocessing
        self.device = device
        self.precision = precision
        self.seen = seen
        self.fold_encoders = tuple(fold_encoders)
        self.sessions = sessions
        self.dim = int(backbone.num_features)  # type: ignore[arg-type]
        if hasattr(backbone, "head_hidden_size"):
            self.dim = int(backbone.head_hidden_size)  # type: ignore[arg-type]
        settings = asdict(preprocessing) | {"precision": precision, "version": 1}
        if preprocessing.decode == "normal":  # as before there was a choice
            del settings["decode"]
        self.fingerprint = state_fingerprint(backbone.state_dict(), settings)
        graph = self.graph()
        self._torch = TorchSession(graph.module, device, precision)
        self.engine = Engine.open(
            runtime, RuntimeBenchmark(graph, self.fingerprint, self._encode_probes, precision)
        )

    @classmethod
    def load(
        cls,
        weights: str = "starter",
        *,
        side_px: int | None = None,
        crop_mode: CropMode | None = None,
        decode: Decode = "normal",
        device: str = "auto",
        precision: Precision = "float32",
        runtime: Runtime = "auto",
    ) -> "PhotoEncoder":
        """Load weights by name.

        Parameters
        ----------
        weights
            ``"starter"`` (EfficientNet-Lite0 from an installed package, checked by hash),
            ``"efficientnet-lite1"`` and ``"efficientnet-lite2"`` likewise,
            ``"local-dir:FOLDER"`` (timm's format: config.json + model.safetensors), or any timm
            name with a tag (``"tf_efficientnetv2_s.in21k_ft_in1k"``), fetched from the hub. Several
            names joined by ``+`` are an ensemble: see `ensemble.EnsembleBackbone`.
        side_px, crop_mode
            Override the backbone's own evaluation size and crop; `squash` and `border` show the
            whole photo. A fine-tuned folder's own are those that it was tuned with.
        decode
            ``normal``, or ``fast``: JPEGs at a fraction of their size; it changes the fingerprint.
        device
            ``auto``, ``cpu``, ``cuda``, ``mps``.
        precision
            ``float32``, ``bfloat16`` for PyTorch's autocast, ``openvino-bfloat16``; it changes the
            fingerprint.
        runtime
            ``torch``, ``onnxruntime``, ``openvino``, or ``auto``: the fastest here, once there is
            work for it. In float32 they are interchangeable, so the fingerprint stays.

        Raises
        ------
        WeightsError
            If the weights can't be had, within 20 s.
        RuntimeUnusableError
            If the runtime was asked for by name, and can't run them.
        """
        device = pick_device(device)
        check_runtime(runtime, device, precision)  # before seconds are spent on loading
        backbone = load_backbone(weights)
        tuned = tuned_input(weights)
        preprocessing = _preprocessing(
            backbone, side_px or tuned.side_px, crop_mode or tuned.crop_mode, decode
        )
        return cls(
            backbone,
            preprocessing,
            device=device,
            precision=precision,
            runtime=runtime,
            seen=tuned.seen,
            fold_encoders=tuned.fold_encoders,
            sessions=tuned.sessions,
        )

    def graph(self) -> Graph:
        """Describe the whole computation, pixels to unit vectors, to runtimes."""
        from .graph import photo_graph

        return photo_graph(self.backbone, self.preprocessing)

    def encode(
        self, items: Sequence[npt.NDArray[np.uint8]], batch_size: int | None = None
    ) -> Floats:
        """Embed prepared photos.

        Parameters
        ----------
        items
            Each of shape ``(side_px, side_px, 3)``, 0 to 255, as `prepare` returns it.
        batch_size
            How many at once; by default as many as suit the runtime.

        Returns
        -------
        Floats
            Shape ``(n, dim)``, float32, unit length; a row doesn't depend on its batch.
        """
        if len(items) == 0:
            return np.zeros((0, self.dim), dtype=np.float32)
        return self._encode_on(self.engine.session(len(items)), items, batch_size)

    def _encode_probes(self, session: Session | None) -> Floats:
        """Embed drawn photos: what runtimes are tried with."""
        rng = np.random.default_rng(0)
        side = self.preprocessing.side_px
        blocks = rng.integers(0, 256, (N_PROBES, 9, 9, 3), dtype=np.uint8)
        cell = -(-side // 9)
        photos = blocks.repeat(cell, axis=1).repeat(cell, axis=2)[:, :side, :side]
        return self._encode_on(session, list(photos))

    def open_fold_encoders(self) -> "Iterator[PhotoEncoder]":
        """Load the fold encoders, one after the other.

        Raises
        ------
        WeightsError
            If a file is missing or damaged.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        for fold_encoder in self.fold_encoders:
            backbone = deepcopy(self.backbone).cpu()
            try:
                backbone.load_state_dict(load_file(fold_encoder.weights))
            except (OSError, RuntimeError, SafetensorError) as error:
                raise WeightsError(
                    f"{fold_encoder.weights} must hold weights like those beside it, but: {error}. "
                    "Tune the encoder anew."
                ) from error
            yield PhotoEncoder(
                backbone,
                self.preprocessing,
                device=self.device,
                precision=self.precision,
                runtime=self.runtime,
                seen=fold_encoder.seen,
            )

    def on(self, session: Session | None) -> "PhotoEncoder":
        """Give the same encoder on another runtime (None = PyTorch)."""
        other = copy(self)
        other.engine = Engine(session)
        return other

    def _encode_on(
        self,
        session: Session | None,
        squares: Sequence[npt.NDArray[np.uint8]],
        batch_size: int | None = None,
    ) -> Floats:
        """Embed prepared photos, at least one, on a given runtime (None = PyTorch)."""
        session = session or self._torch
        size = batch_size or session.rows_at_once
        starts = range(0, len(squares), size)
        return np.concatenate(session.run((np.stack(squares[i : i + size]),) for i in starts))


def _preprocessing(
    backbone: "torch.nn.Module", side_px: int | None, crop_mode: CropMode | None, decode: Decode
) -> Preprocessing:
    """Read timm's evaluation settings; a whole-photo crop mode shows all of the photo."""
    from timm.data import resolve_model_data_config

    data = resolve_model_data_config(backbone, use_test_size=True)
    own_mode = data["crop_mode"]
    mode: CropMode = crop_mode or (own_mode if own_mode in {"squash", "border"} else "center")
    return Preprocessing(
        side_px=side_px or int(data["input_size"][-1]),
        crop_fraction=float(data["crop_pct"]) if mode == "center" else 1.0,
        crop_mode=mode,
        mean=tuple(map(float, data["mean"])),
        std=tuple(map(float, data["std"])),
        decode=decode,
    )
