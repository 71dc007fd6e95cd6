"""Two-dimensional maps of embeddings."""

import sys

import numpy as np
import pytest
from sklearn.decomposition import PCA

from faceml.page.chart import svg
from faceml.reporting.evaluation.embedding_map import embedding_figure, principal_components, tsne_map
from faceml.training.predictions import Embeddings


def groups(rng: np.random.Generator) -> Embeddings:
    """Three groups of 20 in 12 dimensions, far apart."""
    labels = np.repeat([0, 3, 7], 20)
    centres = 20 * rng.normal(size=(8, 12))
    return Embeddings((centres[labels] + rng.normal(size=(60, 12))).astype(np.float32), labels)


def test_principal_components__are_those_of_scikit_learn() -> None:
    vectors = groups(np.random.default_rng(0)).vectors
    theirs = PCA(2)
    expected = theirs.fit_transform(vectors.astype(np.float64))
    plane, shares = principal_components(vectors)
    np.testing.assert_allclose(np.abs(plane), np.abs(expected), atol=1e-6)
    np.testing.assert_allclose(shares, theirs.explained_variance_ratio_, atol=1e-9)


def test_tsne_map__keeps_neighbours_together_and_depends_on_its_seed_alone() -> None:
    embeddings = groups(np.random.default_rng(1))
    placed = tsne_map(embeddings.vectors, 0)
    assert np.array_equal(placed, tsne_map(embeddings.vectors, 0))
    distances = np.linalg.norm(placed[:, None] - placed, axis=2) + np.diag(np.full(60, np.inf))
    assert (embeddings.labels[distances.argmin(axis=1)] == embeddings.labels).all()


def test_embedding_figure__names_every_expression() -> None:
    names = [f"expression {n}" for n in range(8)]
    figure = embedding_figure(groups(np.random.default_rng(2)), names, 0)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == names
    assert len(figure.axes) == 2
    looks = {(line.get_color(), line.get_marker()) for line in figure.axes[0].get_lines()}
    assert len(looks) == 8
    assert svg(figure).startswith(b"<?xml")


def test_embedding_figure__of_more_classes_than_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)  # as if not installed: no t-SNE, which takes seconds
    rng = np.random.default_rng(3)
    embeddings = Embeddings(rng.normal(size=(70, 4)).astype(np.float32), np.arange(70))
    figure = embedding_figure(embeddings, [str(n) for n in range(70)], 0)
    assert len(figure.legends[0].get_texts()) == 70
