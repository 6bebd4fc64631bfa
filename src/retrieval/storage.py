"""What is known of a catalogue, as files of a bundle: written, and read again."""

import json
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from safetensors.numpy import load, save_file

from ..core.arrays import require_finite, widened
from ..core.errors import BundleFingerprintError
from ..core.files import ReadFile, parse_json
from ..embedding.embedder import Embedder
from .duplicates.pair_model import PairModel
from .index.change import LOCK_FILES
from .index.manifest import MANIFEST
from .index.rows import index_rows
from .index.store import ListingIndex
from .model import RetrievalModel
from .ood.detector import OODDetector
from .zero_shot.classifier import ZeroShot
from .zero_shot.image_text_space import ImageTextSpace
from .zero_shot.joint_space import JointSpace
from .zero_shot.load_space import fingerprints as own_fingerprints
from .zero_shot.load_space import load_space, space_embedder

RETRIEVAL = "retrieval"
INDEX = "index"
NO_NAMES: Mapping[str, str] = MappingProxyType({})


def save_retrieval(model: RetrievalModel, folder: Path, fingerprints: Mapping[str, str]) -> None:
    """Write arrays as safetensors, the rest as JSON, and the index as a folder of its own."""
    arrays: dict[str, Any] = {}
    document: dict[str, Any] = {}
    parts: Mapping[str, OODDetector | ZeroShot | JointSpace | None] = {
        "ood_detector": model.ood_detector,
        "zero_shot": model.zero_shot,
        "joint_space": model.joint,
    }
    for name, part in parts.items():
        if part is not None:
            own, document[name] = part.to_parts()
            arrays |= {f"{name}|{key}": np.ascontiguousarray(a) for key, a in own.items()}
    if model.space is not None:
        document["image_text_space"] = model.space.fingerprint
        arrays["vocabulary"] = np.ascontiguousarray(model.space.vocabulary, dtype=np.float32)
    save_file(arrays, folder / f"{RETRIEVAL}.safetensors")
    text = json.dumps(document, ensure_ascii=False, allow_nan=False)
    (folder / f"{RETRIEVAL}.json").write_text(text, encoding="utf-8")
    model.pair_model.save(folder / "duplicates.json")
    if model.training_listings is not None:
        rows = index_rows(model.training_listings)
        ListingIndex.build(
            folder / INDEX,
            rows.records,
            rows.views,
            {"photo": fingerprints["photo"], "title": fingerprints["text"]},
        )
    elif model.index is not None:
        model.index.copy(folder / INDEX)
    for name in LOCK_FILES:  # what only a writer needs isn't part of a bundle
        (folder / INDEX / name).unlink(missing_ok=True)


def with_saved_index(model: RetrievalModel, read: ReadFile, folder: Path) -> RetrievalModel:
    """Use the index that `save_retrieval` wrote to `folder`."""
    return replace(model, training_listings=None, index=_saved_index(read, folder))


def load_retrieval(
    read: ReadFile,
    folder: Path,
    embedder: Embedder,
    image_text_space: str,
    *,
    old_names: Mapping[str, str] = NO_NAMES,
) -> RetrievalModel | None:
    """Read what `save_retrieval` wrote to `folder`, and the index; None where nothing is.

    `old_names` are what files written before call things, and what they are called now.
    """
    stem, document = read_saved(read, old_names)
    if stem is None:
        return None
    arrays: dict[str, dict[str, Any]] = defaultdict(dict)
    stored = widened(load(read(f"{stem}.safetensors")))
    require_finite(stored)
    for key, array in stored.items():
        part, _, name = key.partition("|")
        arrays[old_names.get(part, part)][name] = array
    space: ImageTextSpace | None = None
    zero_shot = None
    if "zero_shot" in document:
        zero_shot = ZeroShot.from_parts(arrays["zero_shot"], document["zero_shot"])
        vocabulary = arrays["vocabulary"][""]
        space = load_space(image_text_space, embedder, vocabulary=vocabulary)
        fitted = document.get("image_text_space", "none")
        found = space.fingerprint if space else "none"
        if found != fitted:
            raise BundleFingerprintError(
                f"Bundle {folder} was fitted on the image-text space {fitted[:8]}…, but "
                f"{image_text_space} loads {found[:8]}…. Retrain, or install the weights that "
                "it was fitted on."
            )
    ood_detector = None
    if "ood_detector" in document:
        ood_detector = OODDetector.from_parts(arrays["ood_detector"], document["ood_detector"])
    joint = None
    if "joint_space" in document:
        joint = JointSpace.from_parts(arrays["joint_space"], document["joint_space"])
    index = _saved_index(read, folder, own_fingerprints(embedder))
    pair_model = PairModel.parse(read("duplicates.json"), folder / "duplicates.json")
    own_embedder = space_embedder(space, embedder)
    return RetrievalModel(
        ood_detector,
        zero_shot,
        space,
        pair_model,
        index=index,
        space_embedder=own_embedder,
        joint=joint,
    )


def _saved_index(
    read: ReadFile, folder: Path, fingerprints: Mapping[str, str] | None = None
) -> ListingIndex | None:
    try:
        manifest = read(f"{INDEX}/{MANIFEST}")
    except FileNotFoundError:
        return None
    return ListingIndex.open(folder / INDEX, fingerprints, manifest=manifest)


def read_saved(read: ReadFile, old_names: Mapping[str, str]) -> tuple[str | None, dict[str, Any]]:
    """Find what `save_retrieval` wrote (its name without a suffix), and read its JSON part."""
    for name in (RETRIEVAL, *(old for old, new in old_names.items() if new == RETRIEVAL)):
        with suppress(FileNotFoundError):
            said = parse_json(read(f"{name}.json"))
            return name, {old_names.get(key, key): value for key, value in said.items()}
    return None, {}
