"""Preprocessing inside the graph in comparison with the training's, and the graph's outputs."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from faceml.config.sections.model import ModelConfig
from faceml.datasets.person_dataset import AlignedPreprocessing
from faceml.datasets.preprocessing import Preprocessing
from faceml.export.exportable import Exportable
from faceml.export.graph import FaceGraph, RecognitionGraph
from faceml.models.recognition import FaceResNet
from tests.export.conftest import SHAPES

LEVEL = 1 / (255 * min(Preprocessing(32).std))
"""One grey level after normalisation."""


def images(batch: int, height: int, width: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(height)
    return torch.randint(0, 256, (batch, height, width, 3), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize(("height", "width"), [(32, 32), (20, 90), (200, 150), (33, 31), (1, 1)])
def test_square__is_what_training_makes_of_an_image_but_for_rounding(
    exportable: Exportable, height: int, width: int
) -> None:
    decoded = images(3, height, width)
    trained_on = torch.stack([exportable.preprocessing.resize(image) for image in decoded.numpy()])
    expected = exportable.preprocessing.normalize(trained_on)
    found = exportable.graph.square(decoded)
    assert found.shape == (3, 3, 32, 32)
    assert (found - expected).abs().max() < 1.01 * LEVEL
    assert (found - expected).abs().mean() < 0.4 * LEVEL


def test_square__an_image_as_large_as_the_square_is_normalised_alone(exportable: Exportable) -> None:
    decoded = images(2, 32, 32)
    expected = exportable.preprocessing.normalize(decoded.permute(0, 3, 1, 2))
    torch.testing.assert_close(exportable.graph.square(decoded), expected, rtol=0, atol=1e-6)


def test_forward__names_its_outputs_in_order(exportable: Exportable) -> None:
    graph: FaceGraph = exportable.graph
    with torch.no_grad():
        outputs = dict(zip(graph.outputs, graph(images(4, 50, 40)), strict=True))
    assert [(name, tuple(value.shape)) for name, value in outputs.items()] == [
        (name, (4, *shape)) for name, shape in SHAPES.items()
    ]
    torch.testing.assert_close(outputs["probabilities"], functional.softmax(outputs["logits"], dim=1))
    torch.testing.assert_close(outputs["units_probabilities"], torch.sigmoid(outputs["units_logits"]))


def test_forward__of_recognition_is_a_direction() -> None:
    torch.manual_seed(0)
    network = FaceResNet(ModelConfig(embedding_dim=16)).eval()
    graph = RecognitionGraph(network, AlignedPreprocessing(32)).eval()
    decoded = images(3, 32, 32)
    with torch.no_grad():
        (found,) = graph(decoded)
        raw = network(AlignedPreprocessing(32).normalize(decoded.permute(0, 3, 1, 2))).numpy()
    expected = raw / np.linalg.norm(raw, axis=1, keepdims=True)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-5)
