"""The embedding cache of a server: when it can't be used, answers take longer, no more."""

import logging
from collections.abc import Mapping, Sequence

from .arrays import Floats
from .cache import EmbeddingCache
from .errors import CacheError

_LOG = logging.getLogger(__name__)


class ServingCache(EmbeddingCache):
    """Knows nothing and keeps nothing while its file can't be read or written (a full disk)."""

    def read(self, encoder: str, contents: Sequence[str]) -> dict[str, Floats]:
        try:
            return super().read(encoder, contents)
        except CacheError as error:
            _LOG.warning("embedding anew: %s", error)
            return {}

    def write(self, encoder: str, vectors: Mapping[str, Floats]) -> None:
        try:
            super().write(encoder, vectors)
        except CacheError as error:
            _LOG.warning("an embedding isn't kept: %s", error)
