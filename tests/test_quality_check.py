import io

from PIL import Image
from shelfsure.listings.listing import Listing
from shelfsure.quality_check import with_quality
from shelfsure.verdict import Verdict
from shelfsure.vision.encoder import PhotoLimits


def jpeg(size: int) -> bytes:
    buffer = io.BytesIO()
    Image.radial_gradient("L").resize((size, size)).save(buffer, "JPEG")
    return buffer.getvalue()


def test_with_quality_gives_each_verdict_its_own_flags() -> None:
    small, large = jpeg(90), jpeg(400)
    listings = [Listing("a", image=small), Listing("b", title="b"), Listing("c", image=large)]
    verdicts = [Verdict(listing_id=x.listing_id, decision="review") for x in listings]
    found = with_quality(verdicts, listings, PhotoLimits())
    assert [v.listing_id for v in found] == ["a", "b", "c"]
    resolution = [[f for f in v.quality if f.flag == "low_resolution"] for v in found]
    assert [len(flags) for flags in resolution] == [1, 0, 0]
    assert resolution[0][0].value == 90
    assert Verdict.model_validate_json(found[0].model_dump_json()) == found[0]


def test_with_quality_leaves_the_rejected_alone() -> None:
    verdict = Verdict(listing_id="a", decision="rejected")
    assert with_quality([verdict], [Listing("a", image=jpeg(90))], PhotoLimits()) == [verdict]
    assert with_quality([], [], PhotoLimits()) == []
