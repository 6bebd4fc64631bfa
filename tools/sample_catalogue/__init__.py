"""Draws and words the sample catalogue that `shelfsure sample` unpacks.

canvas, looks          strokes, light, colours and patterns
kitchen … vases        one drawing a category; outsiders: what no category covers
backgrounds … photos   from a drawing to a JPEG file
titles, planted, plan  what is written, what is planted, and what the files hold
write                  the zip
"""

from .write import write_sample_zip

__all__ = ["write_sample_zip"]
