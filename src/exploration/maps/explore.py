"""A catalogue seen by every family of features in turn, in one call."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ...catalog.catalog import Catalog
from ...core.arrays import Floats
from ...core.cache import EmbeddingCache
from ...core.config import Config
from ...core.errors import CatalogError
from ...core.scratch import scratch_folder
from ...embedding.embedder import Embedder, load_embedder
from ...embedding.run_options import RunOptions
from ...fusion.views import View
from ..features import families
from ..features.family import MODALITY
from ..features.fused import fuse
from ..features.reduced import reduced
from ..overlap import CategoryPair, category_pairs
from .clusters import cluster_names
from .labelled import UNLABELLED, Material, gather
from .look import MAIN_DIM, Look, encode, look
from .overview import AlikePair, CategoryOverview, alike_pairs, overview
from .probe import linear_probe
from .projection import Method, has_umap, project
from .thumbnails import thumbnails

MIN_EXAMPLES = 5


@dataclass(frozen=True)
class Exploration:
    """What was found.

    Parameters
    ----------
    looks
        Each family, in the order asked for.
    skipped
        Family -> why it has no row.
    best
        The families that tell categories apart best (without categories: the profile's encoders),
        one of each kind: of photos, of texts, of fusions; the best of all first.
    cluster_words
        Family -> its clusters' names.
    pairs
        Categories taken for each other by the best family, the surest first.
    alike
        Categories whose middles are closest in the best family.
    thumbnails
        Row -> its photo as a data URI; of a sample where there are many.
    """

    material: Material
    looks: tuple[Look, ...]
    skipped: Mapping[str, str]
    best: tuple[str, ...]
    cluster_words: Mapping[str, Sequence[str]]
    categories: tuple[CategoryOverview, ...]
    pairs: tuple[CategoryPair, ...]
    alike: tuple[AlikePair, ...]
    thumbnails: Mapping[int, str]
    config: Config


def explore_catalog(
    catalog: Catalog,
    config: Config | None = None,
    options: RunOptions | None = None,
    *,
    embedder: Embedder | None = None,
    names: Sequence[str] | None = None,
    maps: bool = True,
    language: str = "english",
) -> Exploration:
    """Look at a catalogue, labelled or not, with every family of features.

    Parameters
    ----------
    config
        As for training; by default the starter profile, with `MIN_EXAMPLES`.
    options
        How encoders run; by default with the user's cache.
    embedder
        Encoders with their options; None loads those of `config`.
    names
        Families and fusions (``photo-encoder+tfidf``); None: all.
    maps
        Whether to lay listings out on planes; takes most of the time.
    language
        Of stems.

    Raises
    ------
    ConfigError
        If a family has a name that nobody knows.
    CatalogError
        If no family can make anything of the catalogue.
    """
    if options and embedder:
        raise ValueError("An embedder has options of its own. Give it or options, not both.")
    config = config or Config(min_examples=MIN_EXAMPLES)
    embedder = embedder or load_embedder(config, options or RunOptions(cache=EmbeddingCache()))
    wanted = list(dict.fromkeys(families.default_names(config) if names is None else names))
    families.check_names(wanted, list(families.factories(config, embedder, language)))
    with scratch_folder() as folder:
        return _explore(catalog, config, embedder, wanted, maps, language, folder)


def _explore(
    catalog: Catalog,
    config: Config,
    embedder: Embedder,
    wanted: Sequence[str],
    maps: bool,
    language: str,
    folder: Path,
) -> Exploration:
    material = gather(catalog, embedder, config, folder)
    made = families.factories(config, embedder, language)
    methods: tuple[Method, ...] = ("tsne", "pca") if maps else ()
    looks: list[Look] = []
    skipped: dict[str, str] = {}
    encoded: dict[str, tuple[View, float, str]] = {}
    needed = {part for name in wanted if "+" in name for part in families.split_fusion(name)[0]}

    def single(name: str) -> tuple[View, float, str]:
        if name not in encoded:
            family = families.load_family(name, made, config, embedder)
            view, cost = encode(family, material)
            encoded[name] = view, cost, MODALITY[family.takes]
        return encoded[name]

    hidden = None if embedder.options.progress else True
    with tqdm(total=len(wanted), desc="Families", disable=hidden) as bar:
        for name in wanted:
            bar.set_description(name)
            try:
                view, cost, modality = _fused(name, single) if "+" in name else single(name)
                looks.append(look(name, modality, view, cost, material, config, methods))
            except Exception as error:  # noqa: BLE001 (what one family can't do is its own affair)
                skipped[name] = f"{error}" or type(error).__name__
            if name not in needed:
                encoded.pop(name, None)
            bar.update()
    if not looks:
        reasons = "; ".join(f"{name}: {why}" for name, why in list(skipped.items())[:3])
        raise CatalogError(f"At least one family must see something in the listings: {reasons}.")
    best = _best(looks)
    by_name = {each.name: each for each in looks}

    def view_of(name: str) -> View:
        return (_fused(name, single) if "+" in name else single(name))[0]

    view = view_of(best[0])
    for name in best if maps and has_umap() else ():
        try:
            placed = _umap(view if name == best[0] else view_of(name), config.seed)
            by_name[name] = replace(by_name[name], maps={**by_name[name].maps, "umap": placed})
        except Exception as error:  # noqa: BLE001 (one more map is not worth the others)
            skipped[f"{name} on a UMAP map"] = f"{error}" or type(error).__name__
    titles = material.embedded.titles
    return Exploration(
        material=material,
        looks=tuple(by_name.values()),
        skipped=skipped,
        best=best,
        cluster_words={each.name: cluster_names(each.clusters, titles) for each in looks},
        categories=overview(material, by_name[best[0]]),
        pairs=_pairs(view, material, config),
        alike=alike_pairs(view, material.labels, material.names),
        thumbnails=thumbnails(material.squares),
        config=config,
    )


def _fused(name: str, single: families.Single) -> tuple[View, float, str]:
    """Put families together; the fusion costs what its parts cost."""
    parts, whitened = families.split_fusion(name)
    found = [single(part) for part in parts]
    view = fuse([view for view, *_ in found], whitened=whitened)
    return view, sum(cost for _, cost, _ in found), "+".join(dict.fromkeys(m for *_, m in found))


def _best(looks: Sequence[Look]) -> tuple[str, ...]:
    """Name the best family of photos, of texts and of fusions, the best of all first."""
    usual = (families.PHOTOS, families.TITLES, families.FUSIONS[1])

    def merit(one: Look) -> tuple[int, float, bool]:
        return one.n, one.right or 0.0, one.name in usual

    kinds: dict[str, Look] = {}
    most = max(one.n for one in looks)
    for one in looks:
        kind = "fusion" if "+" in one.name else "photo" if one.modality == "photo" else "text"
        if kind not in kinds or merit(one)[1:] > merit(kinds[kind])[1:]:
            kinds[kind] = one
    ranked = sorted(
        kinds.values(), key=lambda one: (one.n < most / 2, *(-m for m in merit(one)[1:]))
    )
    return tuple(one.name for one in ranked)


def _umap(view: View, seed: int) -> Floats:
    rows = np.flatnonzero(view.present)
    placed = np.full((len(view.present), 2), np.nan, dtype=np.float32)
    placed[rows] = project(reduced(view.features[rows], MAIN_DIM), "umap", seed)
    return placed


def _pairs(view: View, material: Material, config: Config) -> tuple[CategoryPair, ...]:
    """Compare categories by the best family's probe, as the audit does by the classifier."""
    rows = np.flatnonzero(view.present & (material.labels != UNLABELLED))
    labels, groups = material.labels[rows], material.grouping.groups[rows]
    there = View(view.features[rows], np.ones(len(rows), dtype=bool))
    probe = linear_probe(there, labels, material.names, groups, config.n_folds, config.seed)
    if probe is None:
        return ()
    return tuple(category_pairs(np.exp(probe.log_probabilities), labels, groups)[:20])
