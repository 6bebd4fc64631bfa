"""HTML to the text that a reader of the page would see."""

import html
import re
from collections.abc import Iterator
from typing import Any

_ROUNDS = 4
"""How often text may have been escaped again on its way through shop systems, and once more."""
_CDATA = re.compile(r"<!\[CDATA\[|\]\]>")
_MARKUP = re.compile(r"<[a-zA-Z/!?]")
# What only looks like the beginning of a tag: `S<M<L`, `3 <5 mm`, `<b` without an end.
_NO_TAG = re.compile(r"<(?!/?[a-zA-Z][^<>]*>|!|\?)")
_MAX_CHARS = 100_000
"""Of markup: a parser's time grows with the square of how deep elements lie in each other."""
_UNSEEN = frozenset(
    {"script", "style", "template", "noscript", "noframes", "noembed", "iframe", "object"}
    | {"head", "title", "datalist", "-comment"}
)
_UNSEEN_STYLE = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*(hidden|collapse)"
    r"|(opacity|font-size)\s*:\s*0*\.?0+[a-z%]*\s*(!\s*important\s*)?(;|$)",
    re.IGNORECASE,
)
_STYLE_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)


def visible_text(text: str) -> str:
    """Give the text that markup shows; text without markup only has its entities resolved.

    Scripts, styles, templates, comments and hidden elements go with their contents. Escaped markup
    is markup: shop systems escape what they are given, some of them twice.

    >>> visible_text("Mug<!-- watch --> &lt;b&gt;330&nbsp;ml&lt;/b&gt;").split()
    ['Mug', '330', 'ml']
    """
    for _ in range(_ROUNDS):
        before = text
        text = _CDATA.sub(" ", text)
        text = _parsed(text) if _MARKUP.search(text) else html.unescape(text)
        if text == before:
            break
    return text


def _parsed(text: str) -> str:
    plain = _NO_TAG.sub("&lt;", text)
    if "<" not in plain:
        return html.unescape(plain)
    from selectolax.lexbor import LexborHTMLParser

    root = LexborHTMLParser(f"<body>{plain[:_MAX_CHARS]}").root
    return " ".join(_seen_texts(root)) if root else ""


def _seen_texts(root: Any) -> Iterator[str]:
    """Yield the texts below a node in their order, without those of unseen elements."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if node.tag == "-text":
            yield node.text(deep=False)
        elif not _is_unseen(node):
            waiting.extend(reversed(list(node.iter(include_text=True))))


def _is_unseen(node: Any) -> bool:
    if node.tag in _UNSEEN:
        return True
    attributes = node.attributes
    if "hidden" in attributes or (node.tag == "dialog" and "open" not in attributes):
        return True
    style = attributes.get("style")
    return bool(style and _UNSEEN_STYLE.search(_STYLE_COMMENT.sub("", style)))
