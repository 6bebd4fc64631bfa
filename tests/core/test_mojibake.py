import ftfy
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from shelfsure.core.mojibake import mend

TITLES = [
    "Cafetière en verre – coffee maker",
    "Men’s wrist watch – leather strap",
    "Baby’s crib sheet “cotton",
    "Curtain 7 ft × 4 ft – polyester",
    "Crème brûlée ramekin bowl set – ceramic",
    "Größe 38, grün",
    "タオル 綿",
]


@pytest.mark.parametrize("title", TITLES)
def test_mend_undoes_wrong_decoding_and_leaves_right_text(title: str) -> None:
    assert mend(title) == title
    wrong = title.encode().decode("windows-1252", errors="replace")
    assert "\ufffd" in wrong or mend(wrong) == title
    assert mend(repr(title.encode())) == title


def test_mend_reads_windows_quotes_and_takes_out_control_characters() -> None:
    assert mend("Men\x92s \x96 watch") == "Men’s – watch"
    assert mend("mug\x00\x00") == "mug"
    assert mend("red\x00mug\x1b[1m") == "red mug [1m"
    assert mend("two\r\nlines\t") == "two\r\nlines\t"
    assert mend("b'not bytes") == "b'not bytes"
    assert mend(r"b'\xff'") == r"b'\xff'"


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126)))
def test_mend_leaves_plain_text(text: str) -> None:
    assert mend(text) == text or text.startswith(("b'", 'b"'))


@given(st.text(st.sampled_from("aZ .é²Â°œ€Ã×ЂÐ№™‚Äв\u00a0\u0092√²ß–¨Ñ")) | st.text())
def test_mend_finds_whatever_ftfy_finds(text: str) -> None:
    assume(text.isprintable() and text[:2] not in {"b'", 'b"'})
    assert mend(text) == ftfy.fix_encoding(text)
