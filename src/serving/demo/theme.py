"""How the demo looks: Gradio's base theme in our colours, with the system's own fonts."""

from typing import Any
from urllib.parse import quote

import gradio as gr

from .html import stylesheet

NAME = "Shelfsure"
MAX_UPLOAD = "500mb"
"""Of one file: the batch tab takes a catalogue's photos as a zip."""
LOGO = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 48 48" aria-hidden="true">'
    '<rect width="48" height="48" rx="11" fill="#155e6b"/>'
    '<path d="M8 36h32" stroke="#fff" stroke-width="3.5" stroke-linecap="round"/>'
    '<rect x="11" y="19" width="9" height="14" rx="2" fill="#8fd3dc"/>'
    '<path d="M24 24l5 6 9-15" fill="none" stroke="#fff" stroke-width="4.5"'
    ' stroke-linecap="round" stroke-linejoin="round"/></svg>'
)
_TEAL = gr.themes.Color(
    name="shelf",
    c50="#eef8f9",
    c100="#d5eef1",
    c200="#aedde3",
    c300="#7cc5cf",
    c400="#45a5b3",
    c500="#2a8896",
    c600="#1f6f7c",
    c700="#155e6b",
    c800="#154b55",
    c900="#143e46",
    c950="#082a31",
)


def theme() -> Any:
    """Make the theme: system fonts only, so that no font is fetched, and AA contrast throughout."""
    made = gr.themes.Base(
        primary_hue=_TEAL,
        secondary_hue=_TEAL,
        neutral_hue=gr.themes.colors.slate,
        radius_size=gr.themes.sizes.radius_md,
        font=("system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "sans-serif"),
        font_mono=("ui-monospace", "SFMono-Regular", "Consolas", "monospace"),
    )
    return made.set(
        body_background_fill="*neutral_50",
        body_background_fill_dark="#0d141c",
        color_accent="*primary_600",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
        block_background_fill="white",
        block_background_fill_dark="#16202b",
        block_label_text_color="*neutral_700",
        block_label_text_color_dark="*neutral_200",
        block_title_text_color="*neutral_800",
        block_title_text_color_dark="*neutral_100",
        block_title_text_weight="600",
        input_border_width="1px",
        input_background_fill="white",
        input_background_fill_dark="#0f1822",
        input_border_color="*neutral_400",
        input_border_color_dark="*neutral_500",
        input_placeholder_color="*neutral_500",
        input_placeholder_color_dark="*neutral_400",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_dark="*primary_700",
        button_primary_background_fill_hover_dark="*primary_600",
        button_primary_text_color="white",
        link_text_color="*primary_700",
        link_text_color_dark="*primary_300",
    )


def appearance() -> dict[str, Any]:
    """Give `gradio.mount_gradio_app` its keyword arguments: looks, limits, and what stays off.

    Gradio's own footer, run history, monitoring, server-side rendering, MCP and the details of
    unexpected errors stay off.
    """
    icon = quote(LOGO)
    return {
        "theme": theme(),
        "css": stylesheet(),
        "head": f'<link rel="icon" type="image/svg+xml" href="data:image/svg+xml,{icon}">',
        "footer_links": [],
        "run_history": False,
        "show_error": False,
        "ssr_mode": False,
        "enable_monitoring": False,
        "pwa": False,
        "mcp_server": False,
        "max_file_size": MAX_UPLOAD,
    }
