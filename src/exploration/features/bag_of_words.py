"""Bag of words: which words a title has, each as heavy as the other."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.preprocessing import normalize

from .family import Takes
from .words import Cleaning

MAX_WORDS = 30_000


@dataclass(frozen=True)
class BagOfWords:
    """Words that are there, once however often; see `FeatureFamily`."""

    name: str = "bag-of-words"
    cleaning: Cleaning = field(default_factory=Cleaning)
    takes: Takes = "title"

    def encode(self, items: Sequence[str]) -> csr_matrix:
        return csr_matrix(normalize(word_counts(self.cleaning.words(items))[0]))


def word_counts(texts: Sequence[Sequence[str]]) -> tuple[csr_matrix, list[str]]:
    """Mark which words each text has.

    Returns
    -------
    csr_matrix, list of str
        Shape ``(n, n_words)``, 0 or 1, float32; and the words, by column.

    Raises
    ------
    ValueError
        If no text has a word.
    """
    vectorizer = CountVectorizer(
        analyzer=list, binary=True, max_features=MAX_WORDS, dtype=np.float32
    )
    counts = csr_matrix(vectorizer.fit_transform(texts))
    return counts, vectorizer.get_feature_names_out().tolist()
