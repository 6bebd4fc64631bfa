"""Photos as they look to encoders that were fine-tuned without them."""

from dataclasses import replace

from ..vision.encoder import PhotoEncoder
from .embedder import Embedder
from .listings import EmbeddedListings
from .photos import embed_photos


def with_fold_encoders(embedded: EmbeddedListings, embedder: Embedder) -> EmbeddedListings:
    """Add each fold encoder's view of the photos, if there are any.

    Only training needs them: of a photo that an encoder has learned, it says too much.

    Parameters
    ----------
    embedded
        What `embedder` made.
    """
    if not isinstance(embedder.photos, PhotoEncoder):
        return embedded
    images = [listing.image for listing in embedded.listings]
    views = tuple(
        embed_photos(images, fold_encoder, embedder.options).view
        for fold_encoder in embedder.photos.open_fold_encoders()
    )
    return replace(embedded, photo=replace(embedded.photo, fold_encoders=views))
