"""Networks of embeddings from the models of both trainings."""

from pathlib import Path

import numpy as np
import pytest
import torch

from faceml.config.config_error import ConfigError
from faceml.images.framing import Framing
from faceml.prediction.loading import load
from faceml.tables.landmark_sets import LANDMARK_SETS
from faceml.training.verification.embedding_network import five_point_framing, load_embedding_network
from tests.random_model import PAIR, write_random_model

pytestmark = pytest.mark.usefixtures("narrow_backbone")

POINTS = ((0.3, 0.4), (0.7, 0.42), (0.5, 0.6), (0.35, 0.8), (0.66, 0.79))


def test_load_embedding_network__of_a_multitask_model_gives_the_embedding_of_predictions(
    tmp_path: Path,
) -> None:
    """A face that fills its image as in training is the whole image to a prediction without detection."""
    write_random_model(tmp_path / "best_model.pt", PAIR, 48, framing=Framing(POINTS))
    image = np.random.default_rng(0).integers(0, 256, (60, 60, 3), dtype=np.uint8)
    (predicted,) = load(tmp_path, finds_faces=False).predict(image)
    network = load_embedding_network(tmp_path / "best_model.pt")
    assert network.kind == "multitask"

    def embed(pixels: torch.Tensor) -> np.ndarray:
        with torch.no_grad():
            return network.model(network.preprocessing.normalize(pixels[None]))[0].numpy()

    framed = network.preprocessing.align(image, np.array(POINTS))
    np.testing.assert_allclose(embed(framed), predicted.faces[0].embedding, rtol=1e-4, atol=1e-5)

    photo = np.full((200, 300, 3), 90, dtype=np.uint8)
    photo[70:130, 110:170] = image
    in_photo = (np.array(POINTS) * 60 + [110, 70]) / [300, 200]
    torch.testing.assert_close(network.preprocessing.align(photo, in_photo), framed)


def test_load_embedding_network__without_framing_uses_whole_images(tmp_path: Path) -> None:
    write_random_model(tmp_path / "best_model.pt", PAIR, 48)
    preprocessing = load_embedding_network(tmp_path / "best_model.pt").preprocessing
    image = np.random.default_rng(0).integers(0, 256, (60, 70, 3), dtype=np.uint8)
    torch.testing.assert_close(preprocessing.align(image, np.array(POINTS)), preprocessing.resize(image))


def test_five_point_framing__is_that_of_the_five_points() -> None:
    ten = np.random.default_rng(0).random((20, 10, 2))
    five = np.stack(
        [ten[:, :2].mean(axis=1), ten[:, 2:4].mean(axis=1), ten[:, 4], ten[:, 6], ten[:, 7]], axis=1
    )
    sizes = np.full((20, 2), [120.0, 100.0])
    found, expected = five_point_framing(Framing.of(ten, sizes), LANDMARK_SETS[10]), Framing.of(five, sizes)
    np.testing.assert_allclose(found.landmarks, expected.landmarks)
    assert found.aspect == expected.aspect
    assert five_point_framing(expected, LANDMARK_SETS[5]) == expected


@pytest.mark.parametrize("content", [b"no model", {"state_dict": {}}, [1, 2]])
def test_load_embedding_network__of_another_file_is_refused(content: object, tmp_path: Path) -> None:
    file = tmp_path / "model.pt"
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        torch.save(content, file)
    with pytest.raises(ConfigError, match=r"^compare\.other: .*model\.pt is neither a model of `faceml tr"):
        load_embedding_network(file, "compare.other")
