"""A title's words, cleaned in one of several ways."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

from ...core.errors import ConfigError
from ...core.extras import require_extra

_WORD = re.compile(r"(?u)\b\w+\b")


@dataclass(frozen=True)
class Cleaning:
    """What is done to words before they are counted.

    Parameters
    ----------
    lower
        Whether case is given up.
    stop_words
        Whether English words that say little on their own (the, with, for) stay.
    stems
        The language of a Snowball stemmer (``lamps`` and ``lamp`` become one); None keeps words.
    """

    lower: bool = True
    stop_words: bool = True
    stems: str | None = None

    def words(self, texts: Sequence[str]) -> list[list[str]]:
        """List each text's words, in order.

        Raises
        ------
        ConfigError
            If there is no stemmer of that language.
        MissingExtraError
            If stems are wanted, and no stemmer is installed.
        """
        found = [_WORD.findall(text.lower() if self.lower else text) for text in texts]
        if not self.stop_words:
            found = [[w for w in own if w.lower() not in ENGLISH_STOP_WORDS] for own in found]
        return found if self.stems is None else _stemmed(found, self.stems)


def _stemmed(texts: list[list[str]], language: str) -> list[list[str]]:
    require_extra("explore", "Stemming")
    import snowballstemmer

    if language not in (known := snowballstemmer.algorithms()):
        raise ConfigError(
            f"The stemmer's language must be one of {', '.join(sorted(known))}, but is "
            f"{language!r}. Pass one of them as --language."
        )
    stemmer = snowballstemmer.stemmer(language)
    vocabulary = sorted({word for own in texts for word in own})
    stem = dict(zip(vocabulary, stemmer.stemWords(vocabulary), strict=True))
    return [[stem[word] for word in own] for own in texts]
