"""From the page's fields to a listing: the photo's file arrives as it was sent."""

import hashlib
from pathlib import Path
from typing import Any

import gradio as gr

from ...catalog.listing import Listing


def photo_input(**options: Any) -> Any:
    """Make Gradio's image field, without its opening and re-encoding of what was uploaded.

    The pipeline then sees the bytes that the command line sees, and it alone decodes what strangers
    send. The value is the path of the uploaded file, None without one.
    """
    field = gr.Image(type="filepath", image_mode=None, **options)
    field.preprocess = _path  # on the object: a subclass makes Gradio write a .pyi beside our code
    return field


def listing_of(
    photo: str | None, title: str | None = None, description: str | None = None
) -> Listing:
    """Make a listing of what was uploaded and typed; equal ones get equal ids.

    The photo goes in as its bytes, so that no path of this machine gets into a message.
    """
    data = Path(photo).read_bytes() if photo else None
    key = hashlib.sha256(data or b"")
    key.update(f"\0{title}\0{description}".encode())
    return Listing(
        listing_id=f"demo-{key.hexdigest()[:12]}",
        title=(title or "").strip() or None,
        image=data,
        description=(description or "").strip() or None,
    )


def _path(payload: Any) -> str | None:
    return payload.path if payload else None
