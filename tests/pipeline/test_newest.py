"""Training leans towards the newest listings where they are of another kind, and only there."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
import shelfsure.pipeline.training as training
from shelfsure.catalog.catalog import Catalog
from shelfsure.catalog.listing import Listing
from shelfsure.core.config import Config
from shelfsure.embedding.embedder import Embedder
from shelfsure.fusion.views import TITLE
from shelfsure.pipeline.pipeline import ListingPipeline

MakeEmbedder = Callable[..., Embedder]
WORDS = {"Home > Lamps": "lamp", "Home > Rugs": "rug", "Toys > Kites": "kite"}
NAMES = tuple(WORDS)


def listings(n: int, name: str, *, moved: bool, wrong: int = 0) -> list[Listing]:
    """Name n things; once sellers have moved, they use another category's word.

    Every `wrong`-th has another's category.
    """
    made = []
    for number in range(n):
        kind = NAMES[number % 3]
        word = WORDS[NAMES[(number + 1) % 3]] if moved else WORDS[kind]
        said = NAMES[(number + 2) % 3] if wrong and number % wrong == 0 else kind
        title = f"{word} {name}{number} of maker{number}"
        made.append(Listing(f"{name}-{number}", title, category=said))
    return made


def fit(
    own: Sequence[Listing], newest: Sequence[Listing], embedder: Embedder, config: Config
) -> ListingPipeline:
    catalog = Catalog.from_listings([*own, *newest], need_category=True)
    ids = [one.listing_id for one in newest]
    return ListingPipeline.fit(catalog, config, embedder=embedder, newest=ids)


def right(pipeline: ListingPipeline, asked: Sequence[Listing]) -> float:
    views = pipeline.views(pipeline.embedder.embed(asked))
    best = pipeline.classifier.log_probabilities(views).argmax(axis=1)
    said = [pipeline.class_names[column] for column in best]
    return float(np.mean([a == b.category for a, b in zip(said, asked, strict=True)]))


@pytest.fixture(autouse=True)
def no_retrieval(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "fit_retrieval", lambda *_, **__: None)  # it takes seconds


def test_training_leans_towards_newest_listings_of_another_kind(
    fake_embedder: MakeEmbedder, tiny_config: Config
) -> None:
    old, new = listings(240, "old", moved=False), listings(45, "new", moved=True, wrong=9)
    asked = listings(150, "asked", moved=True)
    alike = fit([*old, *new], [], fake_embedder(), tiny_config)
    leaning = fit(old, new, fake_embedder(), tiny_config)
    assert "newest" not in alike.facts
    assert leaning.facts["newest"]["n_listings"] == 45
    assert leaning.facts["newest"]["gain_nats"] > 0
    assert right(leaning, asked) > max(right(alike, asked) + 0.02, 0.9)
    # what it promises is about more of their kind
    assert [each["n"] for each in leaning.facts["evidence"]] == [45]
    assert set(leaning.facts["forecast"]) == {"new_groups"}
    assert leaning.rules.for_pattern(frozenset({TITLE}))[-1].n_calibration == 45


def test_a_young_drift_is_leant_to_alone(fake_embedder: MakeEmbedder, tiny_config: Config) -> None:
    old, new = listings(120, "old", moved=False), listings(60, "new", moved=True)
    asked = listings(150, "asked", moved=True)
    leaning = fit(old[:60], [*old[60:], *new], fake_embedder(), tiny_config)
    assert leaning.facts["newest"]["n_listings"] <= 60
    assert right(leaning, asked) > 0.9


def test_training_stays_as_it_is_where_the_newest_are_like_all_others(
    fake_embedder: MakeEmbedder, tiny_config: Config
) -> None:
    old, new = listings(120, "old", moved=False), listings(45, "new", moved=False)
    given, without = (
        fit(old, new, fake_embedder(), tiny_config),
        fit([*old, *new], [], fake_embedder(), tiny_config),
    )
    assert given.facts == without.facts
    asked = listings(30, "asked", moved=True)
    assert given.predict(asked) == without.predict(asked)


@pytest.mark.parametrize(
    ("n_new", "changed"),
    [(29, {}), (45, {"calibration": "split"}), (45, {"fusion": "stacking"})],
)
def test_what_cannot_be_tried_is_trained_alike(
    n_new: int, changed: dict[str, str], fake_embedder: MakeEmbedder, tiny_config: Config
) -> None:
    config = tiny_config.model_copy(update=changed)
    old, new = listings(120, "old", moved=False), listings(n_new, "new", moved=True)
    assert "newest" not in fit(old, new, fake_embedder(), config).facts
    if n_new >= 30:  # fewer can't train; and before these nothing came
        assert "newest" not in fit([], new, fake_embedder(), config).facts


def test_listings_of_the_newest_ones_groups_join_them(
    fake_embedder: MakeEmbedder, tiny_config: Config
) -> None:
    old, new = listings(120, "old", moved=False), listings(60, "new", moved=True)
    sellers = [replace(one, group=f"old seller {n % 12}") for n, one in enumerate(old)]
    moved = [replace(one, group=f"new seller {n % 12}") for n, one in enumerate(new)]
    # the same sellers, before they were asked for
    catalog = Catalog.from_listings([*sellers, *moved], need_category=True)
    ids = [one.listing_id for one in moved[12:]]
    pipeline = ListingPipeline.fit(catalog, tiny_config, embedder=fake_embedder(), newest=ids)
    assert pipeline.facts["newest"]["n_listings"] == 60
