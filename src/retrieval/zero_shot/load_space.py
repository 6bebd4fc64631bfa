"""Which image-text space a bundle uses, and the names of its encoders."""

from dataclasses import replace

from ...core.arrays import Floats
from ...core.errors import ConfigError
from ...embedding.embedder import Embedder
from .conse import ConSE
from .image_text_space import ImageTextSpace
from .open_clip import OpenClip

CONSE = "conse"


def space_embedder(space: ImageTextSpace | None, embedder: Embedder) -> Embedder | None:
    """Give a CLIP model the pipeline's options; ConSE uses the pipeline's embeddings."""
    if space is None or isinstance(space, ConSE):
        return None
    return replace(embedder, photos=space.photos, texts=space.texts)


def load_space(
    name: str, embedder: Embedder, *, vocabulary: Floats | None = None
) -> ImageTextSpace | None:
    """Build the image-text space: ConSE over the embedder's own encoders, or an open_clip model.

    None if ConSE can't use the backbone, because it was fine-tuned to other classes.
    """
    if name != CONSE:
        return OpenClip.load(name, device=embedder.options.device)
    try:
        if vocabulary is not None:
            return ConSE(embedder.photos, embedder.texts, vocabulary)  # type: ignore[arg-type]
        return ConSE.from_encoders(embedder.photos, embedder.texts, embedder.options.cache)  # type: ignore[arg-type]
    except (ConfigError, AttributeError):
        return None


def fingerprints(embedder: Embedder) -> dict[str, str]:
    """Name the encoders of an index's spaces."""
    return {"photo": embedder.photos.fingerprint, "title": embedder.texts.fingerprint}
