from pathlib import Path
from types import SimpleNamespace

from PIL import Image
from shelfsure.catalog.catalog import Catalog, RejectedRow
from shelfsure.catalog.listing import Listing
from shelfsure.pipeline.verdict import Duplicate, Verdict
from shelfsure.serving.demo.batch_job import BatchJob
from shelfsure.serving.demo.uploads.uploads import Upload, Workspace
from shelfsure.serving.demo.verdict_table import (
    HEADERS,
    MAX_SHOWN,
    Filter,
    RowPhotos,
    decision_choices,
    flag_choices,
    flags,
    n_pages,
    table_label,
    table_rows,
    write_downloads,
)


def copy(verdict: str) -> Duplicate:
    again = verdict.startswith("same")
    return Duplicate(listing_id="c", verdict=verdict, probability=0.9, evidence="", mergeable=again)  # type: ignore[arg-type]


SURE = Verdict(listing_id="a", decision="accept", category="Home > Lamps", probability=0.9871)
ODD = Verdict(listing_id="b", decision="review", category="Toys", mismatch=True)
AGAIN = Verdict(
    listing_id="c", decision="review", category="Home", duplicates=(copy("same_photo"),)
)
BAD = Verdict(listing_id="d", decision="rejected", reasons=("photo not found: x",))
ROWS = [(1, SURE), (2, ODD), (3, AGAIN), (4, BAD)]


def ids(keep: Filter) -> list[object]:
    return [cells[2] for cells in table_rows(ROWS, {}, keep)[0]]


def test_table_rows_fill_every_column_with_text() -> None:
    title = "<b>lamp</b>"
    table, n = table_rows(ROWS, {1: Listing("a", title)}, Filter())
    assert n == 4
    assert table[0] == [1, "", "a", "✓ Accept", "Home > Lamps", 98.7, title, "", ""]
    assert table[3][3] == "✕ Couldn't be read"
    assert table[3][-1] == "photo not found: x"
    assert {len(cells) for cells in table} == {len(HEADERS)}
    assert table[3][5] is None
    nearly = SURE.model_copy(update={"probability": 0.99998})
    assert table_rows([(1, nearly)], {}, Filter())[0][0][5] == 99.9


def test_filter_combines_what_is_asked() -> None:
    assert ids(Filter()) == ["a", "b", "c", "d"]
    assert ids(Filter(decisions=["review", "rejected"])) == ["b", "c", "d"]
    assert ids(Filter(category=" home ")) == ["a", "c"]
    assert ids(Filter(flags=["duplicate", "mismatch"])) == ["b", "c"]
    assert ids(Filter(["review"], "HOME", ["duplicate"])) == ["c"]
    assert ids(Filter(["accept"], "toys")) == []


def test_table_rows_count_all_and_show_the_first() -> None:
    many = [(row, SURE) for row in range(1, MAX_SHOWN + 6)]
    table, n = table_rows(many, {}, Filter())
    assert (len(table), n) == (MAX_SHOWN, MAX_SHOWN + 5)
    assert n_pages(n) == 2
    last, _ = table_rows(many, {}, Filter(), page=1)
    assert [cells[0] for cells in last] == [*range(MAX_SHOWN + 1, MAX_SHOWN + 6)]
    assert "1,001 to 1,005 are shown" in table_label(n, 1)


def test_table_rows_show_photos_where_they_are_wished(tmp_path: Path) -> None:
    Image.new("RGB", (90, 300), "red").save(tmp_path / "a.png")
    listings = {1: Listing("a", image=tmp_path / "a.png"), 2: Listing("b", title="lamp")}
    photos = RowPhotos()
    for _ in range(2):  # the second time what was made
        table, _n = table_rows(ROWS, listings, Filter(), photos=photos)
        assert [cells[1][:32] for cells in table[:3]] == [
            '<img src="data:image/jpeg;base64',
            "",
            "",
        ]
        (tmp_path / "a.png").unlink(missing_ok=True)


def test_flags_tell_a_variant_from_a_duplicate() -> None:
    assert flags(AGAIN) == ["duplicate"]
    assert flags(AGAIN.model_copy(update={"duplicates": (copy("variant"),)})) == ["variant"]
    assert flags(AGAIN.model_copy(update={"duplicates": (copy("different"),)})) == []
    assert flags(SURE.model_copy(update={"route": "zero_shot"})) == ["zero_shot"]


def test_choices_count_verdicts() -> None:
    assert decision_choices(ROWS)[1] == ("? Please check (2)", "review")
    assert {key: name for name, key in flag_choices(ROWS)}["mismatch"].endswith("(1)")


def test_write_downloads_name_what_is_partial(tmp_path: Path) -> None:
    good = tuple(Listing(str(i), "lamp") for i in range(3))
    catalog = Catalog(good, (1, 2, 4), (RejectedRow(3, "x", "missing photo and title"),))
    nothing = {"predict": lambda *_, **__: [], "as_batch": lambda verdicts, *_: verdicts}
    service = SimpleNamespace(pipeline=SimpleNamespace(version="v", **nothing))
    job = BatchJob(service, Upload(catalog, tmp_path))  # type: ignore[arg-type]
    paths = [Path(path) for path in write_downloads(job, tmp_path)]
    assert [path.name for path in paths] == [
        "verdicts-partial.csv",
        "verdicts-partial.jsonl",
        "verdicts-partial.parquet",
        "rejected-partial.csv",
    ]
    assert paths[-1].read_text().splitlines() == [
        "row,listing_id,reason",
        "3,x,missing photo and title",
    ]


def test_workspace_goes_when_closed_or_forgotten() -> None:
    place = Workspace()
    (place.folder("photos") / "a.jpg").write_bytes(b"a")
    path = place.path
    assert place.folder("photos") == path / "photos"
    place.close()
    assert not path.exists()
    place.close()
    path = (other := Workspace()).path
    assert path.is_dir()
    del other
    assert not path.exists()
