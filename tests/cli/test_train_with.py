"""Answers and further files on the way into training, and broken input of a retraining."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest
from shelfsure.catalog.listing import Listing
from shelfsure.core.errors import ConfigError
from shelfsure.pipeline.pipeline import ListingPipeline
from shelfsure.pipeline.verdict import Verdict
from shelfsure.serving.review.store import ReviewStore

Run = Callable[..., Any]


@pytest.fixture
def trained_on(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What arrives where training would begin."""
    arrived: dict[str, Any] = {}

    def fit(catalog: Any, *_: Any, outside: Any, **__: Any) -> NoReturn:
        arrived.update(catalog=catalog, outside=outside)
        raise ConfigError("training would begin now")

    monkeypatch.setattr(ListingPipeline, "fit", fit)
    return arrived


@pytest.fixture
def reviews(tmp_path: Path, shop: Path) -> ReviewStore:
    store = ReviewStore(tmp_path / "queue/reviews.sqlite")
    said = Verdict(listing_id="", decision="review")
    spare, other = shop / "spare/0.png", shop / "spare/1.png"
    for own, answer in [
        (Listing("s00", "same id, other words"), "Toys > Kites"),
        (Listing("", "a new one", spare.read_bytes()), "Home > Rugs"),
        (Listing("x", "a dog", other.read_bytes()), None),
        (Listing("y", "two minds"), "Home > Rugs"),
    ]:
        item = store.add(own, said)
        if answer:
            store.label(item, answer, "ann")
        else:
            store.answer(item, "not_sold", "ann")
    store.label(item, "Home > Lamps", "ben")
    return store


def test_train_takes_answers_and_further_files(
    run: Run, shop: Path, tmp_path: Path, reviews: ReviewStore, trained_on: dict[str, Any]
) -> None:
    more = tmp_path / "more"
    (more / "pictures").mkdir(parents=True)
    (more / "pictures/a.png").write_bytes((shop / "spare/2.png").read_bytes())
    rows = "sku,name,category,image\nm1,Glow lamp,Home > Lamps,pictures/a.png\n"
    rows += "m2,,Home > Lamps,gone.png\n"
    (more / "more.csv").write_text(rows)
    done = run(
        *("train", shop / "catalogue.csv", "--out", "bundle", "--mlflow", "none"),
        *("--with", reviews.path, "--with", more / "more.csv"),
    )
    assert "training would begin now" in done.error
    assert (
        "reviews.sqlite: 1 labels replaced, 0 confirmed, 1 added, 1 left out, as people disagree."
        in done.out
    )
    assert "more.csv: 0 labels replaced, 0 confirmed, 1 added, 1 rows rejected." in done.out
    found = {one.listing_id: one for one in trained_on["catalog"].listings}
    assert found["s00"].category == "Toys > Kites"
    assert found["s00"].title.startswith("lamps")
    [new] = [one for one in found.values() if one.title == "a new one"]
    assert Path(new.image).read_bytes() == (shop / "spare/0.png").read_bytes()
    assert Path(found["m1"].image).is_file()
    [dog] = trained_on["outside"]
    assert Path(dog.image).read_bytes() == (shop / "spare/1.png").read_bytes()


def test_train_refuses_a_queue_without_answers(run: Run, shop: Path, tmp_path: Path) -> None:
    ReviewStore(tmp_path / "r.sqlite").counts()
    command = ("train", shop / "catalogue.csv", "--out", "bundle", "--with", "r.sqlite")
    done = run(*command)
    assert done.code == 1
    assert "r.sqlite must have answers to train on, but nobody has answered yet" in done.error
    done = run(*command[:-1], "gone.sqlite")
    assert done.code == 1
    assert "gone.sqlite" in done.error


@pytest.mark.parametrize(
    ("yaml", "said"),
    [
        ("catalogue: gone.csv\nout: out\n", "gone.csv"),
        ("catalogue: gone.csv\nout: out\nwiht: [r.sqlite]\n", "wiht"),
        ("out: out\n", "catalogue: must be given"),
        ("catalogue: c.csv\nout: out\nwinner: me\n", "winner"),
        ("catalogue: c.csv\nout: out\ntrain: gone.yaml\n", "gone.yaml"),
    ],
)
def test_retrain_says_what_is_wrong(run: Run, tmp_path: Path, yaml: str, said: str) -> None:
    (tmp_path / "own.yaml").write_text(yaml)
    done = run("retrain", "own.yaml")
    assert done.code == 1
    assert said in done.error
    done = run("retrain", "gone.yaml")
    assert "must be a YAML file, but gone.yaml is none" in done.error
