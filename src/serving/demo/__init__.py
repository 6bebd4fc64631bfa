"""The Gradio demo: its page, its tabs, their pictures and jobs."""
