"""Which joint image-text space a bundle uses, and the names of its encoders."""

from ...core.arrays import Floats
from ...core.errors import ConfigError
from ...embedding.embedder import Embedder
from .conse import ConSE
from .image_text_space import JointSpace
from .open_clip import OpenClip

CONSE = "conse"


def joint_embedder(joint: JointSpace | None, embedder: Embedder) -> Embedder | None:
    """Give a CLIP model the pipeline's cache and limits; ConSE uses the pipeline's embeddings."""
    if joint is None or isinstance(joint, ConSE):
        return None
    return Embedder(joint.photos, joint.texts, embedder.cache, embedder.limits)


def joint_space(
    name: str, embedder: Embedder, device: str, *, vocabulary: Floats | None = None
) -> JointSpace | None:
    """Build the joint space: ConSE over the embedder's own encoders, or an open_clip model.

    Returns
    -------
    JointSpace or None
        None if ConSE can't use the backbone, because it was fine-tuned to other classes.
    """
    if name != CONSE:
        return OpenClip.load(name, device=device)
    try:
        if vocabulary is not None:
            return ConSE(embedder.photos, embedder.texts, vocabulary)  # type: ignore[arg-type]
        return ConSE.from_encoders(embedder.photos, embedder.texts, embedder.cache)  # type: ignore[arg-type]
    except (ConfigError, AttributeError):
        return None


def fingerprints(embedder: Embedder) -> dict[str, str]:
    """Name the encoders of an index's spaces."""
    return {"photo": embedder.photos.fingerprint, "title": embedder.texts.fingerprint}
