from pathlib import Path

import pytest
from shelfsure.catalog.catalog import read_catalog
from shelfsure.catalog.listing import Listing
from shelfsure.cli.main import app
from shelfsure.pipeline.verdict import Guess, Verdict
from shelfsure.serving.review.records import ReviewError
from shelfsure.serving.review.store import ReviewStore
from typer.testing import CliRunner


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ReviewStore:
    monkeypatch.setenv("SHELFSURE_REVIEWS", str(tmp_path / "r.sqlite"))
    store = ReviewStore()
    for name in ("lamp [bold]", "rug"):
        said = Verdict(
            listing_id=name,
            decision="review",
            category="Home",
            probability=0.5,
            top_k=(Guess(category="Home", probability=0.5),),
        )
        store.add(Listing(name, name), said)
    return store


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["review", *arguments], env={"COLUMNS": "200"})
    if result.exception:
        raise result.exception
    return result.stdout


def test_list_shows_what_waits(store: ReviewStore) -> None:
    shown = run("list")
    assert "lamp [bold]" in shown
    assert "rug" in shown
    assert "2 pending, 0 answered" in shown
    for item in store.pending():
        store.answer(item.item_id, "cant_tell", "ann")
    assert "0 pending, 2 answered, 2 of them today" in run("list")


def test_export_writes_a_catalogue(store: ReviewStore, tmp_path: Path) -> None:
    with pytest.raises(ReviewError, match="Nothing was answered"):
        run("export", str(tmp_path / "out"))
    store.label(store.pending()[0].item_id, "Home > Lamps", "ann")
    said = run("export", str(tmp_path / "out"))
    assert "1 labelled listings" in said
    assert "--outside" not in said
    [listing] = read_catalog(tmp_path / "out/catalogue.csv", need_category=True).listings
    assert listing.category == "Home > Lamps"


@pytest.mark.parametrize("command", [("list",), ("export", "out")])
def test_a_queue_that_is_not_there_is_not_made(command: tuple[str, ...], tmp_path: Path) -> None:
    typo = tmp_path / "typo.sqlite"
    with pytest.raises(ReviewError, match="there is none"):
        run(*command, "--store", str(typo))
    assert not typo.exists()
