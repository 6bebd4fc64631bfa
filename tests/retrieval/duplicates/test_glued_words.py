"""Joined words and signs: what tells variants apart is found in them, too."""

import pytest
from shelfsure.retrieval.duplicates.glued_words import unglued
from shelfsure.retrieval.duplicates.title_match import compare_titles


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("HoodieXSBlack", "HoodieXLBlack"),
        ("PoloBlackXL", "PoloBlackXXL"),
        ("T-ShirtRedM", "T-ShirtBlueM"),
        ("Galaxy S21", "Galaxy S21+"),
        ("C compiler poster", "C++ compiler poster"),
        ("Tee ♂", "Tee ♀"),
        ("Tシャツ赤M", "Tシャツ赤L"),
        ("コットンバスタオル白", "コットンバスタオル黒"),
        ("黑色连衣裙夏季", "白色连衣裙夏季"),
        ("후드티블랙 XL", "후드티블랙 XXL"),
        ("เสื้อยืดสีแดง", "เสื้อยืดสีดำ"),
    ],
)
def test_glued_variants_are_told_apart(a: str, b: str) -> None:
    assert compare_titles(a, b).differences
    assert compare_titles(b, a).differences
    assert not compare_titles(a, a).differences


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("Galaxy S21+", "Galaxy S21 Plus"),
        ("T-ShirtBlueXL", "T-Shirt Blue XL"),
        ("Nike AirMax 90", "Nike Air Max 90"),
        ("McDonald mug", "Mcdonald mug"),
        ("BLUE MUG", "Blue Mug"),
        ("Tシャツ 赤", "Tシャツ 赤 - free shipping"),
    ],
)
def test_one_title_in_two_spellings_stays_one(a: str, b: str) -> None:
    found = compare_titles(a, b)
    assert (found.differences, found.extra) == ((), ())


def test_words_without_a_colour_or_size_stay_joined() -> None:
    assert unglued("iPhone 12 McLaren LeBron") == "iPhone 12 McLaren LeBron"
    assert unglued(unglued("HoodieXSBlack")) == "Hoodie XS Black"
