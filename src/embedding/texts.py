"""Texts to unit vectors: equal ones once."""

import hashlib
from collections.abc import Sequence

from ..fusion.views import View
from .encoders import TextEncoder
from .encoding import Encoding, as_view


def embed_texts(texts: Sequence[str], encoder: TextEncoder, encoding: Encoding, what: str) -> View:
    """Embed cleaned texts; an empty one is missing.

    Parameters
    ----------
    what
        They are, for the progress bar.
    """
    keys = [hashlib.sha256(text.encode()).hexdigest() if text else None for text in texts]
    text_of = {key: text for key, text in zip(keys, texts, strict=True) if key}
    space = encoder.fingerprint
    found = encoding.known(text_of, space)
    fresh = [(key, text) for key, text in text_of.items() if key not in found]
    fresh.sort(key=lambda item: len(item[1]))  # batches of like length waste no padding
    with encoding.bar(what, total=len(text_of), initial=len(found)) as bar:
        found |= encoding.encode(fresh, encoder.encode, space, bar)
    return as_view(keys, found, encoder.dim)
