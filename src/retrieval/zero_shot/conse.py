"""ConSE: a image-text space without training (Norouzi et al. 2014).

"Zero-shot learning by convex combination of semantic embeddings": a classifier's best guesses mix
the text embeddings of the class names, which puts a photo among texts.
"""

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_matrix
from scipy.special import softmax

from ...core.arrays import Floats, unit_rows
from ...core.cache import EmbeddingCache
from ...core.errors import ConfigError
from ...core.weights import state_fingerprint
from ...embedding.encoders import TextEncoder
from ...text.clean import clean_text
from .image_text_space import Slopes

if TYPE_CHECKING:
    from ...vision.encoder import PhotoEncoder

TOP_K = 20
FEATURE_NORM = 8.0
"""Stands in for the norm that unit features lost; sets how sharp the class probabilities are.

EfficientNet-Lite0's features have norm 7 to 20 (median 12). 8 for all sorts photos as well as
the norms themselves do, so embeddings from the cache suffice; it is below the median because
softer guesses suit product photos.
"""
ROWS_AT_ONCE = 4096


def conse(
    features: Floats,
    weights: Floats,
    biases: Floats,
    class_vectors: Floats,
    *,
    feature_norm: float = FEATURE_NORM,
    top_k: int = TOP_K,
) -> Floats:
    """Mix class vectors by the probabilities of a photo's `top_k` likeliest classes.

    Parameters
    ----------
    features
        Shape ``(n, d)``, unit length; a zero row (no photo) gives a zero row.
    weights, biases
        The classifier's last layer, shapes ``(n_classes, d)`` and ``(n_classes,)``.
    class_vectors
        Shape ``(n_classes, d_text)``, unit length.
    feature_norm
        What to multiply `features` by, above 0; larger gives sharper probabilities.

    Returns
    -------
    Floats
        Shape ``(n, d_text)``, float32, unit length.
    """
    n, n_classes = len(features), len(class_vectors)
    k = min(top_k, n_classes)
    mixed = np.zeros((n, class_vectors.shape[1]), dtype=np.float32)
    for start in range(0, n, ROWS_AT_ONCE):
        part = features[start : start + ROWS_AT_ONCE]
        logits = feature_norm * (part @ weights.T) + biases
        best = np.argpartition(logits, n_classes - k, axis=1)[:, n_classes - k :]
        shares = softmax(np.take_along_axis(logits, best, axis=1), axis=1)
        starts = np.arange(0, len(part) * k + 1, k)
        sparse = csr_matrix((shares.ravel(), best.ravel(), starts), (len(part), n_classes))
        mixed[start : start + ROWS_AT_ONCE] = sparse @ class_vectors
    mixed[~np.any(features, axis=1)] = 0.0
    return unit_rows(mixed)


class ConSE:
    """A photo classifier and a text encoder, joined by the names of the classes.

    Parameters
    ----------
    photos
        Over a timm backbone that still has its classifier.
    texts
        Its space is the one of photos and titles.
    class_vectors
        Shape ``(n_classes, texts.dim)``; see `embed_classes`. They are the `vocabulary` too.

    Raises
    ------
    ConfigError
        If the classifier and `class_vectors` disagree about the number of classes.
    """

    # Near the best fits on real listings, for 7 categories as for 58.
    slopes = Slopes(
        photo_alone=15.0, title_alone=20.0, photo_beside_title=12.0, title_beside_photo=16.0
    )

    def __init__(self, photos: "PhotoEncoder", texts: TextEncoder, class_vectors: Floats) -> None:
        classifier = photos.backbone.get_classifier()  # type: ignore[operator]
        n_outputs = getattr(classifier, "out_features", 0)
        if n_outputs != len(class_vectors):
            raise ConfigError(
                f"ConSE needs a backbone whose last layer has one output for each of its "
                f"{len(class_vectors)} class names, got {n_outputs}. Use a backbone trained on "
                "ImageNet and not fine-tuned, such as starter."
            )
        self.photos = photos
        self.texts = texts
        self.vocabulary = class_vectors
        self._weights: Floats = classifier.weight.detach().float().cpu().numpy()
        self._biases: Floats = classifier.bias.detach().float().cpu().numpy()
        self.fingerprint = state_fingerprint(
            {},
            {
                "kind": "conse-1",
                "photos": photos.fingerprint,
                "texts": texts.fingerprint,
                "top_k": TOP_K,
                "feature_norm": FEATURE_NORM,
            },
        )

    @classmethod
    def from_encoders(
        cls, photos: "PhotoEncoder", texts: TextEncoder, cache: EmbeddingCache | None = None
    ) -> "ConSE":
        """Embed the names of the backbone's ImageNet classes (some seconds), or recall them."""
        from timm.data import ImageNetInfo, infer_imagenet_subset

        subset = infer_imagenet_subset(photos.backbone)
        if subset is None:
            raise ConfigError(
                "ConSE needs a backbone trained on ImageNet, whose class names timm knows, but "
                f"this one has {getattr(photos.backbone, 'num_classes', 0)} classes. Use starter."
            )
        info = ImageNetInfo(subset)
        descriptions = [
            info.index_to_description(row, detailed=True) for row in range(info.num_classes())
        ]
        return cls(photos, texts, embed_classes(descriptions, texts, cache))

    def to_text_space(self, image_embeddings: Floats) -> Floats:
        return conse(image_embeddings, self._weights, self._biases, self.vocabulary)

    def embed_texts(self, texts: Sequence[str]) -> Floats:
        return self.texts.encode([clean_text(text) for text in texts])


def embed_classes(
    descriptions: Sequence[str], texts: TextEncoder, cache: EmbeddingCache | None = None
) -> Floats:
    """Embed classes by a prompt with the first name, and by all names with the definition.

    The definition says what a name means (a "crane" is a bird or a machine); the prompt leads to
    where the labels' prompts are. Either alone did worse on real listings.

    Descriptions are WordNet's, such as ``"teapot: pot for brewing tea"`` or ``"hook, claw: a
    mechanical device ..."``. Gives shape ``(n_classes, texts.dim)``, float32, unit length.
    """
    first = [description.split(":")[0].split(",")[0] for description in descriptions]
    items = [clean_text(text) for text in (*(f"a photo of a {n}" for n in first), *descriptions)]
    keys = [hashlib.sha256(item.encode()).hexdigest() for item in items]
    found = cache.read(texts.fingerprint, keys) if cache else {}
    fresh = {key: item for key, item in zip(keys, items, strict=True) if key not in found}
    new = dict(zip(fresh, texts.encode(list(fresh.values())), strict=True))
    if cache and new:
        cache.write(texts.fingerprint, new)
    vectors = np.stack([found[key] if key in found else new[key] for key in keys])
    return unit_rows(vectors.reshape(2, len(descriptions), -1).sum(axis=0))
