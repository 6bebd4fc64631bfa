import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from shelfsure.core.mojibake import mend
from shelfsure.text.clean import clean_text


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("Cotton&nbsp;<b>Towel</b> \n ½ price", "Cotton Towel 1⁄2 price"),
        ("<p class='x'>Mug</p><br/>330&nbsp;ml", "Mug 330 ml"),
        ("&lt;b&gt;Bold&lt;/b&gt; claim", "Bold claim"),
        ("Tom &amp; Jerry &#39;T&#39;-Shirt", "Tom & Jerry 'T'-Shirt"),
        ("size < 40 and > 38", "size < 40 and > 38"),
        ("3 <5 mm", "3 <5 mm"),
        ("Ｆｕｌｌ　ｗｉｄｔｈ ﬁne", "Full width fine"),
        ("cafe\u0301", "café"),
        ("a\x00b\x07c", "a b c"),
        ("broken \ud83d half", "broken half"),
        ("\u200bिकेट 👨\u200d👩\u200d👧 XL", "\u200bिकेट 👨\u200d👩\u200d👧 XL"),
        ("CafetiÃ¨re en verre â€“ coffee", "Cafetière en verre – coffee"),
        (r"b'Men\xe2\x80\x99s watch'", "Men’s watch"),
        ("Sizes S<M<L, <b>cotton</b>", "Sizes S<M<L, cotton"),
        ("  \t\r\n\u2028\u2003 ", ""),
        ("<br>", ""),
        ("", ""),
        (None, ""),
    ],
)
def test_clean_text_by_example(raw: str | None, clean: str) -> None:
    assert clean_text(raw) == clean


# all of Unicode, lone surrogates too: a broken export can hold them
@given(st.text(st.characters()))
@example("&#xD800;<b")
@example("\u00a8\u0301")
def test_clean_text_is_fit_for_an_encoder(text: str) -> None:
    clean = clean_text(text)
    clean.encode()
    assert clean == " ".join(clean.split())
    assert unicodedata.is_normalized("NFKC", clean)
    assert not any(unicodedata.category(c) in {"Cc", "Cs"} for c in clean)


@given(st.text(st.characters(categories=["Lu", "Ll", "Nd", "So"], max_codepoint=0x2FFF)))
def test_clean_text_keeps_letters_case_and_digits(text: str) -> None:
    composed = unicodedata.normalize("NFKC", mend(text))
    assert clean_text(text) == " ".join(composed.split())


@given(st.text("abc &;<>/b\u00bd\n"), st.sampled_from(["", " ", "\n", "\u00a0"]))
def test_clean_text_ignores_white_space_around(text: str, space: str) -> None:
    assert clean_text(space + text + space) == clean_text(text)
