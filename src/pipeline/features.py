"""Embeddings and texts, laid out as what the classifier sees."""

from collections.abc import Mapping, Sequence

from ..catalog.listing import category_levels
from ..core.arrays import Floats
from ..embedding.embedder import Embedder
from ..embedding.listings import EmbeddedListings
from ..fusion.views import DESCRIPTION, PHOTO, TITLE, View
from ..text.clean import clean_text
from ..text.tfidf import Tfidf


def build_views(embedded: EmbeddedListings, tfidf: Mapping[str, Tfidf]) -> dict[str, View]:
    """Lay out embeddings and TF-IDF as views; a modality without TF-IDF has its embedding only."""
    texts = {TITLE: embedded.titles, DESCRIPTION: embedded.descriptions}
    views = {
        PHOTO: embedded.photo,
        f"{TITLE}_embedding": embedded.title,
        f"{DESCRIPTION}_embedding": embedded.description,
    }
    for part, weigher in tfidf.items():
        present = views[f"{part}_embedding"].present
        views[f"{part}_tfidf"] = View(weigher.transform(texts[part]), present)
    return views


def embed_names(class_names: Sequence[str], embedder: Embedder) -> dict[str, Floats]:
    """Read category names as titles (and descriptions) are read, the whole path as one text.

    View name -> shape ``(n_categories, d)``.
    """
    paths = [clean_text(" ".join(category_levels(name))) for name in class_names]
    vectors = embedder.texts.encode(paths)
    return {f"{part}_embedding": vectors for part in (TITLE, DESCRIPTION)}
