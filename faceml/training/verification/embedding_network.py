"""Networks from faces to embeddings, loaded from the models of either training."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from faceml.config import ConfigError
from faceml.datasets import ALIGNED_BY, AlignedPreprocessing
from faceml.errors import StoppedError, translate_errors
from faceml.images import Framing, RgbImage
from faceml.models import MultitaskFaceModel
from faceml.storage import read_tensors
from faceml.tables import LANDMARK_SETS, LandmarkSet
from faceml.training.checkpoint import IS_FINAL
from faceml.training.trained_model import (
    RECOGNITION_KEYS,
    is_recognition,
    load_trained_model,
    load_trained_recognition,
)


class EmbeddingNetwork(NamedTuple):
    """A network from normalised faces to embeddings, in evaluation mode.

    Attributes:
        model: Maps float32 of shape (B, 3, S, S) to embeddings (B, D).
        preprocessing: The preprocessing that it expects.
        kind: `recognition` or `multitask`, the training that it is of.
        config: Configuration of the training, as plain values.
        is_final: True if it is that of the last epoch; False if it is that of the best one.
    """

    model: nn.Module
    preprocessing: AlignedPreprocessing
    kind: str
    config: Mapping[str, Any]
    is_final: bool = False


@dataclass(frozen=True)
class FramedPreprocessing(AlignedPreprocessing):
    """Cut faces out as they lie in the images of a multitask training, as prediction does.

    Attributes:
        framing: Location of five landmarks in these images; None uses whole images.
    """

    framing: Framing | None = None

    def align(self, image: RgbImage, points: npt.NDArray[np.float64]) -> Tensor:
        """Return the pixels of a face, uint8 of shape (3, S, S); see `AlignedPreprocessing.align`."""
        if self.framing is None:
            return self.resize(image)
        return self.resize(self.framing.box(points * image.shape[1::-1]).crop(image))


class MultitaskEmbedding(nn.Module):
    """The embedding of a multitask network, without its heads."""

    def __init__(self, network: MultitaskFaceModel) -> None:
        super().__init__()
        self.backbone, self.projection = network.backbone, network.projection

    def forward(self, images: Tensor) -> Tensor:
        """Map normalised images, float32 of shape (B, 3, S, S), to embeddings of shape (B, D)."""
        embedding: Tensor = self.projection(self.backbone(images))
        return embedding


def load_embedding_network(place: str | Path, setting: str = "model") -> EmbeddingNetwork:
    """Load a `best_model.pt` of `faceml transfer` or `faceml train` as a network of embeddings.

    Args:
        place: Path or URI of the file.
        setting: Setting that names it, for errors.

    Raises:
        ConfigError: The file is of neither, its training had another preprocessing than this version, or
            weights are not finite.
    """
    of_neither = ConfigError(
        f"{setting}: {place} is neither a model of `faceml transfer` nor one of `faceml train`. Give a run "
        "folder of one of them, or its best_model.pt."
    )

    def translate(error: Exception) -> ConfigError | None:  # PyTorch has an error for each kind of other file
        return None if isinstance(error, ConfigError | StoppedError | OSError) else of_neither

    with translate_errors(Exception, translate):
        checkpoint = read_tensors(place)
    if not (isinstance(checkpoint, dict) and all(key in checkpoint for key in RECOGNITION_KEYS)):
        raise of_neither
    if is_recognition(checkpoint):
        recognition = load_trained_recognition(checkpoint, place)
        is_final = checkpoint.get(IS_FINAL, False)
        return EmbeddingNetwork(*recognition, "recognition", checkpoint["config"], is_final)
    trained = load_trained_model(place)
    framing = trained.framing and five_point_framing(trained.framing, trained.framed_by)
    preprocessing = FramedPreprocessing(trained.preprocessing.image_size, framing=framing)
    return EmbeddingNetwork(
        MultitaskEmbedding(trained.model).eval(), preprocessing, "multitask", trained.config
    )


def five_point_framing(framing: Framing, landmark_set: LandmarkSet) -> Framing:
    """Return a framing by the five landmarks of an alignment.

    Args:
        framing: Framing by 5 or 10 landmarks.
        landmark_set: These landmarks.
    """
    points = np.array(framing.landmarks)
    five = LANDMARK_SETS[ALIGNED_BY]
    eyes = {"left_eye": landmark_set.left_eye, "right_eye": landmark_set.right_eye}
    places = [eyes.get(name) or (landmark_set.names.index(name),) for name in five.names]
    means = [points[list(place)].mean(axis=0) for place in places]
    return Framing(tuple((float(x), float(y)) for x, y in means), framing.aspect)
