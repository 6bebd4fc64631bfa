"""One verdict on a pair of listings, from photo and title together."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from ...catalog.listing import Listing
from .alignment import IDENTITY, Alignment
from .title_match import Difference

Verdict: TypeAlias = Literal["same_photo", "same_product", "variant", "different"]
PhotoRelation: TypeAlias = Literal[
    "same_bytes", "same_pixels", "copy", "recoloured", "other", "absent"
]

# Below this cosine two titles speak of different things; between titles of one product that two
# sellers worded it is rarely lower.
RELATED_TITLES = 0.5


@dataclass(frozen=True, slots=True)
class PhotoFinding:
    """What comparing two photos has shown.

    Parameters
    ----------
    relation
        ``copy``: one is an edited copy of the other; ``recoloured``: it would be, but for colours;
        ``absent``: one listing has no photo, so nothing was compared.
    probability
        That one is a copy of the other, 0 to 1; 0 where a photo is absent.
    similarity
        Cosine of the photos' vectors; larger = closer.
    agreeing_fraction
        Share of the detail that agrees where the photos overlap, 0 to 1.
    alignment
        Where photo a lies in photo b.
    """

    relation: PhotoRelation
    probability: float
    similarity: float
    agreeing_fraction: float = 1.0
    alignment: Alignment = IDENTITY


@dataclass(frozen=True, slots=True)
class DuplicatePair:
    """Two listings and the verdict on them.

    Parameters
    ----------
    a, b
        The listings; with `against`, `b` is the one that was there before.
    verdict
        ``same_photo`` (bytes or pixels are identical), ``same_product`` (an edited copy, or no
        photo and all that is written the same), ``variant`` (the same photo or design, but the
        catalogue's columns or the titles name another size, colour, pack, model or whatever else,
        or too little is known to say), ``different``.
    photo
        What the photos showed.
    title_similarity
        Cosine of the titles' vectors, larger = closer; ``None`` where a title is missing.
    differences
        What the titles, and the catalogue's columns, disagree on.
    extra_words
        What one title adds to the other.
    photos
        The number of the photo that tells, among those of each; 1 and 1 for the main ones.
    """

    a: Listing
    b: Listing
    verdict: Verdict
    photo: PhotoFinding
    title_similarity: float | None
    differences: tuple[Difference, ...]
    extra_words: tuple[str, ...] = ()
    photos: tuple[int, int] = (1, 1)

    @property
    def mergeable(self) -> bool:
        """Whether the two may become one: the same photo under unrelated titles may not."""
        return self.verdict in {"same_photo", "same_product"} and titles_related(
            self.title_similarity
        )

    @property
    def evidence(self) -> str:
        """The reasons in words."""
        photo = self.photo
        reasons = [
            {
                "same_bytes": "the photo files are identical",
                "same_pixels": "the photos are identical pixel by pixel",
                "copy": f"the photos agree in {photo.agreeing_fraction:.0%} of their detail",
                "recoloured": "the photos agree but for their colours",
                "other": f"the photos agree in {photo.agreeing_fraction:.0%} of their detail",
                "absent": "there are no two photos to compare; the titles say the same",
            }[photo.relation]
        ]
        reasons += ["one is mirrored"] if photo.alignment.mirrored else []
        reasons += [
            f"{difference.source} differ in {difference}" for difference in self.differences
        ]
        if self.verdict == "variant" and not self.differences:
            reasons.append("too little else is known to merge them")
        if self.extra_words and not self.differences:
            reasons.append(f"one title adds {' '.join(self.extra_words)}")
        if not titles_related(self.title_similarity):
            reasons.append("the titles have little in common")
        one, other = self.photos
        which = f"photo {one}, and photo {other} of {self.b.listing_id}: "
        return (which if self.photos != (1, 1) else "") + "; ".join(reasons)


def titles_related(title_similarity: float | None) -> bool:
    """Tell whether two titles may speak of one product; a missing one doesn't speak against it."""
    return title_similarity is None or title_similarity >= RELATED_TITLES


def judge(
    relation: PhotoRelation,
    differences: Sequence[Difference],
    title_similarity: float | None,
    *,
    doubted: bool = False,
) -> Verdict:
    """Decide on a pair. Words have a veto, no vote: they turn a duplicate into a variant.

    Between unrelated titles a differing number means nothing, so there the photo decides alone
    (and `DuplicatePair.mergeable` keeps the pair out of groups); what columns say always counts.

    Parameters
    ----------
    relation, differences
        What the photos showed, and what columns and titles disagree on.
    title_similarity
        Cosine of the titles' vectors; ``None`` where one is missing.
    doubted
        What is written leaves room for another product, and the photos aren't clear enough.
    """
    if relation == "other":
        return "different"
    related = titles_related(title_similarity)
    if relation == "recoloured" and not (differences and related):
        return "different"
    if any(related or difference.certain for difference in differences):
        return "variant"
    if doubted and not related:
        return "different"
    if doubted:
        return "variant"
    return "same_product" if relation in {"copy", "absent"} else "same_photo"
