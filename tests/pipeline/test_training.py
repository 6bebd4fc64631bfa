from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shelfsure.pipeline.training as training
from shelfsure.catalog.catalog import Catalog, read_catalog
from shelfsure.catalog.listing import Listing
from shelfsure.core.config import Config, ImageConfig, TextConfig
from shelfsure.core.errors import TrainingError
from shelfsure.embedding.embedder import Embedder
from shelfsure.embedding.run_options import RunOptions
from shelfsure.pipeline.pipeline import ListingPipeline

MakeEmbedder = Callable[..., Embedder]
ALL = {"photo", "title", "description"}


@pytest.fixture(scope="module")
def catalog(tiny_folder: Path) -> Catalog:
    return read_catalog(tiny_folder / "catalogue.csv", need_category=True)


@pytest.fixture(autouse=True)
def _no_memory(tiny_trained: ListingPipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """What else training keeps of the catalogue has tests of its own, and takes seconds."""
    monkeypatch.setattr(training, "fit_retrieval", lambda *_, **__: None)


def having(catalog: Catalog, *, without: set[str]) -> Catalog:
    """The same listings less what is named, the bad photo's row left out."""
    blank = {"image" if part == "photo" else part: None for part in without}
    listings = [replace(x, **blank) for x in catalog.listings if x.listing_id != "bad-photo"]
    return Catalog.from_listings([x for x in listings if x.image or x.title])


def right_fraction(result: ListingPipeline, listings: list[Listing]) -> float:
    verdicts = result.predict(listings)
    return float(
        np.mean([v.category == x.category for v, x in zip(verdicts, listings, strict=True)])
    )


def test_train_leaves_out_categories_with_too_few_listings(tiny_trained: ListingPipeline) -> None:
    pipeline = tiny_trained
    assert pipeline.class_names == ("Home > Lamps", "Home > Rugs", "Toys > Kites")
    assert pipeline.facts["left_out"] == {"Garden > Hoses": 2}
    assert pipeline.facts["n_left_out"] == 2
    assert pipeline.facts["n_listings"] == 60
    assert pipeline.facts["category_counts"] == dict.fromkeys(pipeline.class_names, 20)


def test_train_rejects_rows_that_it_cant_use(tiny_trained: ListingPipeline) -> None:
    rejected = {bad.listing_id: bad.kind for bad in tiny_trained.catalog.rejected}
    assert rejected == {"bad-photo": "unusable photo", "t00": "duplicate id"}
    assert tiny_trained.facts["n_rejected"] == 2


def test_train_learns_every_modality_and_their_mixtures(tiny_trained: ListingPipeline) -> None:
    evidence = tiny_trained.facts["evidence"]
    assert {frozenset(e["modalities"]) for e in evidence} == {
        frozenset(p)
        for p in (
            ["photo"], ["title"], ["description"], ["photo", "title"],
            ["photo", "description"], ["title", "description"], ALL,
        )
    }  # fmt: skip
    assert all(e["n"] == 60 and e["top1"] > 0.9 for e in evidence)
    assert len(evidence[-1]["modalities"]) == 3
    listings = [x for x in tiny_trained.catalog.listings if x.category != "Garden > Hoses"]
    assert right_fraction(tiny_trained, listings) > 0.95
    photos = [Listing(x.listing_id, image=x.image, category=x.category) for x in listings]
    assert right_fraction(tiny_trained, photos) > 0.9


def test_train_fits_a_rule_for_each_level(tiny_trained: ListingPipeline) -> None:
    rules = tiny_trained.rules.for_pattern(frozenset(ALL))
    assert len(rules) == 2
    assert all(rule.target_precision == 0.8 and rule.n_calibration == 60 for rule in rules)


def test_train_asks_about_a_share_of_the_listings_where_there_are_very_many(
    catalog: Catalog,
    fake_embedder: MakeEmbedder,
    tiny_config: Config,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("shelfsure.fusion.calibration.MAX_HELD_OUT", 3 * 40)
    monkeypatch.setattr("shelfsure.fusion.calibration.MIN_HELD_OUT", 1)
    pipeline = ListingPipeline.fit(catalog, tiny_config, embedder=fake_embedder())
    assert pipeline.facts["n_listings"] == 60
    assert all(each["n"] == 40 and each["top1"] > 0.9 for each in pipeline.facts["evidence"])
    rules = pipeline.rules.for_pattern(frozenset(ALL))
    assert all(rule.n_calibration == 40 for rule in rules)


def test_train_again_gives_the_same(
    catalog: Catalog,
    tiny_trained: ListingPipeline,
    fake_embedder: MakeEmbedder,
    tiny_config: Config,
) -> None:
    again = ListingPipeline.fit(catalog, tiny_config, embedder=fake_embedder())
    before = replace(tiny_trained, retrieval=None)
    listings = catalog.listings[::7]
    assert again.predict(listings) == before.predict(listings)
    assert again.facts == tiny_trained.facts


@pytest.mark.parametrize("fusion", ["pool", "concatenation", "stacking"])
def test_train_can_hold_listings_back_for_calibration(
    catalog: Catalog, fake_embedder: MakeEmbedder, tiny_config: Config, fusion: str
) -> None:
    config = tiny_config.model_copy(update={"calibration": "split", "fusion": fusion})
    result = ListingPipeline.fit(catalog, config, embedder=fake_embedder())
    evidence = {frozenset(e["modalities"]): e for e in result.facts["evidence"]}
    assert evidence[frozenset(ALL)]["n"] == 12  # a fifth of 60
    assert evidence[frozenset(ALL)]["top1"] > 0.8


@pytest.mark.parametrize(
    ("without", "left", "route"),
    [
        ({"title", "description"}, {"photo"}, "image_only"),
        ({"photo", "description"}, {"title"}, "text_only"),
        ({"photo"}, {"title", "description"}, "text_only"),
    ],
)
def test_train_does_with_what_listings_have(
    catalog: Catalog,
    fake_embedder: MakeEmbedder,
    tiny_config: Config,
    without: set[str],
    left: set[str],
    route: str,
) -> None:
    poor = having(catalog, without=without)
    result = ListingPipeline.fit(poor, tiny_config, embedder=fake_embedder())
    facts = result.facts
    counts = {"photo": facts["n_photos"], "title": facts["n_titles"],
              "description": facts["n_descriptions"]}  # fmt: skip
    assert counts == {part: 60 if part in left else 0 for part in ALL}
    assert set().union(*(e["modalities"] for e in facts["evidence"])) == left
    listings = [x for x in poor.listings if x.category != "Garden > Hoses"]
    verdicts = result.predict(listings)
    assert {v.route for v in verdicts} == {route}
    assert right_fraction(result, listings) > 0.9


def test_train_with_some_of_everything_missing(
    catalog: Catalog, fake_embedder: MakeEmbedder, tiny_config: Config
) -> None:
    holes = [
        replace(x, image=None if i % 5 == 0 else x.image, title=None if i % 5 == 1 else x.title)
        for i, x in enumerate(having(catalog, without=set()).listings)
    ]
    result = ListingPipeline.fit(
        Catalog.from_listings(holes), tiny_config, embedder=fake_embedder()
    )
    facts = result.facts
    assert (facts["n_photos"], facts["n_titles"]) == (48, 48)
    assert right_fraction(result, holes[:50]) > 0.9


def test_train_predicts_as_many_levels_as_asked(
    catalog: Catalog, fake_embedder: MakeEmbedder, tiny_config: Config
) -> None:
    result = ListingPipeline.fit(
        catalog, tiny_config.model_copy(update={"levels": 1}), embedder=fake_embedder()
    )
    assert result.class_names == ("Home", "Toys")
    assert len(result.rules.for_pattern(frozenset(ALL))) == 1


def test_train_can_leave_the_description_out(
    catalog: Catalog, fake_embedder: MakeEmbedder, tiny_config: Config
) -> None:
    result = ListingPipeline.fit(
        catalog, tiny_config.model_copy(update={"description": False}), embedder=fake_embedder()
    )
    assert result.facts["n_descriptions"] == 0


def test_train_says_what_is_missing(
    catalog: Catalog, fake_embedder: MakeEmbedder, tiny_config: Config
) -> None:
    config = tiny_config.model_copy(update={"min_examples": 21})
    with pytest.raises(TrainingError, match="21 listings or more, but 0 of 4 have them"):
        ListingPipeline.fit(catalog, config, embedder=fake_embedder())
    few = Catalog.from_listings(catalog.listings[:12])
    with pytest.raises(TrainingError, match="listings"):
        ListingPipeline.fit(
            few, tiny_config.model_copy(update={"min_examples": 2}), embedder=fake_embedder()
        )
    same = [Listing(str(i), "the same", category="AB"[i % 2]) for i in range(10)]
    with pytest.raises(TrainingError, match="at least 3 listings that aren't duplicates, got 1"):
        ListingPipeline.fit(Catalog.from_listings(same), tiny_config, embedder=fake_embedder())


def test_train_says_why_rows_were_set_aside_when_too_few_are_left(
    fake_embedder: MakeEmbedder, tiny_config: Config, tmp_path: Path
) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"no photo")
    broken = [Listing(f"b{i}", None, tmp_path / "broken.jpg", category="A") for i in range(4)]
    with pytest.raises(TrainingError, match=r"4 rejected \(4 unusable photo\).* Row 1: .*photo"):
        ListingPipeline.fit(Catalog.from_listings(broken), tiny_config, embedder=fake_embedder())


def test_applied_to_names_the_precision_and_the_framing_that_run() -> None:
    config = Config(image=ImageConfig(precision="auto"), text=TextConfig(precision="auto"))
    resolved = RunOptions(device="cpu").applied_to(config)
    assert {resolved.image.precision, resolved.text.precision} <= {"float32", "bfloat16"}
    assert resolved.image.crop_mode == "border"  # `auto` where nobody has compared
    fixed = Config(image=ImageConfig(precision="bfloat16", crop_mode="center"))
    assert RunOptions(device="cpu").applied_to(fixed) == fixed
