"""Loading of trained networks, and checks that their preprocessing is that of this version."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from torch import Tensor

from faceml.config import ConfigError, ModelConfig
from faceml.datasets import EXPRESSIONS, AlignedPreprocessing, Preprocessing
from faceml.images import Framing
from faceml.models import FaceResNet, MultitaskFaceModel, build_multitask_model, nonfinite_values
from faceml.tables import LANDMARK_SETS, LandmarkSet
from faceml.training.checkpoint import contract, read_state

RECOGNITION_KEYS = ("model_state_dict", "config", "preprocessing")
MULTITASK_KEYS = (*RECOGNITION_KEYS, "landmark_set")


class TrainedModel(NamedTuple):
    """A multitask network in evaluation mode.

    Attributes:
        model: The network.
        preprocessing: The preprocessing that it expects.
        landmark_set: The landmarks that it predicts.
        framing: Location of faces in the training images; None in checkpoints without it.
        config: Configuration of the training, as plain values.
    """

    model: MultitaskFaceModel
    preprocessing: Preprocessing
    landmark_set: LandmarkSet
    framing: Framing | None = None
    config: Mapping[str, Any] = MappingProxyType({})


class TrainedRecognition(NamedTuple):
    """A face recognition network in evaluation mode, and the preprocessing that it expects."""

    model: FaceResNet
    preprocessing: AlignedPreprocessing


def load_trained_model(place: str | Path) -> TrainedModel:
    """Load a `best_model.pt` of `faceml train` from a path or URI.

    Raises:
        ConfigError: The file is no such model, or its training had another preprocessing, other landmarks or
            labels than this version of faceml, or weights are not finite; names each difference.
    """
    checkpoint = read_state(place)
    missing = [key for key in MULTITASK_KEYS if key not in checkpoint]
    if missing:
        raise ConfigError(f"{place}: is no model of `faceml train`; it lacks {', '.join(missing)}.")
    config = checkpoint["config"]
    preprocessing = Preprocessing(config["data"]["image_size"])
    landmark_set = LANDMARK_SETS[config["data"]["num_landmarks"]]
    refuse_other_contract(checkpoint, contract(preprocessing, landmark_set), str(place))
    # The checkpoint has all weights: those that the training started from are not needed.
    architecture = ModelConfig.model_validate(config["model"] | {"weights": "none"})
    model = build_multitask_model(architecture, len(landmark_set), len(EXPRESSIONS))
    model.load_state_dict(_finite_state(checkpoint, place))
    framing = checkpoint.get("framing")
    found = Framing.from_plain(framing) if framing else None
    return TrainedModel(model.eval(), preprocessing, landmark_set, found, config)


def is_recognition(checkpoint: Mapping[str, Any]) -> bool:
    """Return whether a checkpoint is a `best_model.pt` of `faceml transfer`, which has no landmarks."""
    return all(key in checkpoint for key in RECOGNITION_KEYS) and "landmark_set" not in checkpoint


def load_trained_recognition(checkpoint: Mapping[str, Any], place: str | Path) -> TrainedRecognition:
    """Build the network of a `best_model.pt` of `faceml transfer`.

    Args:
        checkpoint: Content of the file, for which `is_recognition` holds.
        place: Path or URI of the file, for the error.

    Raises:
        ConfigError: Its training had another preprocessing than this version, or weights are not finite;
            names each difference.
    """
    config = checkpoint["config"]
    preprocessing = AlignedPreprocessing(config["data"]["image_size"])
    expected = preprocessing.fingerprint() | {"landmark_set": None}
    refuse_other_contract({**checkpoint, "landmark_set": None}, expected, str(place))
    model = FaceResNet(ModelConfig.model_validate(config["model"] | {"weights": "none"}))
    model.load_state_dict(_finite_state(checkpoint, place))
    return TrainedRecognition(model.eval(), preprocessing)


def refuse_other_contract(checkpoint: Mapping[str, Any], expected: Mapping[str, Any], source: str) -> None:
    """Refuse a network that expects other images, or whose outputs have another meaning.

    With other preprocessing than in training a network gives wrong results without any error.

    Args:
        checkpoint: Content of a `best_model.pt`.
        expected: Result of `faceml.training.checkpoint.contract`.
        source: Path or URI of the checkpoint, for the error.

    Raises:
        ConfigError: Names every difference.
    """
    found = checkpoint["preprocessing"] | {"landmark_set": checkpoint["landmark_set"]}
    differences = [
        f"{name} {_shown(found.get(name))} where this faceml has {_shown(expected.get(name))}"
        for name in dict.fromkeys([*found, *expected])
        if found.get(name) != expected.get(name)
    ]
    if differences:
        raise ConfigError(
            f"{source}: was trained with {'; '.join(differences)}. Use the version of faceml that it was "
            "trained with, or train it again."
        )


def _finite_state(checkpoint: Mapping[str, Any], place: str | Path) -> dict[str, Tensor]:
    state: dict[str, Tensor] = checkpoint["model_state_dict"]
    wrong = nonfinite_values(state)
    if wrong:
        raise ConfigError(f"{place}: {wrong}. Choose the model of another training.")
    return state


def _shown(value: Any) -> str:
    return "[" + ", ".join(map(str, value)) + "]" if isinstance(value, list) else str(value)
