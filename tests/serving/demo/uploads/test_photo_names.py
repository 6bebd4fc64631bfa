import pytest
from shelfsure.catalog.rows import RowError
from shelfsure.serving.demo.uploads.uploads import PhotoNames


def test_locate_prefers_the_exact_path_then_the_path_below_then_the_name() -> None:
    names = PhotoNames(["a.jpg", "x/a.jpg", "x/only.jpg", "shop/p/b.jpg", "shop/q/b.jpg"])
    assert names.locate("a.jpg") == "a.jpg"
    assert names.locate("x/a.jpg") == "x/a.jpg"
    assert names.locate("./X\\A.JPG") == "x/a.jpg"
    assert names.locate("q/b.jpg") == "shop/q/b.jpg"
    assert names.locate("photos/only.jpg") == "x/only.jpg"
    assert names.locate("gone.jpg") == "gone.jpg"
    with pytest.raises(RowError, match=r"not unique: 'b\.jpg' may be 'shop/p/b\.jpg' or 'shop/q"):
        names.locate("b.jpg")


def test_locate_knows_an_accent_written_in_two_ways() -> None:
    assert PhotoNames(["caf\u00e9.jpg"]).locate("cafe\u0301.jpg") == "caf\u00e9.jpg"


@pytest.mark.parametrize(
    "written", ["/etc/a.jpg", "../a.jpg", "x/../../a.jpg", "C:\\a.jpg", "https://x.org/a.jpg"]
)
def test_locate_leaves_what_leads_out_as_it_is(written: str) -> None:
    assert PhotoNames(["a.jpg"]).locate(written) == written
