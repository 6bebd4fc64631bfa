"""How a pipeline lies in a bundle: which file holds what."""

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.cache import EmbeddingCache
from ..core.config import Config
from ..core.errors import BundleChangedError
from ..core.runtimes.names import Runtime
from ..embedding.embedder import load_embedder
from ..fusion.accept_rule import Rules
from ..fusion.storage import load_classifier, save_classifier
from ..retrieval.model import MEMORY, RetrievalModel
from ..text.tfidf import Tfidf
from ..vision.load import PhotoLimits
from ..vision.tuned import TUNED_FILE, tuned_input
from .bundle import Bundle, open_bundle, writing_bundle
from .model_card import model_card

if TYPE_CHECKING:
    from .pipeline import ListingPipeline

MODEL = "model.json"
OWN_ENCODER = "photo_encoder"
LOCAL = "local-dir:"


def load_state(
    folder: Path,
    *,
    device: str,
    cache: EmbeddingCache | None,
    limits: PhotoLimits | None,
    progress: bool,
    runtime: Runtime,
) -> dict[str, Any]:
    """Read what `save_state` wrote: the fields of a `ListingPipeline`, see its `load`."""
    bundle = open_bundle(folder)
    try:
        model = bundle.read_json(MODEL)
        config = _with_own_encoder(Config.model_validate(model["config"]), bundle)
        parts = {
            "classifier": load_classifier(bundle.folder, model["fusion"]),
            "tfidf": {
                part: Tfidf.load(bundle.folder / f"tfidf_{part}.json") for part in model["tfidf"]
            },
            "rules": Rules.from_json(model["rules"]),
            "class_names": tuple(model["class_names"]),
            "facts": model["facts"],
        }
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise BundleChangedError(
            f"Bundle {folder} must hold a whole model, but reading it failed: {error!r}. "
            "Train it anew."
        ) from error
    embedder = load_embedder(
        config,
        device=device,
        cache=cache,
        limits=limits or PhotoLimits(),
        progress=progress,
        runtime=runtime,
    )
    bundle.require_fingerprint("photo", embedder.photos.fingerprint, config.image.weights)
    bundle.require_fingerprint("text", embedder.texts.fingerprint, config.text.weights)
    retrieval = None
    if (bundle.folder / MEMORY).is_file():
        retrieval = RetrievalModel.load(
            bundle.folder, embedder, config.retrieval.image_text_space, device
        )
    found = {"embedder": embedder, "config": config, "retrieval": retrieval, "version": bundle.version}
    return parts | found


def save_state(pipeline: "ListingPipeline", folder: Path, *, overwrite: bool) -> Bundle:
    """Write a pipeline as a bundle; what was there stays until the new one is whole."""
    embedder = pipeline.embedder
    fingerprints = {"photo": embedder.photos.fingerprint, "text": embedder.texts.fingerprint}
    with writing_bundle(folder, fingerprints, overwrite=overwrite) as staging:
        config = _keeping_own_encoder(pipeline.config, staging).model_dump()
        model = {
            "config": config,
            "class_names": list(pipeline.class_names),
            "fusion": save_classifier(pipeline.classifier, staging),
            "tfidf": list(pipeline.tfidf),
            "rules": pipeline.rules.to_json(),
            "facts": dict(pipeline.facts),
        }
        text = json.dumps(model, indent=1, ensure_ascii=False, allow_nan=False)
        (staging / MODEL).write_text(text, encoding="utf-8")
        for part, weigher in pipeline.tfidf.items():
            weigher.save(staging / f"tfidf_{part}.json")
        card = model_card(pipeline.class_names, config, pipeline.facts)
        (staging / "README.md").write_text(card, encoding="utf-8")
        if pipeline.retrieval is not None:
            pipeline.retrieval.save(staging, fingerprints)
    return open_bundle(folder)


def _keeping_own_encoder(config: Config, staging: Path) -> Config:
    """Copy a fine-tuned photo encoder into the bundle, so that it runs wherever it is taken.

    What the encoder's folder says of its training stays behind.
    """
    source = Path(config.image.weights.removeprefix(LOCAL))
    if not config.image.weights.startswith(LOCAL) or not (source / TUNED_FILE).is_file():
        return config
    kept, tuned = staging / OWN_ENCODER, tuned_input(config.image.weights)
    kept.mkdir()
    for name in ("config.json", "model.safetensors"):
        shutil.copyfile(source / name, kept / name)
    said = {"side_px": tuned.side_px, "crop_mode": tuned.crop_mode}
    (kept / TUNED_FILE).write_text(json.dumps(said), encoding="utf-8")
    return _with_image_weights(config, LOCAL + OWN_ENCODER)


def _with_own_encoder(config: Config, bundle: Bundle) -> Config:
    """Find the photo encoder that lies in the bundle."""
    if config.image.weights != LOCAL + OWN_ENCODER:
        return config
    return _with_image_weights(config, f"{LOCAL}{bundle.folder.resolve() / OWN_ENCODER}")


def _with_image_weights(config: Config, weights: str) -> Config:
    image = config.image.model_copy(update={"weights": weights})
    return config.model_copy(update={"image": image})
