import base64
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError
from PIL import Image
from shelfsure.core.reports import jpeg_uri, markdown_text, plotly_text, templates


def test_templates_escape_values_and_miss_none(tmp_path: Path) -> None:
    (tmp_path / "page.html.j2").write_text("{% if true %}\n<p>{{ said }}</p>\n{% endif %}")
    page = templates(tmp_path).get_template("page.html.j2")
    assert page.render(said="<script>&") == "<p>&lt;script&gt;&amp;</p>\n"
    with pytest.raises(UndefinedError, match="said"):
        page.render()


def test_templates_of_markdown_escape_what_is_called_plain(tmp_path: Path) -> None:
    (tmp_path / "page.md.j2").write_text("- {{ said | plain }} & co")
    page = templates(tmp_path).get_template("page.md.j2")
    assert page.render(said="a_b") == "- a\\_b & co"


def test_jpeg_uri_keeps_the_picture_and_drops_its_metadata() -> None:
    image = Image.new("RGB", (40, 30), (200, 30, 40))
    image.info["comment"] = b"where it was taken"
    kind, _, encoded = jpeg_uri(image).partition(",")
    assert kind == "data:image/jpeg;base64"
    data = base64.b64decode(encoded)
    assert b"taken" not in data
    with Image.open(io.BytesIO(data)) as read:
        assert read.size == (40, 30)
        np.testing.assert_allclose(read.getpixel((20, 15)), (200, 30, 40), atol=3)
    assert len(jpeg_uri(image, quality=95)) > len(encoded)


@given(st.text())
def test_markdown_text_stays_on_its_line_and_in_its_cell(text: str) -> None:
    said = markdown_text(text)
    assert len(said.splitlines()) <= 1
    bare = said.replace("\\\\", "")
    assert all(bare[place - 1] == "\\" for place, c in enumerate(bare) if c in "<|`*[")


def test_markdown_text_leaves_paths_of_categories_readable() -> None:
    assert markdown_text("Home > Lamps & more") == "Home > Lamps & more"


def test_plotly_text_is_no_markup() -> None:
    assert plotly_text('<b>"A" & co</b>') == '&lt;b&gt;"A" &amp; co&lt;/b&gt;'
