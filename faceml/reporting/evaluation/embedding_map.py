"""Embeddings in the plane: which expressions a network keeps apart.

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
"""As van der Maaten & Hinton 2008 found good for most; less where there are few images."""
PRINCIPAL = 50
"""Dimensions left to t-SNE, as they did."""


def principal_components(vectors: npt.NDArray[np.floating], number: int = 2) -> tuple[Plane, list[float]]:
    """Project on the directions of largest variance.

    Args:
        vectors: Of shape (K, D).
        number: Of directions.

    Returns:
        float64 of shape (K, number), and the share of the variance that each direction has.
    """
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    left, scales, _ = np.linalg.svd(centred, full_matrices=False)
    shares = scales**2 / max(float(np.sum(scales**2)), np.finfo(float).tiny)
    return left[:, :number] * scales[:number], [float(share) for share in shares[:number]]


def can_draw_neighbours() -> bool:
    """Say whether scikit-learn is installed, which has t-SNE."""
    return find_spec("sklearn") is not None


def neighbour_map(vectors: npt.NDArray[np.floating], seed: int) -> Plane:
    """Lay images out so that near ones stay near: t-SNE (van der Maaten & Hinton 2008).

    Args:
        vectors: Of shape (K, D), at least 4 of them.
        seed: Of the optimisation.

    Returns:
        float64 of shape (K, 2); only who is near to whom means something.
    """
    from sklearn.manifold import TSNE

    reduced, _ = principal_components(vectors, PRINCIPAL)
    perplexity = min(PERPLEXITY, (len(vectors) - 1) / 3)
    placed: Plane = TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(reduced)
    return placed


@styled
def embedding_figure(embeddings: Embeddings, names: Sequence[str], seed: int) -> Figure:
    """Show embeddings by t-SNE, if there is scikit-learn, and by their principal components beside it.

    Args:
        embeddings: At least 4.
        names: Of the labels.
        seed: Of t-SNE.
    """
    plane, shares = principal_components(embeddings.vectors)
    maps = [(f"PCA, {sum(shares):.0%} of the variance", plane)]
    if can_draw_neighbours():
        maps.insert(0, ("t-SNE", neighbour_map(embeddings.vectors, seed)))
    figure = Figure(figsize=(WIDTH_IN, 2.9 * len(maps) + 0.9), layout="constrained")
    panels = figure.subplots(len(maps), squeeze=False)[:, 0]
    for axes, (title, points) in zip(panels, maps, strict=True):
        _scatter(axes, points, embeddings.labels, names)
        axes.set_title(title, loc="left", fontsize=10, color=QUIET)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper left", ncols=3, markerscale=1.6)
    return figure


def _scatter(axes: Axes, points: Plane, labels: npt.NDArray[np.int64], names: Sequence[str]) -> None:
    looks = [(color, marker) for marker in MARKERS for color in (*COLORS, INK, QUIET)]
    for label, name in enumerate(names):
        mine = points[labels == label]
        color, marker = looks[label][0], MARKERS[label % len(MARKERS)]
        axes.plot(*mine.T, marker, color=color, markersize=3, alpha=0.75, markeredgewidth=0, label=name)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(visible=False)
