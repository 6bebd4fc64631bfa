from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.special import log_softmax
from shelfsure.catalog.listing import Listing
from shelfsure.core.errors import PhotoError
from shelfsure.embedding.embedder import Embedder
from shelfsure.fusion.parts_game import log_odds
from shelfsure.pipeline.explanation import FUSED, explain_listing
from shelfsure.pipeline.pipeline import ListingPipeline
from shelfsure.vision.encoder import PhotoEncoder


@pytest.fixture(scope="module")
def lamp(tiny_trained: ListingPipeline) -> Listing:
    return next(x for x in tiny_trained.catalog.listings if x.category == "Home > Lamps")


@pytest.fixture(scope="module")
def seeing(
    tiny_trained: ListingPipeline,
    starter_photos: PhotoEncoder,
    without_retrieval: Callable[..., ListingPipeline],
) -> ListingPipeline:
    """The tiny catalogue, its photos seen by the starter backbone."""
    texts = tiny_trained.embedder.texts
    embedder = Embedder(starter_photos, texts)
    return without_retrieval(tiny_trained.catalog, tiny_trained.config, embedder=embedder)


def test_explain_listing_agrees_with_the_verdict(
    tiny_trained: ListingPipeline, lamp: Listing
) -> None:
    pipeline = tiny_trained
    [verdict] = pipeline.predict([lamp])
    explanation = explain_listing(pipeline, lamp)
    assert explanation.category == verdict.category
    assert explanation.categories == tuple(guess.category for guess in verdict.top_k)
    np.testing.assert_allclose(
        explanation.probabilities[FUSED], [g.probability for g in verdict.top_k], atol=1e-5
    )
    for part, guess in verdict.views.items():
        assert max(explanation.probabilities[part]) == pytest.approx(guess.probability, abs=1e-5)
    first = explanation.table()[0]
    assert first["category"] == verdict.category
    assert set(first) == {"category", "photo", "title", "description", FUSED}


def test_explain_listing_names_the_words_that_matter(
    tiny_trained: ListingPipeline, lamp: Listing
) -> None:
    listing = Listing("1", title="Brand2 kite, blue", image=lamp.image)
    explanation = explain_listing(tiny_trained, listing, "Toys > Kites")
    nats = {word.text: word.nats for word in explanation.title.words}
    assert set(nats) == {"Brand2", "kite", "blue"}
    assert max(nats, key=lambda word: nats[word]) == "kite"
    assert nats["kite"] > 0.5
    against = explain_listing(tiny_trained, listing, "Home > Lamps")
    assert {word.text: word.nats for word in against.title.words}["kite"] < 0


def test_explain_listing_measures_a_word_in_the_whole_listing(
    tiny_trained: ListingPipeline, lamp: Listing
) -> None:
    """A word's nats are the change in the fused answer, photo and description staying."""
    pipeline = tiny_trained
    whole = replace(lamp, title="lamp green")
    word = explain_listing(pipeline, whole, "Home > Lamps").title.words[0]
    column = pipeline.class_names.index("Home > Lamps")
    listings = [whole, replace(whole, title="green")]
    views = pipeline.views(pipeline.embedder.embed(listings))
    odds = log_odds(pipeline.classifier.log_probabilities(views), column)
    assert word.text == "lamp"
    assert word.nats == pytest.approx(float(odds[0] - odds[1]), abs=1e-4)


def test_explain_listing_without_a_part_leaves_it_out(
    tiny_trained: ListingPipeline, lamp: Listing
) -> None:
    title_only = explain_listing(tiny_trained, Listing("1", title="a lamp"))
    assert set(title_only.probabilities) == {"title", FUSED}
    assert (title_only.photo, title_only.heatmap) == (None, None)
    assert title_only.no_heatmap == "The listing has no photo."
    photo_only = explain_listing(tiny_trained, Listing("2", image=lamp.image))
    assert set(photo_only.probabilities) == {"photo", FUSED}
    assert photo_only.title.words == ()


def test_explain_listing_says_why_there_is_no_heatmap(
    tiny_trained: ListingPipeline, lamp: Listing
) -> None:
    pipeline = tiny_trained  # its fake encoder has no backbone
    explanation = explain_listing(pipeline, lamp)
    assert explanation.photo is not None
    assert explanation.heatmap is None
    assert "keeps no map" in explanation.no_heatmap
    headless: Any = replace(pipeline.classifier, heads={})
    assert "no expert" in explain_listing(replace(pipeline, classifier=headless), lamp).no_heatmap


def test_explain_listing_draws_the_heatmap_over_the_photo(
    seeing: ListingPipeline, lamp: Listing
) -> None:
    explanation = explain_listing(seeing, lamp)
    assert explanation.no_heatmap == ""
    assert explanation.photo is not None
    assert explanation.heatmap is not None
    assert explanation.heatmap.shape == explanation.photo.shape[:2] == (48, 48)
    assert explanation.heatmap.max() == pytest.approx(1)
    assert explanation.heatmap.min() >= 0


def test_explain_listing_shows_a_category_beyond_the_best_five(
    seeing: ListingPipeline, lamp: Listing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shelfsure.pipeline.explanation.TOP_K", 1)
    explanation = explain_listing(seeing, lamp, "Toys > Kites")
    assert explanation.category == "Toys > Kites"
    assert explanation.categories == ("Home > Lamps", "Toys > Kites")


def test_explain_listing_refuses_what_it_cant_explain(
    tiny_trained: ListingPipeline, fake_embedder: Callable[..., Embedder]
) -> None:
    pipeline = tiny_trained
    with pytest.raises(ValueError, match="'Boats'"):
        explain_listing(pipeline, Listing("1", title="a boat"), "Boats")
    with pytest.raises(ValueError, match="neither"):
        explain_listing(pipeline, Listing("1", description="only this"))
    with pytest.raises(PhotoError, match="a photo must be JPEG"):
        explain_listing(pipeline, Listing("1", title="lamp", image=b"no photo at all, but text"))


def test_log_odds_undo_the_softmax_of_two(rng: np.random.Generator) -> None:
    logits = rng.normal(size=(5, 2))
    odds = log_odds(log_softmax(logits, axis=1), 1)
    np.testing.assert_allclose(odds, logits[:, 1] - logits[:, 0])
