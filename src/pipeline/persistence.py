"""How a pipeline lies in a bundle: which file holds what."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ..core.config import Config
from ..core.errors import (
    BundleChangedError,
    BundleReplacedError,
    CalibrationError,
    ListingIndexError,
    ShelfsureError,
)
from ..core.files import exclusive
from ..embedding.embedder import load_embedder
from ..embedding.run_options import RunOptions
from ..fusion.accept_rule import Rules
from ..fusion.storage import load_classifier, save_classifier
from ..retrieval.storage import load_retrieval, read_saved, save_retrieval
from ..text.tfidf import Tfidf
from ..vision.backbone import TUNED_FILE, tuned_input
from .bundle import Bundle, is_version, read_bundle, write_manifest, writing_bundle
from .model_card import model_card
from .state import PipelineState

MODEL = "model.json"
OWN_ENCODER = "photo_encoder"
LOCAL = "local-dir:"
CHANGE_TRIES = 5
OLD_NAMES = {
    "memory": "retrieval",
    "gate": "ood_detector",
    "joint": "image_text_space",
    "n_siblings": "n_fold_encoders",
    "n_familiar": "n_in_encoder_train_set",
}
"""What files of format 1 call things, and what they are called now."""


def load_state(
    folder: Path, options: RunOptions, check: Callable[[PipelineState], None] = lambda _: None
) -> PipelineState:
    """Read what `save_state` wrote, all of one bundle; see `ListingPipeline.load`.

    Parameters
    ----------
    check
        Fails if the parts don't fit each other.
    """

    def load(bundle: Bundle) -> PipelineState:
        with _whole(bundle):
            state = _load(bundle, options)
            check(state)
            return state

    return read_bundle(folder, load)


@contextmanager
def _whole(bundle: Bundle) -> Iterator[None]:
    """Call whatever comes of parts that are damaged or don't fit by its name."""
    try:
        yield
    except Exception as error:
        inside = isinstance(error, CalibrationError | ListingIndexError)
        if isinstance(error, ShelfsureError) and not inside:
            raise
        raise BundleChangedError(
            f"Bundle {bundle.folder} must hold a whole model, but reading it failed: {error!r}. "
            "Train it anew."
        ) from error


def _load(bundle: Bundle, options: RunOptions) -> PipelineState:
    model = bundle.read_json(MODEL)
    config = _with_own_encoder(Config.model_validate(model["config"]), bundle)
    classifier = load_classifier(bundle.read, model["fusion"])
    tfidf = {part: Tfidf.parse(bundle.read(f"tfidf_{part}.json")) for part in model["tfidf"]}
    rules = Rules.from_json(model["rules"])
    class_names = tuple(model["class_names"])
    facts = {OLD_NAMES.get(name, name): value for name, value in model["facts"].items()}
    embedder = load_embedder(config, options)
    bundle.require_fingerprint("photo", embedder.photos.fingerprint, config.image.weights)
    bundle.require_fingerprint("text", embedder.texts.fingerprint, config.text.weights)
    space = config.retrieval.image_text_space
    retrieval = load_retrieval(bundle.read, bundle.folder, embedder, space, old_names=OLD_NAMES)
    return PipelineState(
        embedder,
        tfidf,
        classifier,
        class_names,
        rules,
        config,
        facts,
        retrieval,
        version=bundle.version,
    )


def load_settings(folder: Path) -> tuple[Config, str]:
    """Read a bundle's configuration and its version; no encoder is loaded."""

    def said(bundle: Bundle) -> tuple[Config, str]:
        return Config.model_validate(bundle.read_json(MODEL)["config"]), bundle.version

    return read_bundle(folder, said)


def load_names(folder: Path) -> tuple[list[str], list[str]]:
    """Read a bundle's trained categories and those known by name only; no encoder is loaded."""

    def names(bundle: Bundle) -> tuple[list[str], list[str]]:
        trained: list[str] = bundle.read_json(MODEL)["class_names"]
        _, document = read_saved(bundle.read, OLD_NAMES)
        known = document.get("zero_shot", {}).get("names", ())
        return trained, [name for name in known if name not in trained]

    return read_bundle(folder, names)


def save_state(
    state: PipelineState, folder: Path, *, overwrite: bool, replacing: str | None = None
) -> Bundle:
    """Write a pipeline as a bundle; what was there stays until the new one is whole.

    `replacing` is as for `writing_bundle`.
    """
    embedder = state.embedder
    fingerprints = {"photo": embedder.photos.fingerprint, "text": embedder.texts.fingerprint}
    with writing_bundle(folder, fingerprints, overwrite=overwrite, replacing=replacing) as staging:
        config = _keeping_own_encoder(state.config, staging).model_dump()
        model = {
            "config": config,
            "class_names": list(state.class_names),
            "fusion": save_classifier(state.classifier, staging),
            "tfidf": list(state.tfidf),
            "rules": state.rules.to_json(),
            "facts": dict(state.facts),
        }
        text = json.dumps(model, indent=1, ensure_ascii=False, allow_nan=False)
        (staging / MODEL).write_text(text, encoding="utf-8")
        for part, weigher in state.tfidf.items():
            weigher.save(staging / f"tfidf_{part}.json")
        card = model_card(state.class_names, config, state.facts)
        (staging / "README.md").write_text(card, encoding="utf-8")
        if state.retrieval is not None:
            save_retrieval(state.retrieval, staging, fingerprints)
        bundle = write_manifest(staging, fingerprints)
    return replace(bundle, folder=folder)


def change_bundle(
    folder: Path, options: RunOptions, change: Callable[[PipelineState], PipelineState]
) -> Bundle:
    """Load a bundle, change it and save it in its place, as the only one who does.

    Others who change it wait for each other; a training that ends meanwhile is never undone.

    Raises
    ------
    BundleError
        If it can't be used, or is replaced faster than it can be changed.
    """
    for _ in range(CHANGE_TRIES):
        with exclusive(folder):
            state = load_state(folder, options)
            try:
                changed = change(state)
                return save_state(changed, folder, overwrite=True, replacing=state.version)
            except ShelfsureError:
                if is_version(folder, state.version):
                    raise
    raise BundleReplacedError(
        f"Bundle {folder} must stay while it is changed, but was replaced {CHANGE_TRIES} times. "
        "Nothing was changed. Wait for what writes it, and try again."
    )


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
