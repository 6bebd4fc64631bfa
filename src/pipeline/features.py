"""Embeddings and texts, laid out as what the classifier sees."""

from collections.abc import Mapping

from ..embedding.listings import EmbeddedListings
from ..fusion.views import DESCRIPTION, PHOTO, TITLE, View
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
