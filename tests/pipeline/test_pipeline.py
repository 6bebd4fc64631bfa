import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shelfsure.pipeline.training as training
from shelfsure.catalog.catalog import Catalog, read_catalog
from shelfsure.catalog.listing import Listing
from shelfsure.core.arrays import Floats
from shelfsure.core.cache import EmbeddingCache
from shelfsure.core.config import Config
from shelfsure.embedding.embedder import Embedder
from shelfsure.embedding.run_options import RunOptions
from shelfsure.fusion.accept_rule import AcceptRule, Rules
from shelfsure.fusion.views import View, Views, n_rows
from shelfsure.pipeline import persistence
from shelfsure.pipeline.pipeline import ListingPipeline
from shelfsure.pipeline.verdict import Verdict
from shelfsure.retrieval.index.snapshot import Hits, Snapshot


@pytest.fixture
def listings(tiny_trained: ListingPipeline) -> list[Listing]:
    """Ten good listings, in several states of completeness."""
    good = tiny_trained.catalog.listings[:10]
    poor = [
        replace(good[0], title=None, description=None),
        replace(good[1], image=None),
        replace(good[2], image=None, description=None),
        replace(good[3], description=None),
        replace(good[4], title=None),
    ]
    return [*good[5:], *poor]


class Fixed:
    """A classifier that always answers the same."""

    method = "fixed"
    heads: Mapping[str, Any] = {}

    def __init__(self, probabilities: list[float]) -> None:
        self.log_prior = np.log(probabilities)

    def log_probabilities(self, views: Views) -> Floats:
        return np.tile(self.log_prior, (n_rows(views), 1))


def rule(threshold: float) -> AcceptRule:
    return AcceptRule(threshold, 0.97, 0.95, 0.5, 0.98, 100)


def fixed_pipeline(
    trained: ListingPipeline, probabilities: list[float], *thresholds: float
) -> ListingPipeline:
    """A pipeline with known answers for lamps, rugs, kites; one threshold a level for titles."""
    rules = Rules({frozenset({"title"}): tuple(map(rule, thresholds)), frozenset({"photo"}): ()})
    answers: Any = Fixed(probabilities)
    return replace(trained, classifier=answers, rules=rules, retrieval=None)


def test_predict_keeps_order_and_ids(
    tiny_trained: ListingPipeline, listings: list[Listing]
) -> None:
    verdicts = tiny_trained.predict(listings)
    assert [v.listing_id for v in verdicts] == [x.listing_id for x in listings]
    alone = [tiny_trained.predict([x])[0] for x in listings]
    for together, single in zip(verdicts, alone, strict=True):
        assert together.category == single.category
        assert together.probability == pytest.approx(single.probability, abs=1e-4)


def test_predict_of_nothing_is_nothing(tiny_trained: ListingPipeline) -> None:
    assert tiny_trained.predict([]) == []


def test_predict_gives_probabilities_that_fit_together(
    tiny_trained: ListingPipeline, listings: list[Listing]
) -> None:
    for verdict in tiny_trained.predict(listings):
        probabilities = [guess.probability for guess in verdict.top_k]
        assert len(probabilities) == 3
        assert sum(probabilities) == pytest.approx(1, abs=1e-4)
        assert probabilities == sorted(probabilities, reverse=True)
        assert (verdict.category, verdict.probability) == (
            verdict.top_k[0].category,
            verdict.top_k[0].probability,
        )


def test_predict_names_the_evidence(tiny_trained: ListingPipeline) -> None:
    good = tiny_trained.catalog.listings[0]
    cases = {
        "fusion": good,
        "image_only": Listing("1", image=good.image),
        "text_only": Listing("2", title=good.title),
    }
    verdicts = tiny_trained.predict(list(cases.values()))
    assert [v.route for v in verdicts] == list(cases)
    assert [set(v.views) for v in verdicts] == [
        {"photo", "title", "description"},
        {"photo"},
        {"title"},
    ]


def test_predict_rejects_what_it_cant_read(tiny_trained: ListingPipeline, tmp_path: Path) -> None:
    bad = [
        Listing("empty"),
        Listing("words", description="only a description"),
        Listing("blank", title=" <br> &nbsp; "),
        Listing("broken", title="lamp", image=b"no photo"),
        Listing("gone", title="lamp", image=tmp_path / "gone.jpg"),
    ]
    good = tiny_trained.catalog.listings[0]
    verdicts = tiny_trained.predict([*bad, good])
    assert [v.decision for v in verdicts[:5]] == ["rejected"] * 5
    for verdict in verdicts[:5]:
        assert (verdict.category, verdict.probability, verdict.route) == (None, None, None)
        assert verdict.top_k == ()
        assert len(verdict.reasons) == 1
    assert "needs a photo or a title" in verdicts[2].reasons[0]
    assert "gone.jpg" in verdicts[4].reasons[0]
    assert verdicts[5].category == good.category


def test_predict_accepts_what_reaches_the_cut_off(tiny_trained: ListingPipeline) -> None:
    title = [Listing("1", title="a lamp")]
    reaches = fixed_pipeline(tiny_trained, [0.75, 0.2, 0.05], 0.9, 0.75).predict(title)[0]
    assert (reaches.decision, reaches.category) == ("accept", "Home > Lamps")
    assert reaches.sure_of is None
    assert "75.0%" in reaches.reasons[0]
    assert "97%" in reaches.reasons[0]
    below = fixed_pipeline(tiny_trained, [0.74, 0.21, 0.05], 0.99, 0.75).predict(title)[0]
    assert (below.decision, below.sure_of) == ("review", None)
    assert "below 75.0%" in below.reasons[0]


def test_predict_backs_off_to_the_parent_that_it_is_sure_of(tiny_trained: ListingPipeline) -> None:
    title = [Listing("1", title="lamp or rug")]
    verdict = fixed_pipeline(tiny_trained, [0.5, 0.45, 0.05], 0.9, 0.9).predict(title)[0]
    assert verdict.decision == "review"
    assert verdict.sure_of is not None
    assert verdict.sure_of.category == "Home"
    assert verdict.sure_of.probability == pytest.approx(0.95)
    assert any("Sure of Home (95.0%)" in reason for reason in verdict.reasons)


def test_predict_backs_off_to_the_likeliest_parent_not_the_best_leafs(
    tiny_trained: ListingPipeline,
) -> None:
    title = [Listing("1", title="kite, lamp or rug")]
    verdict = fixed_pipeline(tiny_trained, [0.31, 0.29, 0.4], 0.6, 0.9).predict(title)[0]
    assert verdict.category == "Toys > Kites"
    assert verdict.sure_of is not None
    assert verdict.sure_of.category == "Home"


def test_predict_accepts_nothing_on_evidence_without_a_rule(tiny_trained: ListingPipeline) -> None:
    photo = [Listing("1", image=tiny_trained.catalog.listings[0].image)]
    verdict = fixed_pipeline(tiny_trained, [1 - 2e-9, 1e-9, 1e-9], 0.5, 0.5).predict(photo)[0]
    assert verdict.decision == "review"
    assert "Nothing is accepted on this evidence" in verdict.reasons[0]


def test_predict_tells_where_modalities_disagree(tiny_trained: ListingPipeline) -> None:
    lamps, kites = (
        [x for x in tiny_trained.catalog.listings if x.category == name]
        for name in ("Home > Lamps", "Toys > Kites")
    )
    mixed = [replace(lamp, image=kite.image) for lamp, kite in zip(lamps, kites, strict=False)]
    verdicts = tiny_trained.predict(mixed, on_shift="ignore")
    verdict = next(each for each in verdicts if each.decision != "out_of_catalogue")
    assert verdict.views["photo"].category == "Toys > Kites"
    assert verdict.views["title"].category == "Home > Lamps"
    assert any("alone says" in reason for reason in verdict.reasons)


def test_predict_can_accept_although_training_had_no_photos(
    tiny_trained: ListingPipeline,
    fake_embedder: Callable[..., Embedder],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A photo that the model knows nothing about must not undo what the title is sure of."""
    monkeypatch.setattr(training, "fit_retrieval", lambda *_, **__: None)
    texts = [replace(x, image=None) for x in tiny_trained.catalog.listings]
    pipeline = ListingPipeline.fit(
        Catalog.from_listings(texts), tiny_trained.config, embedder=fake_embedder()
    )
    photo = tiny_trained.catalog.listings[0].image
    without = pipeline.predict(texts)
    with_photo = pipeline.predict([replace(x, image=photo) for x in texts])
    assert sum(v.decision == "accept" for v in without) > 0
    for one, other in zip(without, with_photo, strict=True):
        assert (other.category, other.probability) == (one.category, one.probability)
        assert other.decision == one.decision
        assert other.route == "text_only"
        assert "photo" not in other.views
    only = pipeline.predict([Listing("1", image=photo)])[0]
    assert only.decision == "rejected"
    assert "title" in only.reasons[0]


def test_decisions_are_the_verdicts_own(
    tiny_trained: ListingPipeline, listings: list[Listing]
) -> None:
    rows = [*listings, Listing("empty"), Listing("broken", "lamp", b"no photo")]
    embedded = tiny_trained.embedder.embed(rows)
    evidence = tiny_trained.evidence(embedded, tiny_trained.views(embedded))
    decisions = tiny_trained.policy.decisions(evidence)
    assert decisions == [v.decision for v in tiny_trained.predict(rows)]
    assert {"accept", "rejected"} <= set(decisions)


def test_predict_says_what_could_be_better_about_a_photo(
    tiny_trained: ListingPipeline, listings: list[Listing]
) -> None:
    rows = [*listings, Listing("broken", title="lamp", image=b"no photo")]
    verdicts = tiny_trained.predict(rows)
    small = ["low_resolution" in {f.flag for f in v.quality} for v in verdicts]  # 48 pixels
    assert small == [x.image is not None and x.listing_id != "broken" for x in rows]
    without = tiny_trained.predict(rows, quality=False)
    assert without == [v.model_copy(update={"quality": ()}) for v in verdicts]


def test_verdict_survives_json(tiny_trained: ListingPipeline, listings: list[Listing]) -> None:
    for verdict in tiny_trained.predict([*listings, Listing("empty")]):
        assert Verdict.model_validate_json(verdict.model_dump_json()) == verdict
        assert Verdict.model_validate(json.loads(json.dumps(verdict.model_dump()))) == verdict


def test_loaded_pipeline_gives_the_same_verdicts(
    tiny_trained: ListingPipeline,
    listings: list[Listing],
    fake_embedder: Callable[..., Embedder],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(persistence, "load_embedder", lambda *_, **__: fake_embedder())
    saved = tiny_trained.save(tmp_path / "shop")
    loaded = ListingPipeline.load(tmp_path / "shop")
    assert saved.version == loaded.version != ""
    assert loaded.facts == tiny_trained.facts
    some = listings[::3]
    before, after = saved.predict(some), loaded.predict(some)
    for one, other in zip(before, after, strict=True):
        assert one.model_version == other.model_version == loaded.version
        assert one.probability == pytest.approx(other.probability, abs=1e-5)
        assert (one.category, one.decision, one.route, set(one.views)) == (
            other.category, other.decision, other.route, set(other.views)
        )  # fmt: skip


@pytest.mark.parametrize("duplicates", [True, False])
def test_predict_searches_each_space_of_the_index_once_a_batch(
    tiny_trained: ListingPipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, duplicates: bool
) -> None:
    saved = tiny_trained.save(tmp_path / "bundle")
    listings = list(tiny_trained.catalog.listings[:12])
    asked = [replace(listing, listing_id=f"new-{n}") for n, listing in enumerate(listings)]
    searches: list[tuple[str, int]] = []
    nearest_in = Snapshot.nearest_in

    def counted(self: Snapshot, space: str, view: View, k: int) -> Hits:
        searches.append((space, len(view.present)))
        return nearest_in(self, space, view, k)

    monkeypatch.setattr(Snapshot, "nearest_in", counted)
    verdicts = saved.predict(asked, duplicates=duplicates)
    assert sorted(searches) == [("photo", 12), ("title", 12)]
    originals = [{listing.listing_id} for listing in listings]
    assert [{v.neighbours[0].listing_id} for v in verdicts] == originals
    found = [{twin.listing_id for twin in v.duplicates} for v in verdicts]
    assert [ids >= own for ids, own in zip(found, originals, strict=True)] == [duplicates] * 12
    searches.clear()
    monkeypatch.setattr("shelfsure.pipeline.pipeline.BLOCK", 5)
    assert saved.predict(asked, duplicates=duplicates) == verdicts
    assert sorted(searches) == [(space, n) for space in ("photo", "title") for n in (2, 5, 5)]


def test_load_still_takes_keywords_and_says_that_they_go(
    tiny_trained: ListingPipeline, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pipeline = tiny_trained.save(tmp_path / "shop")

    def load(config: Config, options: RunOptions) -> Embedder:
        return replace(pipeline.embedder, options=options)

    monkeypatch.setattr(persistence, "load_embedder", load)
    cache = EmbeddingCache(tmp_path)
    with pytest.warns(DeprecationWarning, match=r"RunOptions\(device=\.\.\., cache=\.\.\., limits"):
        old = ListingPipeline.load(tmp_path / "shop", device="cpu", cache=cache, limits=None)
    new = ListingPipeline.load(tmp_path / "shop", RunOptions(device="cpu", cache=cache))
    assert old.embedder.options == new.embedder.options
    with pytest.warns(match="devise"), pytest.raises(TypeError, match="devise"):
        ListingPipeline.load(tmp_path / "shop", devise="cpu")


def test_fit_loads_the_encoders_with_the_options(
    tiny_folder: Path,
    tiny_config: Config,
    fake_embedder: Callable[..., Embedder],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def load(config: Config, options: RunOptions) -> Embedder:
        return replace(fake_embedder(), options=options)

    monkeypatch.setattr("shelfsure.pipeline.pipeline.load_embedder", load)
    catalog = read_catalog(tiny_folder / "catalogue.csv", need_category=True)
    options = RunOptions(device="cpu", precision="bfloat16")
    fitted = ListingPipeline.fit(catalog, tiny_config, options)
    assert fitted.embedder.options == options
    assert {fitted.config.image.precision, fitted.config.text.precision} == {"bfloat16"}
    with pytest.raises(ValueError, match="not both"):
        ListingPipeline.fit(catalog, tiny_config, options, embedder=fake_embedder())
