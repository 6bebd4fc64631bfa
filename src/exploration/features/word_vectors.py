"""Word vectors trained on the catalogue alone: words that share titles come close.

Positive pointwise mutual information, cut to its main directions, is what word2vec with negative
sampling approximates (Levy & Goldberg 2014); a catalogue's titles are too few for the latter.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.decomposition import TruncatedSVD

from ...core.arrays import Floats, unit_rows
from .bag_of_words import word_counts
from .family import Takes
from .words import Cleaning


@dataclass(frozen=True)
class WordVectors:
    """A title is the mean of its words' vectors, the rarer ones heavier; see `FeatureFamily`."""

    name: str = "word-vectors"
    cleaning: Cleaning = field(default_factory=Cleaning)
    dim: int = 100
    takes: Takes = "title"

    def encode(self, items: Sequence[str]) -> Floats:
        there, words = word_counts(self.cleaning.words(items))
        if len(words) < 2:
            raise ValueError(f"it takes two different words or more, but titles have {len(words)}")
        information = ppmi(there)
        dim = min(self.dim, len(words) - 1)
        svd = TruncatedSVD(dim, random_state=0).fit(information)
        vectors = svd.components_.T * np.sqrt(svd.singular_values_)
        rarity = np.log((1 + there.shape[0]) / (1 + np.asarray(there.sum(axis=0)).ravel())) + 1
        return unit_rows(np.asarray(there.multiply(rarity[None]).tocsr() @ vectors))


def ppmi(there: csr_matrix) -> csr_matrix:
    """Tell how much more often two words share a title than chance has it.

    Parameters
    ----------
    there
        Shape ``(n_titles, n_words)``, 1 where a title has a word.

    Returns
    -------
    csr_matrix
        Shape ``(n_words, n_words)``: ``max(0, log(p(a, b) / (p(a) p(b))))`` in nats, over all
        ordered pairs of different words in one title.
    """
    together = csr_matrix(there.T @ there)
    together.setdiag(0)
    together.eliminate_zeros()
    pairs = together.tocoo()
    by_word = np.asarray(together.sum(axis=1)).ravel()
    expected = by_word[pairs.row] * by_word[pairs.col] / max(by_word.sum(), 1.0)
    more = np.maximum(np.log(pairs.data / expected), 0.0)
    found = csr_matrix((more, (pairs.row, pairs.col)), shape=together.shape, dtype=np.float32)
    found.eliminate_zeros()
    return found
