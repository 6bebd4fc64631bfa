"""A pool of three experts whose answers are known, so that every coalition's is."""

from itertools import permutations

import numpy as np
import pytest
from scipy.special import log_softmax
from shelfsure.fusion.alternatives import Concatenation
from shelfsure.fusion.classifier import LateFusion
from shelfsure.fusion.heads import FLOOR, LinearHead
from shelfsure.fusion.parts_game import PartsGame, log_odds
from shelfsure.fusion.views import View, Views, all_patterns, restrict

PARTS = ("photo", "title", "description")


def expert(rng: np.random.Generator) -> LinearHead:
    coefficients = rng.normal(size=(4, 6)).astype(np.float32)
    return LinearHead(coefficients, rng.normal(size=4).astype(np.float32))


def listing(rng: np.random.Generator, *there: str) -> dict[str, View]:
    names = {"photo": "photo", "title": "title_tfidf", "description": "description_tfidf"}
    return {
        name: View(rng.normal(size=(1, 6)).astype(np.float32), np.array([part in there]))
        for part, name in names.items()
    }


@pytest.fixture
def fusion(rng: np.random.Generator) -> LateFusion:
    heads = {name: expert(rng) for name in listing(rng)}
    patterns = all_patterns(heads)
    weights = {
        pattern: {n: float(rng.uniform(0.3, 1.2)) for n in restrict(heads, pattern)}  # type: ignore[arg-type]
        for pattern in patterns
    }
    return LateFusion(heads, weights, log_softmax(rng.normal(size=4)).astype(np.float32))


def answer(fusion: LateFusion, views: Views, parts: set[str], column: int) -> float:
    """One coalition's log-odds, as a listing that has just these parts would get."""
    shown = {n: View(v.features, v.present & (n.split("_")[0] in parts)) for n, v in views.items()}
    return float(log_odds(fusion.log_probabilities(shown), column)[0])


def test_values_are_the_mean_over_all_orders_and_sum_to_the_answer(
    fusion: LateFusion, rng: np.random.Generator
) -> None:
    views = listing(rng, *PARTS)
    for column in range(4):
        game = PartsGame.of(fusion, views, column)
        expected = dict.fromkeys(PARTS, 0.0)
        for order in permutations(PARTS):
            for place, part in enumerate(order):
                before, after = set(order[:place]), set(order[: place + 1])
                gain = answer(fusion, views, after, column) - answer(fusion, views, before, column)
                expected[part] += gain / 6
        assert game.values() == pytest.approx(expected, abs=1e-6)
        whole = float(log_odds(fusion.log_probabilities(views), column)[0])
        assert sum(game.values().values()) + game.worth[frozenset()] == pytest.approx(
            whole, abs=1e-9
        )
        assert sum(game.dividends().values()) == pytest.approx(sum(game.values().values()))


def test_nobodys_worth_is_the_share_of_the_training_listings(
    fusion: LateFusion, rng: np.random.Generator
) -> None:
    share = np.exp(float(fusion.log_prior[2]))
    game = PartsGame.of(fusion, listing(rng, *PARTS), 2)
    assert game.worth[frozenset()] == pytest.approx(np.log(share / (1 - share)), abs=1e-5)


@pytest.mark.parametrize("there", [("title",), ("photo", "description"), ()])
def test_a_part_that_is_missing_is_no_player(
    there: tuple[str, ...], fusion: LateFusion, rng: np.random.Generator
) -> None:
    game = PartsGame.of(fusion, listing(rng, *there), 1)
    assert game.players == [part for part in PARTS if part in there]
    assert len(game.worth) == 2 ** len(there)


def test_parts_that_say_the_same_get_the_same(rng: np.random.Generator) -> None:
    head = expert(rng)
    same = View(rng.normal(size=(1, 6)).astype(np.float32), np.array([True]))
    fusion = LateFusion({"photo": head, "title_tfidf": head}, {}, np.log(np.full(4, 0.25)))
    values = PartsGame.of(fusion, {"photo": same, "title_tfidf": same}, 0).values()
    assert values["photo"] == pytest.approx(values["title"], abs=1e-9)


def test_a_part_without_an_expert_is_worth_nothing(
    fusion: LateFusion, rng: np.random.Generator
) -> None:
    del fusion.heads["description_tfidf"]  # type: ignore[attr-defined]
    values = PartsGame.of(fusion, listing(rng, *PARTS), 0).values()
    assert values["description"] == 0
    assert abs(values["photo"]) > 0.01


def test_experts_that_are_multiplied_are_worth_what_they_say() -> None:
    """Two categories, equal shares, weights of 1: log-odds add up, so values are the terms."""
    photo, title = 1.5, -0.4
    heads = {
        "photo": LinearHead(np.array([[photo], [0.0]], np.float32), np.zeros(2, np.float32)),
        "title_tfidf": LinearHead(np.array([[title], [0.0]], np.float32), np.zeros(2, np.float32)),
    }
    weights = {
        pattern: dict.fromkeys(restrict(heads, pattern), 1.0) for pattern in all_patterns(heads)
    }  # type: ignore[arg-type]
    one = View(np.ones((1, 1), np.float32), np.array([True]))
    fusion = LateFusion(heads, weights, np.log(np.full(2, 0.5)).astype(np.float32))
    game = PartsGame.of(fusion, {"photo": one, "title_tfidf": one}, 0)
    assert game.values() == pytest.approx({"photo": photo, "title": title}, abs=3 * FLOOR)
    assert game.dividends()[frozenset({"photo", "title"})] == pytest.approx(0, abs=1e-6)


def test_gains_are_the_parts_value_for_itself_and_0_for_nothing(
    fusion: LateFusion, rng: np.random.Generator
) -> None:
    views = listing(rng, *PARTS)
    game = PartsGame.of(fusion, views, 3)
    for part, name in zip(PARTS, views, strict=True):
        features = np.repeat(views[name].features, 3, axis=0)
        features[2] = 0.5
        variants = {name: View(features, np.array([True, False, True]))}
        gains = game.gains(part, variants)
        assert gains[:2] == pytest.approx([game.values()[part], 0.0], abs=1e-5)
        other = PartsGame.of(fusion, {**views, name: variants[name].take([2])}, 3)
        assert gains[2] == pytest.approx(other.values()[part], abs=1e-5)


def test_another_way_of_fusing_has_a_game_too(rng: np.random.Generator) -> None:
    widths = dict.fromkeys(listing(rng), 6)
    head = LinearHead(rng.normal(size=(4, 18)).astype(np.float32), np.zeros(4, np.float32))
    fusion = Concatenation({"joint": head}, widths, np.log(np.full(4, 0.25)).astype(np.float32))
    views = listing(rng, *PARTS)
    game = PartsGame.of(fusion, views, 0)
    assert game.worth[frozenset()] == pytest.approx(np.log(1 / 3), abs=1e-6)
    whole = float(log_odds(fusion.log_probabilities(views), 0)[0])
    assert game.worth[frozenset(PARTS)] == pytest.approx(whole, abs=1e-9)
