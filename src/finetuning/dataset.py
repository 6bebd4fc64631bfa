"""What a run needs before its first step: photos, labels, parts, and a head to start from."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from ..catalog.catalog import Catalog
from ..catalog.listing import Listing
from ..catalog.splits import group_folds, split_indices
from ..core.arrays import Floats, Ints
from ..core.errors import TrainingError
from ..core.files import atomic_path
from ..embedding.further_photos import hash_further_photos
from ..embedding.grouping import group_listings
from ..embedding.run_options import ResolvedOptions
from ..fusion.views import View
from ..vision.load import PhotoLimits, photo_bytes
from .backbones import Backbone, build_backbone
from .config import FinetuneConfig
from .features import pooled_features, start_head
from .image_store import Framing, ImageStore, open_squares, prepare_squares
from .loss import balance
from .state import RunState
from .taxonomy import OUTSIDE, Taxonomy, find_leaves
from .title_distillation import load_titles, save_titles

FEATURES, HEAD = "frozen.safetensors", "head.safetensors"
SESSIONS = "sessions"
PHOTOS, TRAINING, HELD_OUT, PARTS = "photos", "train", "held_out", "parts"


@dataclass(frozen=True)
class Prepared:
    """Everything that is known of the photos, and which of them one encoder learns from.

    Parameters
    ----------
    squares
        All photos: the catalogue's, then those outside of it.
    labels
        Shape ``(n,)``, leaves; -1 for photos that nothing is learned from.
    training, held_out
        Rows.
    titles
        Shape ``(n, d)``, unit vectors, zeros where there is none; None if they aren't learned from.
    hashes
        sha256 of each photo's bytes.
    catalog
        With unusable photos set aside.
    sessions
        sha256 -> group, where more than duplicates were kept together.
    """

    squares: ImageStore
    taxonomy: Taxonomy
    labels: Ints
    training: Ints
    held_out: Ints
    titles: Floats | None
    hashes: Sequence[str]
    catalog: Catalog
    sessions: Mapping[str, int]

    @property
    def counts(self) -> Ints:
        """Shape ``(n_leaves,)``, training photos."""
        return np.bincount(self.labels[self.training], minlength=len(self.taxonomy.leaves))


def prepare(
    catalog: Catalog,
    outside: Sequence[Listing],
    config: FinetuneConfig,
    framing: Framing,
    state: RunState,
    options: ResolvedOptions,
) -> tuple[list[Prepared], Backbone]:
    """Decode, split and look at the photos; only the first process works, others read along.

    Gives one `Prepared` for each encoder to train (together their held-out photos are all, if there
    are several), and the backbone as it is before training.

    Raises
    ------
    TrainingError
        If too few photos can be used.
    """
    own = [listing for listing in catalog.listings if listing.image is not None]
    sources = [listing.image for listing in (*own, *outside) if listing.image is not None]
    said = state.recall(PHOTOS, wait=not state.first)
    fresh = said is None
    if said is not None:
        problems = {int(row): why for row, why in said["problems"].items()}
    else:
        problems = prepare_squares(
            sources,
            framing,
            state.folder,
            max_bytes=config.cache_gb * 1e9,
            progress=options.progress,
        )
    good = np.array([row for row in range(len(own)) if row not in problems], dtype=int)
    if not len(good):
        reasons = [*problems.values(), *(bad.reason for bad in catalog.rejected)]
        raise TrainingError(
            "Fine-tuning needs listings with a photo that can be read, but there is none"
            + (f". The first that can't be used: {reasons[0]}" if reasons else ". Add photos.")
        )
    taxonomy, leaves = find_leaves(
        [own[row].category or "" for row in good],
        config.levels,
        config.min_examples,
        outside=bool(outside),
    )
    backbone = build_backbone(config.backbone, len(taxonomy.leaves), config.seed)
    squares = open_squares(sources, framing, state.folder)
    labels = np.full(len(sources), -1)
    labels[good] = leaves
    strangers = [row for row in range(len(own), len(sources)) if row not in problems]
    labels[strangers] = len(taxonomy.leaves) - 1
    usable = np.flatnonzero(labels >= 0)
    if said is None:
        if config.titles:
            titles = [*(x.title for x in own), *(None for _ in outside)]
            save_titles(titles, config.text_encoder, options.device, state)
        hashes = [
            "" if row in problems else hashlib.sha256(photo_bytes(source)).hexdigest()
            for row, source in enumerate(sources)
        ]
        frozen = _features(backbone, squares, usable, state, options)
        names = [taxonomy.leaves[label] for label in labels[usable]]
        nothing_known = np.zeros((len(usable), 1), dtype=np.float32)
        features = nothing_known if frozen is None else frozen
        shown = [(*own, *outside)[row] for row in usable]
        grouping = group_listings(
            shown,
            View(features, np.full(len(usable), frozen is not None)),
            [hashes[row] for row in usable],
            [own[row].title or "" if row < len(own) else "" for row in usable],
            names,
            seed=config.seed,
            further=hash_further_photos(shown),
        ).announced()
        groups = grouping.groups
        n_parts = min(_n_parts(backbone, len(good), config), len(np.unique(groups)))
        sessions = zip((hashes[row] for row in usable), groups.tolist(), strict=True)
        said = {"problems": problems, "hashes": hashes}
        said[SESSIONS] = dict(sessions) if grouping.coarser else {}
        said[PARTS] = [
            {name: usable[rows].tolist() for name, rows in part.items()}
            for part in _parts(names, groups, n_parts, config)
        ]
    nothing = np.zeros(0, dtype=int)
    aside, hashes = _set_aside(catalog, problems), said["hashes"]
    whole = Prepared(
        squares,
        taxonomy,
        labels,
        nothing,
        nothing,
        load_titles(state),
        hashes,
        aside,
        said.get(SESSIONS, {}),
    )
    inside = np.array([leaf != OUTSIDE for leaf in taxonomy.leaves])
    prepared = []
    for part in said[PARTS]:
        training, held_out = (np.array(part[name], dtype=int) for name in (TRAINING, HELD_OUT))
        held_out = held_out[inside[labels[held_out]]]
        prepared.append(replace(whole, training=training, held_out=held_out))
    if fresh:
        for number, part in enumerate(prepared if backbone.pretrained else ()):
            _save_head(part, backbone, config, state, state.part(number))
        state.remember(PHOTOS, said)
    return prepared, backbone


def _n_parts(backbone: Backbone, n_photos: int, config: FinetuneConfig) -> int:
    """Count the encoders to train; weights that started at random can't be averaged."""
    return config.n_parts if backbone.pretrained and n_photos < config.single_from else 1


def _parts(
    names: Sequence[str], groups: Ints, n_parts: int, config: FinetuneConfig
) -> list[dict[str, Ints]]:
    """Say for each encoder which rows it learns from, and which it doesn't."""
    if n_parts == 1:
        shares = {TRAINING: 1 - config.held_out, HELD_OUT: config.held_out}
        return [split_indices(names, groups, shares, config.seed)]
    folds = group_folds(names, groups, n_parts, config.seed)
    return [
        {TRAINING: np.flatnonzero(folds != part), HELD_OUT: np.flatnonzero(folds == part)}
        for part in range(n_parts)
    ]


def frozen_features(state: RunState) -> Floats | None:
    """Give the features of the usable photos before fine-tuning; None for an untrained backbone."""
    path = state.folder / FEATURES
    return load_file(path)["features"] if path.is_file() else None


def frozen_rows(prepared: Prepared, rows: Ints, state: RunState) -> Floats | None:
    """Give some photos' features before fine-tuning; None for an untrained backbone."""
    found = frozen_features(state)
    if found is None:
        return None
    return found[np.searchsorted(np.flatnonzero(prepared.labels >= 0), rows)]


def load_head(backbone: Backbone, part: RunState) -> None:
    """Let the classifier start from the part's logistic regression, where there is one."""
    import torch

    path = part.folder / HEAD
    if path.is_file():
        classifier = backbone.model.get_classifier()  # type: ignore[operator]
        stored = {name: torch.from_numpy(array) for name, array in load_file(path).items()}
        classifier.load_state_dict(stored)


def _features(
    backbone: Backbone, squares: ImageStore, rows: Ints, state: RunState, options: ResolvedOptions
) -> Floats | None:
    if not backbone.pretrained:
        return None
    found = frozen_features(state)
    if found is None:
        found = pooled_features(backbone.model, squares, rows, options)
        with atomic_path(state.folder / FEATURES) as partial:
            save_file({"features": found}, partial)
    return found


def _save_head(
    prepared: Prepared, backbone: Backbone, config: FinetuneConfig, state: RunState, part: RunState
) -> None:
    features = frozen_rows(prepared, prepared.training, state)
    if features is None:
        return
    added, _ = balance(prepared.counts, config.imbalance)
    start_head(backbone.model, features, prepared.labels[prepared.training], added)
    classifier: Any = backbone.model.get_classifier()  # type: ignore[operator]
    arrays = {name: t.detach().cpu().numpy() for name, t in classifier.state_dict().items()}
    with atomic_path(part.folder / HEAD) as partial:
        save_file(arrays, partial)


def _set_aside(catalog: Catalog, problems: dict[int, str]) -> Catalog:
    """Reject listings by what is wrong with the n-th photo; what lies outside comes after all."""
    listings = zip(catalog.listings, catalog.rows, strict=True)
    rows = [row for listing, row in listings if listing.image is not None]
    return catalog.reject(
        {rows[n]: f"unusable photo: {why}" for n, why in problems.items() if n < len(rows)}
    )


def settings_of(
    catalog: Catalog, outside: Sequence[Listing], config: FinetuneConfig, limits: PhotoLimits
) -> dict[str, Any]:
    """Say what a run was told, to compare when it is resumed."""
    digest = hashlib.sha256()
    for listing in (*catalog.listings, *outside):
        digest.update(repr((listing.listing_id, listing.title, listing.category)).encode())
    return {
        "config": config.model_dump(mode="json"),
        "photos": asdict(limits),
        "listings": digest.hexdigest(),
    }
