"""The Gradio demo: its page, its tabs, their pictures and jobs."""

from ...core.extras import require_extra

require_extra("serve", "The demo")
