"""From arrays to verdicts: one listing's evidence, weighed and put into words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from ..core.arrays import Floats, largest
from ..embedding.listings import EmbeddedListings
from ..fusion.accept_rule import AcceptRule, Examples, Rules
from ..fusion.calibration import entropy
from ..fusion.hierarchy import ancestors, depth, sum_by_parent
from ..fusion.views import PHOTO, TITLE, Modalities
from ..retrieval.result import RetrievalResult
from .reasons import explain
from .several_photos import further_answers, n_photos, say_photos
from .verdict import (
    Decision,
    Duplicate,
    Guess,
    NearListing,
    PhotoGuess,
    Route,
    Verdict,
)

TOP_K = 5
UNLIKE_ALPHA = 0.02
"""Up to this share of the catalogue's own listings hear that photo and title are unlike."""
N_NEIGHBOURS = 5
SURE_ALONE = 0.9
"""How sure photo and title must each be to contradict each other, where no rule was fitted."""
ZERO_SHOT_SHARE = 0.5
"""From this probability on, a category without a trained expert takes the answer."""


@dataclass(frozen=True)
class Predictions:
    """The arrays behind the verdicts of n listings.

    Parameters
    ----------
    probabilities
        Shape ``(n, n_categories)``.
    by_modality
        Modality -> shape ``(n, n_categories)``, what it alone says.
    present
        The modalities of each listing.
    """

    probabilities: Floats
    by_modality: Mapping[str, Floats]
    present: Sequence[Modalities]

    @property
    def uncertainty(self) -> Floats:
        """Entropy of each answer, in nats; shape ``(n,)``."""
        return entropy(self.probabilities)


@dataclass(frozen=True)
class Evidence:
    """All that is known of n listings before it is weighed.

    Parameters
    ----------
    retrieved
        What the catalogue says of each.
    further
        Shape ``(m, n_categories)``: what the photo alone says, of each in `embedded.further`; None
        without such photos, or where photos weren't learned from.
    """

    embedded: EmbeddedListings
    predictions: Predictions
    retrieved: Sequence[RetrievalResult]
    further: Floats | None = None

    def __len__(self) -> int:
        return len(self.retrieved)


class Outcome(NamedTuple):
    """What is decided of a listing, and the answer that it is about."""

    decision: Decision
    route: Route
    best: Guess


@dataclass(frozen=True)
class DecisionPolicy:
    """Decides; knows the categories, the accept rules and the name of the bundle they are from.

    Parameters
    ----------
    examples
        Behind each category; None: enough behind all of them.
    category_ids
        Category path -> its id.
    """

    class_names: tuple[str, ...]
    rules: Rules
    version: str = ""
    examples: Examples | None = None
    category_ids: Mapping[str, str] = field(default_factory=dict)

    def decisions(self, evidence: Evidence) -> list[Decision]:
        """Decide about each listing; `verdict` says the same with all that belongs to it."""
        return [
            "rejected" if self._problem(evidence, row) else self._decide(evidence, row).decision
            for row in range(len(evidence))
        ]

    def accepts(self, predictions: Predictions, row: int) -> bool:
        """Tell whether the fused answer is sure enough, and photo and title don't contradict.

        And whether enough examples stand behind it.
        """
        return (
            self._sure(predictions, row)
            and not self.mismatch(predictions, row)
            and self._enough(predictions, row)
        )

    def mismatch(self, predictions: Predictions, row: int) -> bool:
        """Tell whether photo and title are each sure of another category."""
        if not predictions.present[row] >= {PHOTO, TITLE}:
            return False
        answers = [predictions.by_modality[part][row] for part in (PHOTO, TITLE)]
        if answers[0].argmax() == answers[1].argmax():
            return False
        return all(
            answer.max() >= self._sure_alone(part)
            for part, answer in zip((PHOTO, TITLE), answers, strict=True)
        )

    def _problem(self, evidence: Evidence, row: int) -> str | None:
        """Say why a listing can't be judged."""
        if row in evidence.embedded.problems:
            return evidence.embedded.problems[row]
        if not evidence.predictions.present[row] & {PHOTO, TITLE}:
            needed = [part for part in (PHOTO, TITLE) if part in self.rules.modalities]
            return f"A listing needs a {' or a '.join(needed)}, but has none. Add one."
        return None

    def _decide(self, evidence: Evidence, row: int) -> Outcome:
        predictions, around = evidence.predictions, evidence.retrieved[row]
        there = any(pair.mergeable for pair in around.duplicates)
        refused = around.refused and not there  # what is in the catalogue belongs there
        accepted = self.accepts(predictions, row)
        best = self.guesses(predictions.probabilities[row], 1)[0]
        takes_over = refused or (not accepted and best.probability < ZERO_SHOT_SHARE)
        if around.unseen and takes_over:
            name, probability = around.unseen
            unseen = Guess(category=name, probability=round(probability, 6))
            if unseen.probability >= ZERO_SHOT_SHARE:
                return Outcome("review", "zero_shot", unseen)
        decision = _decision(accepted and not there, refused)
        return Outcome(decision, _route(predictions.present[row]), best)

    def verdict(self, evidence: Evidence, row: int) -> Verdict:
        """Weigh one listing's evidence."""
        listing_id = evidence.embedded.listings[row].listing_id
        if problem := self._problem(evidence, row):
            rejected = Verdict.rejected(listing_id, problem, self.version)
            return rejected.model_copy(update={"quality": evidence.embedded.flags(row)})
        predictions, around = evidence.predictions, evidence.retrieved[row]
        present, probabilities = predictions.present[row], predictions.probabilities[row]
        rules = self.rules.for_pattern(present)
        top = self.guesses(probabilities, TOP_K)
        mismatch = self.mismatch(predictions, row)
        decision, route, best = self._decide(evidence, row)
        views = {
            part: self.guesses(alone[row], 1)[0]
            for part, alone in predictions.by_modality.items()
            if part in present
        }
        sure_of = self._sure_parent(probabilities, rules) if decision == "review" else None
        sure_of = sure_of if route != "zero_shot" else None
        further = tuple(
            PhotoGuess(photo=number, **self.guesses(alone, 1)[0].model_dump())
            for number, alone in further_answers(evidence.embedded, evidence.further, row)
        )
        duplicates = tuple(
            Duplicate(
                listing_id=pair.b.listing_id,
                verdict=pair.verdict,
                probability=round(pair.photo.probability, 4),
                evidence=pair.evidence,
                mergeable=pair.mergeable,
            )
            for pair in around.duplicates
        )
        verdict = Verdict(
            listing_id=listing_id,
            category=best.category,
            category_id=self.category_ids.get(best.category),
            probability=best.probability,
            decision=decision,
            route=route,
            top_k=top,
            sure_of=sure_of,
            n_examples=self._n_examples(best),
            views=views,
            ood_p_value=None if np.isnan(around.p_value) else round(around.p_value, 6),
            mismatch=mismatch,
            n_photos=n_photos(evidence.embedded, row),
            further_photos=further,
            neighbours=tuple(
                NearListing(
                    listing_id=near.listing_id,
                    similarity=round(near.similarity, 4),
                    title=near.title,
                    category=near.category,
                )
                for near in around.neighbours[:N_NEIGHBOURS]
            ),
            duplicates=duplicates,
            reasons=(
                *explain(
                    best,
                    top[0],
                    views,
                    rules,
                    sure=self._sure(predictions, row),
                    mismatch=mismatch,
                    few=None if self._enough(predictions, row) else self._n_examples(top[0]),
                    strange=around.p_value if around.refused else None,
                    original=next((copy for copy in duplicates if copy.mergeable), None),
                    sure_of=sure_of,
                ),
                *say_photos(evidence.embedded.listings[row], views.get(PHOTO), further),
            ),
            quality=evidence.embedded.flags(row),
            model_version=self.version,
        )
        if around.pair_p_value <= UNLIKE_ALPHA and not mismatch:
            verdict = verdict.with_unlike_photo()
        why = evidence.embedded.left_out.get(row)
        return verdict.without_photo(why) if why else verdict

    def guesses(self, probabilities: Floats, k: int) -> tuple[Guess, ...]:
        """Name the `k` likeliest categories, most probable first."""
        return tuple(
            Guess(category=self.class_names[i], probability=round(float(probabilities[i]), 6))
            for i in largest(probabilities, k)
        )

    def _sure(self, predictions: Predictions, row: int) -> bool:
        rules = self.rules.for_pattern(predictions.present[row])
        return bool(rules and rules[-1].accepts(predictions.probabilities[row].max()))

    def _enough(self, predictions: Predictions, row: int) -> bool:
        best = predictions.probabilities[row].argmax()
        return self.examples is None or bool(self.examples.enough(best))

    def _n_examples(self, guess: Guess) -> int | None:
        """Count the training listings of a category; 0 where it is known by name only."""
        if self.examples is None:
            return None
        column = self._column.get(guess.category)
        return 0 if column is None else int(self.examples.counts[column])

    @cached_property
    def _column(self) -> Mapping[str, int]:
        return {name: column for column, name in enumerate(self.class_names)}

    def _sure_alone(self, part: str) -> float:
        rules = self.rules.for_pattern(frozenset({part}))
        return rules[-1].threshold if rules and rules[-1].threshold <= 1 else SURE_ALONE

    def _sure_parent(self, probabilities: Floats, rules: Sequence[AcceptRule]) -> Guess | None:
        """Back off to the deepest parent whose summed probability passes its own rule."""
        for level in range(min(len(rules), depth(self.class_names)) - 1, 0, -1):
            parents, places = ancestors(self.class_names, level)
            summed = sum_by_parent(probabilities[None], places, len(parents))[0]
            best = int(summed.argmax())
            examples = self.examples and self.examples.of_parents(places, len(parents))
            enough = examples is None or bool(examples.enough(np.array(best)))
            if enough and rules[level - 1].accepts(summed[best]):
                return Guess(category=parents[best], probability=round(float(summed[best]), 6))
        return None


def _route(present: Modalities) -> Route:
    if PHOTO not in present:
        return "text_only"
    return "image_only" if present == {PHOTO} else "fusion"


def _decision(accepted: bool, refused: bool) -> Decision:
    if refused:
        return "out_of_catalogue"
    return "accept" if accepted else "review"
