import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shelfsure.retrieval.duplicates.title_match import (
    differing_attributes,
    read_title,
)


def differing(a: str, b: str) -> list[str]:
    found = differing_attributes(read_title(a)[0], read_title(b)[0])
    return [difference.attribute for difference in found]


@pytest.mark.parametrize(
    ("a", "b", "attribute"),
    [
        ("Door Curtain 7 ft", "Door Curtain 5 ft", "length (cm)"),
        ("Rug 120 x 80 cm", "Rug 150 x 80 cm", "length (cm)"),
        ('Monitor 24"', 'Monitor 27"', "length (cm)"),
        ("Bottle 500ml", "Bottle 1 l", "volume (ml)"),
        ("Coffee 250 g", "Coffee 1,5 kg", "weight (g)"),
        ("Power Bank 10,000 mAh", "Power Bank 20000mAh", "charge (mAh)"),
        ("USB Stick 32GB", "USB Stick 64 GB", "storage (GB)"),
        ("Charger 19.5v", "Charger 12 V", "voltage (V)"),
        ("Mug", "Mug, pack of 2", "pack"),
        ("Bowls, set of three", "Bowls, set of 6", "pack"),
        ("2x Mug", "4 x Mug", "pack"),
        ("Bulb x 2", "Bulb x 10", "pack"),
        ("Towel 50 pcs", "Towel 51 pcs", "pack"),
        ("Polo Shirt L", "Polo Shirt XL", "size"),
        ("Polo Shirt S", "Polo Shirt Medium", "size"),
        ("King Bedsheet", "Queen Bedsheet", "size"),
        ("Mug Red", "Mug Blue", "colour"),
        ("JRB 1038 USB Fan", "JRB 1042 USB Fan", "model"),
        ("Battery for dv5-1008ax", "Battery for dv5-1015nr", "model"),
        ("Charger for VGN-CR540E/L", "Charger for VGN-CR490EBW", "model"),
    ],
)
def test_differing_attributes_tells_variants_apart(a: str, b: str, attribute: str) -> None:
    assert differing(a, b) == [attribute]
    assert differing(b, a) == [attribute]


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("Door Curtain 7 ft", "Door Curtain 213 cm"),
        ("Door Curtain 7 ft", "Curtain for Doors, 7 feet (213 cm)"),
        ("Bottle 0.5 L", "Bottle, 500 ml"),
        ("Bottle 1,5 l", "Bottle 1500 ml"),
        ("Power Bank 10,000 mAh", "Power Bank 10000mAh"),
        ("Mug Blue", "Mug Navy Blue"),
        ("Mug Blue", "Mug"),
        ("Grey Shirt", "Shirt gray"),
        ("Shirt XXL", "Shirt 2XL"),
        ("Mug (pack of 2)", "2 pack of mugs"),
        ("Mug", "Mug, pack of 1"),
        ("Battery DV5-1008AX", "battery dv5/1008ax"),
        ("Men's Shirt", "Shirt for men"),
        ("3 in 1 Cable", "3 in 1 Cable, braided"),
        ("", "Mug Red 7 ft"),
    ],
)
def test_differing_attributes_accepts_other_wordings(a: str, b: str) -> None:
    assert differing(a, b) == []
    assert differing(b, a) == []


def test_read_title_reads_each_token_once() -> None:
    found = read_title("Red Rug 120x80 cm, set of 2, model RX-7, 100 % wool")[0]
    assert found == {
        "pack": {"2"},
        "length (cm)": {120.0, 80.0},
        "colour": {"red"},
        "model": {"rx7"},
    }
    assert "length (cm)" not in read_title("3 in 1 cable")[0]
    assert "size" not in read_title("Men's T-shirt, adapter CR540E/L")[0]


@settings(deadline=None)
@given(st.text(max_size=60))
def test_read_title_takes_any_text(title: str) -> None:
    found = read_title(title)[0]
    assert found["pack"]
    assert differing_attributes(found, read_title(title)[0]) == []


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from(["red", "7", "ft", "x", "2", "pack", "of", "XL", "cm", "a-1", "1,5", '"']),
        max_size=9,
    )
)
def test_differing_attributes_is_symmetric(words: list[str]) -> None:
    a, b = " ".join(words), " ".join(words[::-1])
    assert differing(a, b) == differing(b, a)
