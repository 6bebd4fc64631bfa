"""A small synthetic catalogue, drawn and worded by our own code, to try everything out with.

canvas, looks          strokes, light, colours and patterns
kitchen … vases        one drawing a category; outsiders: what no category covers
backgrounds … photos   from a drawing to a JPEG file
titles, planted, plan  what is written, what is planted, and what the files hold
write, sheet           the public door
"""

from .sheet import contact_sheet
from .write import SampleSummary, write_sample

__all__ = ["SampleSummary", "contact_sheet", "write_sample"]
