"""What a page doesn't show isn't read, however it is hidden or escaped."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shelfsure.text.clean import clean_text
from shelfsure.text.markup import visible_text

MUG = "<p>Ceramic mug for coffee, 330 ml.</p>"
UNSEEN = [
    '<style type="text/css">.watch-strap{color:#333} @media(max-width:9px){.laptop{}}</style>',
    "<STYLE>.towel > .curtain {}</STYLE >",
    '<script>var baby={"bath":"<b>towel</b>"};if(a<b){watch(e)}</script>',
    "<!-- curtain > polyester <b>door</b> -->",
    "<template><p>watch</p><script>dial</script></template>",
    "<noscript>watch</noscript>",
    "<div hidden>watch <b>dial</b></div>",
    '<div style="color:red; Display : NONE">watch</div>',
    "<span style='visibility:hidden'>watch</span>",
    '<p style="font-size:0px">watch</p>',
    '<p style="display:/* */none!important">watch<template>x</template></p>',
    "<iframe srcdoc='x'>watch</iframe>",
    "<head><title>watch</title></head>",
    "<dialog>watch</dialog>",
    '<input type="hidden" value="watch">',
    '<img alt="watch" src="watch.jpg">',
]


@pytest.mark.parametrize("unseen", UNSEEN)
@pytest.mark.parametrize("n_escaped", [0, 1, 2])
def test_clean_text_leaves_out_what_a_page_hides(unseen: str, n_escaped: int) -> None:
    text = unseen + MUG + unseen
    for _ in range(n_escaped):
        text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert clean_text(text) == "Ceramic mug for coffee, 330 ml."


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("<![CDATA[<p>Ceramic mug</p>]]>", "Ceramic mug"),
        ('<p style="display:block">Mug</p><p style="opacity:0.9">tea</p>', "Mug tea"),
        ('<a title="x > y">Mug</a>', "Mug"),
        ("Mug <!-- never closed", "Mug"),
        ("Mug <style>.never{closed", "Mug"),
        ("<table>Mug<tr><td>330 ml</table>", "Mug 330 ml"),
        ("AT&T &copy; 5 &lt; 6 &unknown;", "AT&T © 5 < 6 &unknown;"),
        ("<dialog open>Mug</dialog>", "Mug"),
        ("I <3 mugs & <4 cm <", "I <3 mugs & <4 cm <"),
    ],
)
def test_clean_text_keeps_what_a_page_shows(text: str, seen: str) -> None:
    assert clean_text(text) == seen


@given(st.text(st.sampled_from("ab <>&;/!-'\"=lgtpsye\n"), max_size=60))
def test_visible_text_takes_any_text(text: str) -> None:
    assert isinstance(visible_text(text), str)
    if not {"<", "&"} & set(text):
        assert visible_text(text) == text


@pytest.mark.parametrize("tag", ["<div>", "<b>", "<p hidden>", "<table><tr><td>", "<!--", "<a '"])
def test_visible_text_of_a_hostile_description_takes_little_time(tag: str) -> None:
    start = time.perf_counter()
    visible_text(tag * (20_000 // len(tag)) + "mug")
    assert time.perf_counter() - start < 2
