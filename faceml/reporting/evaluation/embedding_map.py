"""Two-dimensional maps of embeddings: t-SNE and principal components.

Shape letters: K images, D dimensions.
"""

from collections.abc import Sequence
from importlib.util import find_spec

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from faceml.page import COLORS, INK, MARKERS, QUIET, WIDTH_IN, styled
from faceml.training import Embeddings

Plane = npt.NDArray[np.float64]

PERPLEXITY = 30.0
"""Perplexity of t-SNE (van der Maaten & Hinton 2008 recommend 5 to 50); smaller for few images."""
PRINCIPAL = 50
"""Number of principal components passed to t-SNE, which reduces noise and time."""


def principal_components(vectors: npt.NDArray[np.floating], number: int = 2) -> tuple[Plane, list[float]]:
    """Project vectors on their principal components.

    Args:
        vectors: Of shape (K, D).
        number: Number of components.

    Returns:
        float64 of shape (K, number), and the share of the variance of each component.
    """
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    left, scales, _ = np.linalg.svd(centred, full_matrices=False)
    shares = scales**2 / max(float(np.sum(scales**2)), np.finfo(float).tiny)
    return left[:, :number] * scales[:number], [float(share) for share in shares[:number]]


def has_tsne() -> bool:
    """Return whether scikit-learn is installed, which provides t-SNE."""
    return find_spec("sklearn") is not None


def tsne_map(vectors: npt.NDArray[np.floating], seed: int) -> Plane:
    """Embed vectors in the plane with t-SNE (van der Maaten & Hinton 2008).

    Args:
        vectors: Of shape (K, D), K at least 4.
        seed: Seed of the optimisation.

    Returns:
        float64 of shape (K, 2); only neighbourhoods are meaningful, not distances.
    """
    from sklearn.manifold import TSNE

    reduced, _ = principal_components(vectors, PRINCIPAL)
    perplexity = min(PERPLEXITY, (len(vectors) - 1) / 3)
    placed: Plane = TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(reduced)
    return placed


@styled
def embedding_figure(embeddings: Embeddings, names: Sequence[str], seed: int) -> Figure:
    """Plot embeddings by t-SNE, if scikit-learn is installed, and by their principal components.

    Args:
        embeddings: At least 4 embeddings.
        names: Names of the classes.
        seed: Seed of t-SNE.
    """
    plane, shares = principal_components(embeddings.vectors)
    maps = [(f"PCA, {sum(shares):.0%} of the variance", plane)]
    if has_tsne():
        maps.insert(0, ("t-SNE", tsne_map(embeddings.vectors, seed)))
    figure = Figure(figsize=(WIDTH_IN, 2.9 * len(maps) + 0.9), layout="constrained")
    panels = figure.subplots(len(maps), squeeze=False)[:, 0]
    for axes, (title, points) in zip(panels, maps, strict=True):
        _scatter(axes, points, embeddings.labels, names)
        axes.set_title(title, loc="left", fontsize=10, color=QUIET)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper left", ncols=3, markerscale=1.6)
    return figure


def _scatter(axes: Axes, points: Plane, labels: npt.NDArray[np.int64], names: Sequence[str]) -> None:
    colors = (*COLORS, INK, QUIET)
    for label, name in enumerate(names):
        mine = points[labels == label]
        color, marker = colors[label % len(colors)], MARKERS[label % len(MARKERS)]
        axes.plot(*mine.T, marker, color=color, markersize=3, alpha=0.75, markeredgewidth=0, label=name)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(visible=False)
