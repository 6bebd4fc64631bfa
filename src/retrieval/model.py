"""What a bundle remembers of its catalogue: who belongs, who is near, what else there is."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from ..catalog.listing import SEPARATOR, Listing, category_levels
from ..core.arrays import Floats, Ints, widened
from ..core.errors import BundleFingerprintError, ConfigError
from ..embedding.embedder import Embedded, Embedder
from ..fusion.views import View, Views
from .duplicates.find import find_duplicates
from .duplicates.pair_model import PairModel
from .duplicates.shelf import Shelf
from .duplicates.verdict import DuplicatePair
from .index.batch import Batch
from .index.records import records_of
from .index.store import ListingIndex, Neighbour
from .ood.detector import OODDetector
from .zero_shot.classifier import ZeroShot
from .zero_shot.image_text_space import ImageTextSpace
from .zero_shot.load_space import fingerprints, load_space, space_embedder

N_CANDIDATES = 10
N_COMPARED = 3
"""Catalogue photos that an upload's photo is compared with closely: some 10 ms each."""
MEMORY = "memory.json"
INDEX = "index"
WRITER_FILES = (".lock", ".writer.pid")


@dataclass(frozen=True)
class RetrievalModel:
    """Gate, index and zero-shot categories, as `training` makes and a bundle keeps them.

    Parameters
    ----------
    ood_detector
        None where the catalogue was too small for one.
    shelf
        The training listings before the bundle is saved; `save` makes the index of them.
    index
        The training listings as a bundle keeps them; None if it keeps none.
    zero_shot
        Every category of the taxonomy, with and without a trained expert; None without `space`.
    space
        None if the backbone knows no class names (and no CLIP model is configured).
    joint_embedder
        The joint space's own encoders, where they aren't the pipeline's (CLIP).
    """

    ood_detector: OODDetector | None
    zero_shot: ZeroShot | None
    space: ImageTextSpace | None
    pair_model: PairModel
    shelf: Shelf | None = None
    index: ListingIndex | None = None
    space_embedder: Embedder | None = None

    def save(self, folder: Path, fingerprints: Mapping[str, str]) -> None:
        """Write arrays as safetensors, the rest as JSON, and the index as a folder of its own."""
        arrays: dict[str, Any] = {}
        document: dict[str, Any] = {}
        parts: Mapping[str, OODDetector | ZeroShot | None] = {
            "gate": self.ood_detector,
            "zero_shot": self.zero_shot,
        }
        for name, part in parts.items():
            if part is not None:
                own, document[name] = part.to_parts()
                arrays |= {f"{name}|{key}": np.ascontiguousarray(a) for key, a in own.items()}
        if self.space is not None:
            document["joint"] = self.space.fingerprint
            arrays["vocabulary"] = np.ascontiguousarray(self.space.vocabulary, dtype=np.float32)
        save_file(arrays, folder / "memory.safetensors")
        text = json.dumps(document, ensure_ascii=False, allow_nan=False)
        (folder / MEMORY).write_text(text, encoding="utf-8")
        self.pair_model.save(folder / "duplicates.json")
        if self.shelf is not None:
            spaces = {"photo": self.shelf.photo, "title": self.shelf.title}
            ListingIndex.build(
                folder / INDEX,
                records_of(self.shelf.listings, self.shelf.photo_hashes),
                {name: view for name, view in spaces.items() if view and view.present.any()},
                {"photo": fingerprints["photo"], "title": fingerprints["text"]},
            )
        elif self.index is not None:
            shutil.copytree(self.index.folder, folder / INDEX)
        for name in WRITER_FILES:  # what only a writer needs isn't part of a bundle
            (folder / INDEX / name).unlink(missing_ok=True)

    def reopened(self, folder: Path) -> "RetrievalModel":
        """Use the index that `save` wrote."""
        there = (folder / INDEX).is_dir()
        index = ListingIndex.open(folder / INDEX) if there else None
        return replace(self, shelf=None, index=index)

    @classmethod
    def load(
        cls, folder: Path, embedder: Embedder, image_text_space: str, device: str
    ) -> "RetrievalModel":
        """Read what `save` wrote, and the index beside it, if there is one."""
        arrays = widened(load_file(folder / "memory.safetensors"))
        document = json.loads((folder / MEMORY).read_text(encoding="utf-8"))

        def own(name: str) -> dict[str, Any]:
            prefix = f"{name}|"
            return {k.removeprefix(prefix): a for k, a in arrays.items() if k.startswith(prefix)}

        space: ImageTextSpace | None = None
        zero_shot = None
        if "zero_shot" in document:
            zero_shot = ZeroShot.from_parts(own("zero_shot"), document["zero_shot"])
            space = load_space(image_text_space, embedder, device, vocabulary=arrays["vocabulary"])
            fitted, found = document.get("joint", "none"), space.fingerprint if space else "none"
            if found != fitted:
                raise BundleFingerprintError(
                    f"Bundle {folder} was fitted on the image-text space {fitted[:8]}…, but "
                    f"{image_text_space} loads {found[:8]}…. Retrain, or install the weights that "
                    "it was fitted on."
                )
        ood_detector = None
        if "gate" in document:
            ood_detector = OODDetector.from_parts(own("gate"), document["gate"])
        index = None
        if (folder / INDEX).is_dir():
            index = ListingIndex.open(folder / INDEX, fingerprints(embedder))
        pair_model = PairModel.load(folder / "duplicates.json")
        clip = space_embedder(space, embedder)
        return cls(ood_detector, zero_shot, space, pair_model, index=index, space_embedder=clip)

    def with_zero_shot(self, zero_shot: ZeroShot) -> "RetrievalModel":
        """Know these categories by name."""
        return replace(self, zero_shot=zero_shot)

    def with_categories(self, names: Sequence[str]) -> "RetrievalModel":
        """Know more categories by name alone; those that are known already stay as they are.

        Raises
        ------
        ConfigError
            If a name is blank, or there is no zero-shot fallback.
        """
        paths = [SEPARATOR.join(category_levels(name)) for name in names]
        if not all(paths):
            raise ConfigError(f"A category must have a name, got {list(names)}.")
        if self.zero_shot is None or self.space is None:
            raise ConfigError(
                "This bundle can't know categories by name: its photo encoder has no class names. "
                "Train with the starter encoder, or set retrieval.image_text_space to a CLIP model."
            )
        new = [path for path in dict.fromkeys(paths) if path not in self.names]
        return self.with_zero_shot(self.zero_shot.extended(new, None, self.space)) if new else self

    def p_values(self, views: Views, predicted: Ints) -> Floats:
        """Tell how ordinary listings are, 0 (strange) to 1; NaN without a gate or a known view.

        Parameters
        ----------
        predicted
            Shape ``(n,)``, the column of the category each listing is taken for.
        """
        if self.ood_detector is None:
            return np.full(len(predicted), np.nan)
        known = [view.present for name, view in views.items() if name in self.ood_detector.scorers]
        p_values = self.ood_detector.p_values(dense(views), predicted)
        return np.where(np.any(known, axis=0), p_values, np.nan)

    def in_text_space(
        self, embedded: Embedded, listings: Sequence[Listing]
    ) -> tuple[Floats, Floats]:
        """Photos and titles as the zero-shot categories see them, shape ``(n, d)`` each."""
        if self.space is None:
            raise ConfigError("Zero-shot needs a joint image-text space, but this bundle has none.")
        photos, titles = embedded.photo.features, embedded.title.features
        if self.space_embedder is not None:
            own = self.space_embedder.embed(listings, description=False)
            photos, titles = own.photo.features, own.title.features
        return self.space.to_text_space(np.asarray(photos)), np.asarray(titles)

    def unseen(
        self, embedded: Embedded, listings: Sequence[Listing], trained: Sequence[str]
    ) -> list[tuple[str, float] | None]:
        """Name the likeliest category without a trained expert, and its probability among all."""
        others = [i for i, n in enumerate(self.names) if n not in set(trained)]
        if self.zero_shot is None or not others:
            return [None for _ in listings]
        probabilities = self.zero_shot.classify(*self.in_text_space(embedded, listings))
        best = np.array(others)[probabilities[:, others].argmax(axis=1)]
        return [(self.names[i], float(probabilities[row, i])) for row, i in enumerate(best)]

    @property
    def names(self) -> tuple[str, ...]:
        """The taxonomy: categories with and without a trained expert."""
        return self.zero_shot.names if self.zero_shot else ()

    def neighbours(self, embedded: Embedded, listings: Sequence[Listing]) -> list[list[Neighbour]]:
        """Find the nearest catalogue listings of each, itself left out."""
        if self.index is None:
            return [[] for _ in listings]
        known = self.index.info().spaces
        queries = {"photo": embedded.photo, "title": embedded.title}
        found = self.index.search(
            {space: view for space, view in queries.items() if space in known}, N_CANDIDATES
        )
        return [
            [near for near in row if near.listing_id != listing.listing_id]
            for row, listing in zip(found, listings, strict=True)
        ]

    def duplicates(
        self, embedded: Embedded, listings: Sequence[Listing], embedder: Embedder
    ) -> dict[int, list[DuplicatePair]]:
        """Compare listings closely with the catalogue photos that look most like theirs.

        A catalogue photo that is gone from the disk is known by its bytes' hash only.

        Returns
        -------
        dict
            Row -> its duplicates and variants, the surest first; rows without any are left out.
        """
        if self.index is None or "photo" not in self.index.info().spaces:
            return {}
        found = self.index.search({"photo": embedded.photo}, N_CANDIDATES)
        close = {
            near.listing_id
            for row in found
            for near in row
            if near.similarity >= self.pair_model.min_similarity
        }
        # ids that no catalogue listing can have
        own = [Listing(f"\0{row}", item.title, item.image) for row, item in enumerate(listings)]
        usable = [row for row in range(len(own)) if row not in embedded.problems]
        if not close or not usable:
            return {}
        result = find_duplicates(
            Shelf.of([own[row] for row in usable], embedded.take(usable)),
            model=self.pair_model,
            against=shelf_of(self.index.take(sorted(close))),
            n_neighbours=N_COMPARED,
            limits=embedder.limits,
        )
        pairs: dict[int, list[DuplicatePair]] = {}
        for pair in result.pairs:
            row = int(pair.a.listing_id[1:])
            if pair.b.listing_id != listings[row].listing_id:
                pairs.setdefault(row, []).append(pair)
        return pairs


def dense(views: Views) -> dict[str, View]:
    """Keep the views that the gate uses."""
    return {name: view for name, view in views.items() if isinstance(view.features, np.ndarray)}


def index_shelf(index: ListingIndex) -> Shelf:
    """Take an index's listings down to compare others with them closely."""
    return shelf_of(index.contents())


def shelf_of(held: Batch) -> Shelf:
    """Give listings from an index as the duplicate search sees them."""
    listings = [Listing(r.listing_id, r.title, r.image, category=r.category) for r in held.records]
    nothing = View(np.zeros((len(listings), 1), np.float32), np.zeros(len(listings), bool))
    return Shelf(
        listings,
        held.views.get("photo", nothing),
        [record.photo_hash for record in held.records],
        held.views.get("title"),
    )
