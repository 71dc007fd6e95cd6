"""Using a network of recognition that was trained: read back with the alignment it expects, or refused."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from faceml.config import ModelConfig
from faceml.datasets import AlignedPreprocessing
from faceml.models import FaceResNet
from faceml.training.trained_model import refuse_other_contract

KEYS = ("model_state_dict", "config", "preprocessing")


class TrainedRecognition(NamedTuple):
    """A network in evaluation mode, and what is done to images before it."""

    model: FaceResNet
    preprocessing: AlignedPreprocessing


def is_recognition(checkpoint: Mapping[str, Any]) -> bool:
    """Say whether a `best_model.pt` is one of `faceml transfer`, which places no landmarks."""
    return all(key in checkpoint for key in KEYS) and "landmark_set" not in checkpoint


def load_trained_recognition(checkpoint: Mapping[str, Any], place: str | Path) -> TrainedRecognition:
    """Build the network of a `best_model.pt` of `faceml transfer`.

    Args:
        checkpoint: Its content, for which `is_recognition` holds.
        place: Where it comes from, for the error.

    Raises:
        ConfigError: It was trained on images other than this faceml makes; each difference is named.
    """
    config = checkpoint["config"]
    preprocessing = AlignedPreprocessing(config["data"]["image_size"])
    expected = preprocessing.fingerprint() | {"landmark_set": None}
    refuse_other_contract({**checkpoint, "landmark_set": None}, expected, str(place))
    model = FaceResNet(ModelConfig.model_validate(config["model"] | {"weights": "none"}))
    model.load_state_dict(checkpoint["model_state_dict"])
    return TrainedRecognition(model.eval(), preprocessing)
