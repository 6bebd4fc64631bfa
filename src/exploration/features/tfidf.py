"""TF-IDF: rare words weigh more."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import TfidfVectorizer

from .bag_of_words import MAX_WORDS
from .family import Takes
from .words import Cleaning


@dataclass(frozen=True)
class TfidfWords:
    """Single words by log frequency and rarity; see `FeatureFamily`."""

    name: str = "tfidf"
    cleaning: Cleaning = field(default_factory=Cleaning)
    takes: Takes = "title"

    def encode(self, items: Sequence[str]) -> csr_matrix:
        weigh = TfidfVectorizer(
            analyzer=list, sublinear_tf=True, max_features=MAX_WORDS, dtype=np.float32
        )
        return csr_matrix(weigh.fit_transform(self.cleaning.words(items)))
