"""TF-IDF over words and characters: knows a brand or a model number by its letters."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import TfidfVectorizer

from ..core.arrays import Floats
from ..core.files import atomic_path, parse_json

_SETTINGS: dict[str, dict[str, Any]] = {
    "word": {"analyzer": "word", "ngram_range": (1, 2), "token_pattern": r"(?u)\b\w+\b"},
    "character": {"analyzer": "char_wb", "ngram_range": (3, 5)},
}
FEW = 64
"""Up to so many texts are weighed one by one."""

Analyzer: TypeAlias = Callable[[str], Sequence[str]]
"""A text in, its grams out."""


def _vectorizer(kind: str, **more: Any) -> TfidfVectorizer:
    return TfidfVectorizer(sublinear_tf=True, dtype=np.float32, **_SETTINGS[kind], **more)


@dataclass(frozen=True)
class Tfidf:
    """Word 1-2-grams and character 3-5-grams, each half of unit length.

    Character grams carry typos, inflections and scripts without spaces; word grams carry meaning.
    """

    vectorizers: tuple[TfidfVectorizer, ...]

    @classmethod
    def fit(
        cls, texts: Sequence[str], max_features: int = 15_000, *, min_texts: int = 1
    ) -> "Tfidf":
        """Learn the vocabulary.

        Each half keeps its `max_features` most frequent grams, which bounds the bundle's size.

        Parameters
        ----------
        min_texts
            A gram in fewer texts is left out: what only one listing says tells who wrote it.

        Raises
        ------
        ValueError
            If no word is in that many texts.
        """
        limits = {"max_features": max_features, "min_df": min_texts}
        return cls(tuple(_vectorizer(kind, **limits).fit(texts) for kind in _SETTINGS))

    def transform(self, texts: Sequence[str]) -> csr_matrix:
        """Weigh texts; shape ``(n, vocabulary)``, sparse float32, rows of length 0 to 1."""
        return self._transform_few(texts) if len(texts) <= FEW else self._transform_many(texts)

    def _transform_many(self, texts: Sequence[str]) -> csr_matrix:
        halves = [vectorizer.transform(texts) for vectorizer in self.vectorizers]
        # times, not divided by: SciPy divides in double precision
        return csr_matrix(hstack(halves, format="csr") * np.float32(1 / np.sqrt(len(halves))))

    def _transform_few(self, texts: Sequence[str]) -> csr_matrix:
        """Do what `_transform_many` does, whose checks take longer than a title."""
        places: list[int] = []
        counts: list[int] = []
        sizes: list[int] = []  # of each half of each text
        for text in texts:
            for first, vocabulary, analyze in self._halves:
                found = Counter(map(vocabulary.get, analyze(text)))
                found.pop(None, None)  # grams that training didn't have
                own = sorted(place for place in found if place is not None)
                places += [first + place for place in own]
                counts += [found[place] for place in own]
                sizes.append(len(own))
        columns, half = np.array(places, dtype=np.int32), np.repeat(np.arange(len(sizes)), sizes)
        weights = (np.log(np.array(counts, dtype=np.float32)) + 1) * self._idf[columns]
        lengths = np.sqrt(np.bincount(half, weights * weights, minlength=len(sizes)))
        n_halves = len(self.vectorizers)
        weights = (weights / lengths[half]).astype(np.float32) * np.float32(1 / np.sqrt(n_halves))
        ends = np.concatenate([[0], np.cumsum(sizes)])[::n_halves].astype(np.int32)
        return csr_matrix((weights, columns, ends), (len(texts), len(self._idf)))

    @cached_property
    def _halves(self) -> list[tuple[int, Mapping[str, int], Analyzer]]:
        """Where each half begins, its vocabulary, and what cuts a text into its grams."""
        halves, first = [], 0
        for each in self.vectorizers:
            n_grams = len(each.get_feature_names_out())  # fills in a vocabulary that was given
            halves.append((first, each.vocabulary_, each.build_analyzer()))
            first += n_grams
        return halves

    @cached_property
    def _idf(self) -> Floats:
        return np.concatenate([each.idf_ for each in self.vectorizers]).astype(np.float32)

    def save(self, path: Path) -> None:
        """Write vocabularies and weights as JSON."""
        halves = {
            kind: {
                "terms": [str(term) for term in vectorizer.get_feature_names_out()],
                "idf": [round(float(weight), 6) for weight in vectorizer.idf_],
            }
            for kind, vectorizer in zip(_SETTINGS, self.vectorizers, strict=True)
        }
        with atomic_path(path) as partial:
            partial.write_text(json.dumps(halves, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def parse(cls, saved: bytes) -> "Tfidf":
        """Take what `save` wrote."""
        halves = parse_json(saved)
        loaded = []
        for kind in _SETTINGS:
            terms = halves[kind]["terms"]
            vectorizer = _vectorizer(kind, vocabulary={term: i for i, term in enumerate(terms)})
            if len(terms) != len(halves[kind]["idf"]):
                raise ValueError(f"every {kind} term must have a weight")
            vectorizer.idf_ = np.asarray(halves[kind]["idf"], dtype=np.float32)
            loaded.append(vectorizer)
        return cls(tuple(loaded))
