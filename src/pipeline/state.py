"""What a pipeline is made of: training fits it, a bundle keeps it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..catalog.catalog import Catalog
from ..core.config import Config
from ..embedding.embedder import Embedder
from ..fusion.accept_rule import Examples, Rules
from ..fusion.classifier import FusionClassifier
from ..retrieval.model import RetrievalModel
from ..text.tfidf import Tfidf


@dataclass(frozen=True)
class PipelineState:
    """A trained pipeline's parts.

    Parameters
    ----------
    embedder
        Encoders and cache.
    tfidf
        Modality (title, description) -> its TF-IDF.
    classifier
        Views -> log-probabilities.
    class_names
        The category of each column.
    rules
        When an answer is accepted.
    facts
        What training found out: sizes, categories left out, expected coverage; JSON values.
    retrieval
        Out-of-catalogue detector, index and zero-shot categories.
    catalog
        The catalogue as training used it, with the rows that were set aside; None once loaded.
    version
        Name of the bundle that this was loaded from, empty before it is saved.
    category_ids
        Category path -> its id in a taxonomy, for verdicts to give back; no bundle keeps them.
    """

    embedder: Embedder
    tfidf: Mapping[str, Tfidf]
    classifier: FusionClassifier
    class_names: tuple[str, ...]
    rules: Rules
    config: Config
    facts: Mapping[str, Any]
    retrieval: RetrievalModel | None = None
    catalog: Catalog | None = None
    version: str = ""
    category_ids: Mapping[str, str] = field(default_factory=dict)

    @property
    def examples(self) -> Examples:
        """Training listings behind each category; in old bundles enough behind all of them."""
        needed, counts = self.config.accept.min_examples, self.facts.get("category_counts", {})
        found = [counts.get(name, needed) for name in self.class_names]
        return Examples(np.array(found, dtype=int), needed)
