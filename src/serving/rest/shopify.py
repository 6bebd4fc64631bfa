"""Shopify's product events: known by their signature before a byte of them is read as JSON."""

import base64
import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

from pydantic import BaseModel

from ...catalog.listing import Listing
from ...pipeline.verdict import Verdict
from .fields import MAX_DESCRIPTION_CHARS, MAX_ID_CHARS, MAX_TITLE_CHARS, decoded_photo
from .problems import ProblemError

PATH = "/v1/hooks/shopify"
TOPICS = frozenset({"products/create", "products/update"})
"""Events that bring a product to judge; others are thanked for and left."""
MAX_EVENTS = 10_000
NO_PHOTO = "its images are addresses, and this server fetches nothing"


Event: TypeAlias = tuple[str, str, str]
"""Shop, topic and id."""


class EventAnswer(BaseModel):
    """What became of an event: judged now, to be judged soon, there already, or not for us."""

    status: Literal["judged", "queued", "repeated", "ignored"]
    verdict: Verdict | None = None


class Upload(NamedTuple):
    """A product as a listing; `photo_problem` says why it has no photo here."""

    listing: Listing
    photo_problem: str | None


class SeenEvents:
    """Remembers the newest events: Shopify sends one again until it is thanked for."""

    def __init__(self, most: int = MAX_EVENTS) -> None:
        self._most, self._seen = most, OrderedDict[Event, None]()

    def __contains__(self, event: object) -> bool:
        return event in self._seen

    def discard(self, event: Event | None) -> None:
        """Forget an event that couldn't be taken."""
        if event:
            self._seen.pop(event, None)

    def add(self, event: Event) -> None:
        self._seen[event] = None
        while len(self._seen) > self._most:
            self._seen.popitem(last=False)


def require_signature(body: bytes, secret: str, given: str) -> None:
    """Raise a problem, ``signature``, unless Shopify signed these very bytes.

    Parameters
    ----------
    given
        The header ``X-Shopify-Hmac-Sha256``: HMAC-SHA256 of the body, in base64.
    """
    expected = base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest())
    if not hmac.compare_digest(expected, given.encode("latin-1", "replace")):
        raise ProblemError(
            "signature",
            "X-Shopify-Hmac-Sha256 must be the signature of this body by the app's secret, but "
            "isn't. Compare the app's secret with SHELFSURE_SHOPIFY_SECRET.",
        )


def event_of(headers: Mapping[str, str]) -> Event | None:
    """Tell an event from all others, whatever the try; None if it has no id."""
    event = headers.get("x-shopify-event-id") or headers.get("x-shopify-webhook-id")
    if not event:
        return None
    return headers.get("x-shopify-shop-domain", ""), headers.get("x-shopify-topic", ""), event


def read_product(product: Any, shop: str = "") -> Upload:
    """Make a listing of a product; the shop is its group.

    Of its images only one that is written out (``attachment``, base64) is looked at.

    Raises
    ------
    ProblemError
        ``invalid``, if it is no product.
    """
    if not isinstance(product, dict) or type(product.get("id")) not in {int, str}:
        raise ProblemError("invalid", "The event must be a product with an `id`.")
    listing = Listing(
        str(product["id"])[:MAX_ID_CHARS],
        _text(product.get("title"), MAX_TITLE_CHARS),
        _inline_photo(product),
        _text(product.get("body_html"), MAX_DESCRIPTION_CHARS),
        brand=_text(product.get("vendor"), MAX_TITLE_CHARS),
        category=_text(product.get("product_type"), MAX_TITLE_CHARS),
        group=shop[:MAX_ID_CHARS] or None,
    )
    shown = bool(product.get("images") or product.get("image"))
    return Upload(listing, NO_PHOTO if shown and listing.image is None else None)


def _text(value: Any, most: int) -> str | None:
    return value[:most] if isinstance(value, str) and value.strip() else None


def _inline_photo(product: Mapping[str, Any]) -> bytes | None:
    images = product.get("images")
    for image in [product.get("image"), *(images if isinstance(images, list) else [])]:
        attachment = image.get("attachment") if isinstance(image, dict) else None
        if isinstance(attachment, str) and attachment:
            try:
                return decoded_photo(attachment)
            except ValueError as error:
                raise ProblemError("invalid", f"`attachment`: {error}") from error
    return None
