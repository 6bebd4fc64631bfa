import pytest
from shelfsure.catalog.listing import category_levels, category_prefix


@pytest.mark.parametrize("path", ["A > B > C", "A>B>C", "A >> B >>  > C", " > A > B > C > "])
def test_category_levels_drops_blank_levels(path: str) -> None:
    assert category_levels(path) == ("A", "B", "C")


def test_category_prefix_keeps_a_shorter_path() -> None:
    assert category_prefix("A >> B", 5) == "A > B"
