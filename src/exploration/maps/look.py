"""One family on one catalogue: its features, what they cost, and how well they tell categories."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy.sparse import csr_matrix

from ...core.arrays import Floats, Ints
from ...core.config import Config
from ...fusion.views import Features, View
from ..features.encoders import EncodedPhotos, EncodedTexts
from ..features.family import FeatureFamily
from ..features.reduced import reduced
from .clusters import NOISE, Agreement, agreement, hdbscan, kmeans, number_of_clusters, silhouette
from .labelled import UNLABELLED, Material
from .probe import linear_probe
from .projection import Method, project

N_TIMED = 32
"""Listings that an encoder, whose vectors are remembered, is timed on."""
MAIN_DIM = 50
"""Main directions that clusters and maps are made from."""


@dataclass(frozen=True)
class Look:
    """What one family shows; numbers are None where there are no categories, or no map.

    Parameters
    ----------
    name, modality
        Of the family; modalities of a fusion joined by ``+``.
    n, dim
        Listings that have it, and numbers a listing.
    cpu_s_each, bytes_each
        Processor seconds (all cores together) and stored bytes a listing.
    right, low, high
        Of the linear probe: share of right answers with its 95 % interval.
    silhouette, map_silhouette
        By category: in the family's own space, and on its t-SNE map.
    kmeans
        Of clusters in the main directions, as many as categories, against the categories.
    density, n_dense, noise_fraction
        Of HDBSCAN's clusters on the t-SNE map: agreement, their number, points in none.
    maps
        Method -> shape ``(n_listings, 2)``; NaN where a listing doesn't have it.
    clusters
        Shape ``(n_listings,)``, by k-means; -1 where a listing doesn't have it.
    probability, answer
        Shape ``(n_listings,)``: what the probe, held out, gives the listing's own category, and
        the category that it names; NaN and -1 where it wasn't asked.
    """

    name: str
    modality: str
    n: int
    dim: int
    cpu_s_each: float
    bytes_each: float
    right: float | None = None
    low: float | None = None
    high: float | None = None
    silhouette: float | None = None
    map_silhouette: float | None = None
    kmeans: Agreement | None = None
    n_clusters: int = 0
    density: Agreement | None = None
    n_dense: int = 0
    noise_fraction: float | None = None
    maps: Mapping[Method, Floats] = field(default_factory=dict)
    clusters: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.intp))
    probability: Floats = field(default_factory=lambda: np.zeros(0, dtype=np.float32))
    answer: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.intp))


def encode(family: FeatureFamily, material: Material) -> tuple[View, float]:
    """Encode what the catalogue has for a family.

    Returns
    -------
    View, float
        Of all listings; and processor seconds a listing.

    Raises
    ------
    ValueError
        If the catalogue has nothing for it, or it can't make anything of what there is.
    """
    rows = np.flatnonzero(material.present(family.takes)).tolist()
    if not rows:
        part = "photo" if family.takes == "square" else family.takes
        raise ValueError(f"no listing has a {part} that can be used")
    items = material.items(family.takes, rows)
    started = time.process_time()
    features = family.encode(items)
    spent_s, n = time.process_time() - started, len(rows)
    if isinstance(family, EncodedTexts | EncodedPhotos):
        some = items[:: max(1, len(items) // N_TIMED)][:N_TIMED]
        anew = family.uncached()
        anew.encode(some)  # the first time chooses a runtime
        started = time.process_time()
        anew.encode(some)
        spent_s, n = time.process_time() - started, len(some)
    return _spread(features, np.array(rows), len(material.labels)), spent_s / n


def _spread(features: Features, rows: Ints, n: int) -> View:
    """Give every listing a row; one without, or of zeros, isn't present."""
    there = np.zeros(n, dtype=bool)
    there[rows] = np.asarray(features.astype(bool).sum(axis=1)).ravel() > 0
    if isinstance(features, np.ndarray):
        whole = np.zeros((n, features.shape[1]), dtype=np.float32)
        whole[rows] = features
        return View(whole, there)
    ones = (np.ones(len(rows), np.float32), (rows, np.arange(len(rows))))
    return View(csr_matrix(ones, shape=(n, len(rows))) @ features, there)


def look(
    name: str,
    modality: str,
    view: View,
    cpu_s_each: float,
    material: Material,
    config: Config,
    methods: tuple[Method, ...],
) -> Look:
    """Cluster, probe and map one family's features.

    Raises
    ------
    ValueError
        If fewer than two listings have them.
    """
    rows = np.flatnonzero(view.present)
    if len(rows) < 2:
        raise ValueError(f"it takes two listings or more that have it, but {len(rows)} do")
    n, features = len(material.labels), view.features[rows]
    main = reduced(features, MAIN_DIM)
    k = len(material.names) if material.is_labelled else number_of_clusters(main, config.seed)
    clusters = _whole(kmeans(main, k, config.seed), rows, n, NOISE)
    placed = {method: project(main, method, config.seed) for method in methods}
    dense = hdbscan(placed["tsne"]) if "tsne" in placed else None
    labels = material.labels[rows]
    known = labels != UNLABELLED
    judged = rows[known]
    judging = material.is_labelled and len(np.unique(labels[known])) > 1
    probe = (
        linear_probe(
            View(features[known], np.ones(len(judged), dtype=bool)),
            labels[known],
            material.names,
            material.grouping.groups[judged],
            config.n_folds,
            config.seed,
        )
        if judging
        else None
    )
    told = probe.log_probabilities if probe else None
    own = np.exp(told[np.arange(len(judged)), labels[known]]) if told is not None else None
    return Look(
        name=name,
        modality=modality,
        n=len(rows),
        dim=features.shape[1],
        cpu_s_each=cpu_s_each,
        bytes_each=_n_bytes(features) / len(rows),
        right=probe.right if probe else None,
        low=probe.low if probe else None,
        high=probe.high if probe else None,
        silhouette=silhouette(features[known], labels[known]) if judging else None,
        map_silhouette=silhouette(placed["tsne"][known], labels[known])
        if judging and "tsne" in placed
        else None,
        kmeans=agreement(clusters[judged], labels[known]) if judging else None,
        n_clusters=int(clusters.max(initial=NOISE)) + 1,
        density=agreement(dense[known], labels[known]) if judging and dense is not None else None,
        n_dense=0 if dense is None else int(dense.max(initial=NOISE)) + 1,
        noise_fraction=None if dense is None else float((dense == NOISE).mean()),
        maps={method: _whole(xy, rows, n, np.nan) for method, xy in placed.items()},
        clusters=clusters,
        probability=_whole(own, judged, n, np.nan)
        if own is not None
        else np.full(n, np.nan, np.float32),
        answer=_whole(told.argmax(axis=1), judged, n, UNLABELLED)
        if told is not None
        else np.full(n, UNLABELLED),
    )


def _whole(values: np.ndarray, rows: Ints, n: int, missing: float) -> np.ndarray:
    whole = np.full((n, *values.shape[1:]), missing, dtype=values.dtype)
    whole[rows] = values
    return whole


def _n_bytes(features: Features) -> int:
    """Count what features take in memory; of sparse ones, values and their columns."""
    if isinstance(features, np.ndarray):
        return int(features.nbytes)
    return int(features.data.nbytes + features.indices.nbytes)
