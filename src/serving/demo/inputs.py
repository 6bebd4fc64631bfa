"""Fields and buttons that several tabs share, and what is read of them."""

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr
from gradio.processing_utils import save_file_to_cache
from gradio.utils import get_upload_folder

from ...catalog.listing import MAX_PHOTOS, Listing, with_photos
from ...core.errors import CatalogError, ConfigError, PhotoError
from ...vision.load import decode_photo
from ...vision.thumbnails import THUMBNAIL_PX
from ..service import QueueFullError
from .html import notice
from .uploads.uploads import TABLE_TYPES

_LOG = logging.getLogger(__name__)
PRIVATE: dict[str, Any] = {"api_visibility": "private"}
"""No event of the page is an endpoint for others."""
QUIET = PRIVATE | {"show_progress": "hidden"}
NO_ANSWER = "The model can't answer at the moment; the server's log says why."


class UploadFields(NamedTuple):
    """A table and its photos: a zip, or, on one's own machine, a folder's name."""

    table: Any
    archive: Any
    folder: Any


def upload_fields(
    tab: str,
    *,
    table: str,
    archive: str = "Photos: one zip (may stay empty)",
    local: bool,
) -> UploadFields:
    """Build the fields for a table and its photos; a folder's name is asked for only if `local`."""
    field = gr.File(
        label=f"{table}: CSV, TSV, JSON or Parquet",
        file_types=[*TABLE_TYPES],
        height=130,
        elem_id=f"{tab}-table",
    )
    ids = (f"{tab}-zip", f"{tab}-folder")
    labels = (archive, "Or the folder of the photos on this machine")
    return UploadFields(field, *photo_fields(ids, labels, local=local))


def photo_fields(ids: tuple[str, str], labels: tuple[str, str], *, local: bool) -> tuple[Any, Any]:
    """Build the fields for a zip of photos and for a folder; `ids` and `labels` in this order."""
    archive = gr.File(label=labels[0], file_types=[".zip"], height=130, elem_id=ids[0])
    return archive, gr.Textbox(label=labels[1], visible=local, elem_id=ids[1])


def start_buttons(tab: str, label: str) -> tuple[Any, Any]:
    """Build the button that starts long work, and the one that cancels it."""
    with gr.Row():
        start = gr.Button(label, variant="primary", elem_id=f"{tab}-start")
        return start, gr.Button("Cancel", interactive=False, elem_id=f"{tab}-cancel")


def html_field(elem_id: str, value: str = "", **options: Any) -> Any:
    """Build a place for a piece of HTML."""
    return gr.HTML(value, elem_id=elem_id, apply_default_css=False, **options)


def files_field(tab: str, label: str) -> Any:
    """Build the place for files to take away; it shows once there are some."""
    return gr.Files(label=label, interactive=False, visible=False, elem_id=f"{tab}-files")


def disabled() -> Any:
    """Switch a button off."""
    return gr.Button(interactive=False)


def handed_out(paths: Sequence[Path]) -> Any:
    """Show files to take away: copies, where Gradio may read them."""
    copies = [save_file_to_cache(path, get_upload_folder()) for path in paths]
    return gr.Files(copies, visible=True)


def required_table(table: str | Path | None) -> Path:
    """Give the uploaded table's path, or say that it is missing."""
    if table is None:
        raise CatalogError("A table of listings is needed, but there is none yet. Add one.")
    return Path(table)


def photo_source(archive: str | None, folder: str, *, local: bool) -> Path | None:
    """Choose the zip or the typed folder; a folder counts only where `local` allows it."""
    folder = (folder or "").strip()
    if archive is not None and folder and local:
        raise CatalogError("Photos come from a zip or a folder, but both are given. Remove one.")
    if archive is not None:
        return Path(archive)
    return Path(folder).expanduser() if folder and local else None


def explained(error: Exception) -> str:
    """Say what a visitor can mend; what only the server's owner can, goes to the log."""
    if isinstance(error, CatalogError | ConfigError | QueueFullError):
        return str(error)
    _LOG.error("a page's request failed", exc_info=error)
    return NO_ANSWER


def photo_input(**options: Any) -> Any:
    """Make Gradio's image field, without its opening and re-encoding of what was uploaded.

    The pipeline then sees the bytes that the command line sees, and it alone decodes what strangers
    send. The value is the path of the uploaded file, None without one.
    """
    field = gr.Image(type="filepath", image_mode=None, **options)
    # on the object: a subclass makes Gradio write a .pyi beside our code
    field.preprocess = lambda payload: payload.path if payload else None
    return field


def photo_trouble(photo: str | None) -> str:
    """Say why an uploaded photo can't be used; empty if it can, or there is none."""
    try:
        if photo is not None:
            decode_photo(Path(photo).read_bytes(), min_side_px=THUMBNAIL_PX)
    except PhotoError as error:
        return notice(str(error), heading="This photo can't be used", kind="error")
    return ""


def listing_of(
    photo: str | None,
    title: str | None = None,
    description: str | None = None,
    more: Sequence[str] | None = None,
) -> Listing:
    """Make a listing of what was uploaded and typed; equal ones get equal ids.

    Photos go in as their bytes, so that no path of this machine gets into a message. Of `more`,
    the further ones, so many are read that there are `MAX_PHOTOS`.
    """
    paths = [photo] if photo else []
    paths += (more or [])[: MAX_PHOTOS - 1]
    image, more_images = with_photos([Path(path).read_bytes() for path in paths])
    key = hashlib.sha256()
    for data in (image, *more_images):
        key.update(data if isinstance(data, bytes) else b"")
    key.update(f"\0{title}\0{description}".encode())
    return Listing(
        listing_id=f"demo-{key.hexdigest()[:12]}",
        title=(title or "").strip() or None,
        image=image,
        more_images=more_images,
        description=(description or "").strip() or None,
    )
