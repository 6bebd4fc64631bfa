"""A bundle's encoders as files for other programs, proved equal before they are handed over."""

import json
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar

import numpy as np

from ..catalog.listing import Listing
from ..core.device import RuntimeName
from ..core.errors import ConfigError, ShelfsureError
from ..core.extras import require_extra
from ..core.files import atomic_folder
from ..core.kinds import FolderKind
from ..core.runtimes.benchmark import MIN_COSINE, open_session
from ..core.runtimes.onnx_export import write_onnx, write_openvino
from ..core.runtimes.session import Parity, parity
from ..embedding.embedder import Embedder
from ..embedding.listings import EmbeddedListings
from ..embedding.run_options import RunOptions
from ..text.encoder import SentenceEncoder
from ..vision.backbone import LOCAL, TUNED_FILE, join_backbones, load_backbone
from ..vision.encoder import PhotoEncoder
from .pipeline import ListingPipeline

AnyEncoder = TypeVar("AnyEncoder", PhotoEncoder, SentenceEncoder)
ExportFormat: TypeAlias = Literal["onnx", "openvino", "torch"]
_TEXTS = ("title", "description")
MIN_AGREEMENT = 0.99
"""Share of the listings whose best category must stay the same."""


class ParityError(ShelfsureError):
    """What was exported answers otherwise than the bundle."""


@dataclass(frozen=True)
class ExportReport:
    """How exact an export is.

    Parameters
    ----------
    n_photos, n_texts
        What it was tried on.
    image, text
        Embeddings against the bundle's; None where there was nothing to embed.
    agreement
        Share of the listings with the same best category, 0 to 1.
    min_cosine
        What was asked of every embedding.
    """

    n_photos: int
    n_texts: int
    image: Parity | None
    text: Parity | None
    agreement: float
    min_cosine: float

    @property
    def passed(self) -> bool:
        cosines = [found.cosine_min for found in (self.image, self.text) if found]
        return min(cosines, default=0) >= self.min_cosine and self.agreement >= MIN_AGREEMENT


def export_encoders(
    pipeline: ListingPipeline, folder: Path, wanted: ExportFormat, listings: Sequence[Listing]
) -> ExportReport:
    """Write both encoders, what goes before them, and a parity report; or nothing.

    ``onnx`` and ``openvino`` hold the whole computation, pixels or tokens to unit vectors, for
    batches of any size, in float32. ``torch`` holds the weights as safetensors in the folders that
    timm and sentence-transformers read, and that `local-dir:` takes: code isn't part of it. Of an
    ensemble each member has such a folder; ``onnx`` and ``openvino`` hold it as one.

    Parameters
    ----------
    pipeline
        Loaded on the CPU.
    folder
        New or empty.
    listings
        What parity is measured on; photos that can't be read are left out.

    Raises
    ------
    ParityError
        If an embedding or too many answers differ; nothing is left in `folder`.
    MissingExtraError
        If what writes this format isn't installed.
    ConfigError
        If the folder holds something, or there is no listing to measure on.
    RuntimeUnusableError
        If an encoder can't be converted.
    """
    if wanted != "torch":
        require_extra(wanted, f"The format {wanted}")
    images, texts = pipeline.embedder.photos, pipeline.embedder.texts
    if not isinstance(images, PhotoEncoder) or not isinstance(texts, SentenceEncoder):
        raise ConfigError("Only encoders that Shelfsure loads by name can be exported.")
    with atomic_folder(folder, FolderKind("an export")) as staging:
        exported = _write(images, texts, staging, wanted)
        # no cache: vectors from there would be compared with themselves
        options = RunOptions(limits=pipeline.embedder.options.limits)
        own = Embedder(_exact(images), _exact(texts), options)
        report = compare(pipeline, own, exported, listings, _least_cosine(images, texts))
        _write_json(staging / "parity.json", asdict(report) | {"passed": report.passed})
        _write_json(staging / "preprocessing.json", describe(images, texts, wanted))
        if not report.passed:
            raise ParityError(
                f"Every exported embedding must have a cosine of at least {report.min_cosine} to "
                f"the bundle's, and {MIN_AGREEMENT:.0%} of the answers must stay, but {report}. "
                "Choose another --format."
            )
    return report


def compare(
    pipeline: ListingPipeline,
    own: Embedder,
    other: Embedder,
    listings: Sequence[Listing],
    min_cosine: float,
) -> ExportReport:
    """Embed listings with the bundle's own encoders and with others; compare vectors and answers.

    Raises
    ------
    ConfigError
        If no listing has anything to embed.
    """
    wanted = pipeline.config.description
    ours = own.embed(listings, description=wanted)
    theirs = replace(other, options=own.options).embed(listings, description=wanted)
    image, text = _parity_of(ours, theirs, ("photo",)), _parity_of(ours, theirs, _TEXTS)
    if image is None and text is None:
        raise ConfigError("Parity is measured on photos and titles, but no listing has any.")
    best, others = (
        pipeline.predict_views(pipeline.views(found)).probabilities.argmax(axis=1)
        for found in (ours, theirs)
    )
    return ExportReport(
        n_photos=int(ours.photo.present.sum()),
        n_texts=int(ours.title.present.sum() + ours.description.present.sum()),
        image=image,
        text=text,
        agreement=float((best == others).mean()),
        min_cosine=min_cosine,
    )


def describe(images: PhotoEncoder, texts: SentenceEncoder, wanted: ExportFormat) -> dict[str, Any]:
    """Say what goes before the graphs: for whoever writes it in another language."""
    return {
        "shelfsure_version": version("shelfsure"),
        "format": wanted,
        "image": {
            **asdict(images.preprocessing),
            "input": "uint8 (n, side_px, side_px, 3), RGB, 0 to 255; upright by EXIF, transparency "
            "on white; normalised by mean and std inside the graph",
            "resize": "bicubic, antialiased; crop_mode border: the whole photo, padded with white",
            "output": f"float32 (n, {images.dim}), unit length",
            "precision_of_the_bundle": images.precision,
            "fingerprint": images.fingerprint,
        },
        "text": {
            "tokenizer": "tokenizer/",
            "max_tokens": texts.model.max_seq_length,
            "input": "input_ids, attention_mask: int64 (n, n_tokens); before that, text is "
            "unescaped from HTML, freed of tags, composed (NFKC), its white space joined",
            "output": f"float32 (n, {texts.dim}), unit length",
            "precision_of_the_bundle": texts.precision,
            "fingerprint": texts.fingerprint,
        },
    }


def _write(
    images: PhotoEncoder, texts: SentenceEncoder, folder: Path, wanted: ExportFormat
) -> Embedder:
    """Write the encoders; give them back as the files run them."""
    if wanted == "torch":
        return _write_weights(images, texts, folder)
    texts.model.tokenizer.save_pretrained(str(folder / "tokenizer"))
    runtime: RuntimeName = "openvino" if wanted == "openvino" else "onnxruntime"
    sessions = []
    for name, graph in (("image", images.graph()), ("text", texts.graph())):
        path = folder / f"{name}.onnx"
        write_onnx(graph, path)
        if wanted == "openvino":
            path = write_openvino(path, folder / f"{name}.xml")
        sessions.append(open_session(runtime, path))
    return Embedder(images.on(sessions[0]), texts.on(sessions[1]))


def _exact(encoder: AnyEncoder) -> AnyEncoder:
    """Run on PyTorch, so that no runtime is compared with itself; OpenVINO's bfloat16 can't."""
    return encoder if encoder.precision == "openvino-bfloat16" else encoder.on(None)


def _write_weights(images: PhotoEncoder, texts: SentenceEncoder, folder: Path) -> Embedder:
    import torch
    from timm.models import save_for_hf

    from ..vision.ensemble import EnsembleBackbone

    # safetensors takes no channels-last weights
    backbone = deepcopy(images.backbone).to(memory_format=torch.contiguous_format)
    members = backbone.members if isinstance(backbone, EnsembleBackbone) else [backbone]
    settings = images.preprocessing
    said = {"side_px": settings.side_px, "crop_mode": settings.crop_mode}
    written = {}
    for number, member in enumerate(members):
        own = folder / "image" / (f"member-{number}" if len(members) > 1 else "")
        save_for_hf(member, str(own), safe_serialization=True)
        _write_json(own / TUNED_FILE, said)
        written[own.name] = load_backbone(f"{LOCAL}{own}")
    texts.model.save(str(folder / "text"), create_model_card=False, safe_serialization=True)
    return Embedder(
        PhotoEncoder(join_backbones(written), settings, device=images.device),
        SentenceEncoder.load(f"local-dir:{folder / 'text'}", device=images.device, runtime="torch"),
    )


def _least_cosine(images: PhotoEncoder, texts: SentenceEncoder) -> float:
    """What is exported computes in float32, which a bundle in bfloat16 never equals."""
    return min(MIN_COSINE[encoder.precision] for encoder in (images, texts))


def _parity_of(
    ours: EmbeddedListings, theirs: EmbeddedListings, names: Sequence[str]
) -> Parity | None:
    there = {name: getattr(ours, name).present for name in names}
    rows = [
        np.concatenate([getattr(found, name).features[there[name]] for name in names])
        for found in (ours, theirs)
        if any(there[name].any() for name in names)
    ]
    return parity(*rows) if rows else None


def _write_json(path: Path, values: Any) -> None:
    path.write_text(json.dumps(values, indent=1, ensure_ascii=False), encoding="utf-8")
