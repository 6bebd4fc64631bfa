"""What every page and report is made with: templates, pictures, escaping, grey and clear."""

import base64
import hashlib
import io
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment
    from PIL.Image import Image

NEUTRAL, GRID, CLEAR = "#7d8590", "rgba(125,133,144,0.3)", "rgba(0,0,0,0)"
"""Of charts: text and lines that stand out on white as on near-black, the grid, no background."""
_MARKDOWN = r"\`*_{}[]<#|!"


def templates(folder: Path) -> "Environment":
    """Open a folder of templates; a value that is missing is an error.

    It holds ``NAME.html.j2``, where every value shows as text, or ``NAME.md.j2``, where names from
    outside go through the filter ``plain``.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

    made = Environment(
        loader=FileSystemLoader(folder),
        autoescape=select_autoescape(disabled_extensions=["md.j2"], default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["plain"] = markdown_text
    return made


def render(template: Path, /, **values: object) -> str:
    """Fill in one file of a folder of templates; see `templates`."""
    return templates(template.parent).get_template(template.name).render(**values)


def own_scripts(*scripts: str) -> dict[str, list[str]]:
    """Give a page ``scripts`` that are our own, and ``script_hashes``: it lets no others run."""
    from markupsafe import Markup

    digests = [hashlib.sha256(script.encode()).digest() for script in scripts]
    return {
        "scripts": [Markup(script) for script in scripts],  # noqa: S704  nothing from a row
        "script_hashes": ["sha256-" + base64.b64encode(digest).decode() for digest in digests],
    }


def jpeg_uri(image: "Image", *, quality: int = 78) -> str:
    """Write an RGB image as a JPEG data URI; encoding it anew leaves its metadata behind."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, comment=b"")  # or Pillow takes the old file's along
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def plotly_text(text: str) -> str:
    """Keep plotly from reading a name as markup."""
    return escape(text, quote=False)


def markdown_text(text: str) -> str:
    r"""Keep text on its line and in its table cell, and from being read as Markdown or HTML.

    >>> markdown_text("local-dir:a_b | <b>")
    'local-dir:a\\_b \\| \\<b>'
    """
    return "".join(f"\\{c}" if c in _MARKDOWN else c for c in " ".join(text.split()))
