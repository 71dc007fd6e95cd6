"""Loading of trained networks, and checks that their preprocessing is that of this version."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from torch import Tensor

from faceml.config import (
    ConfigError,
    LossConfig,
    ModelConfig,
    TaskConfig,
    default_tasks,
    dotted_keys,
    parse_config,
    parse_tasks,
)
from faceml.datasets import AlignedPreprocessing, Preprocessing
from faceml.errors import translate_errors
from faceml.images import Framing
from faceml.models import FaceResNet, MultitaskFaceModel, build_multitask_model, nonfinite_values
from faceml.tables import LANDMARK_SETS, LandmarkSet
from faceml.tasks import Tasks, build_tasks
from faceml.training.checkpoint import contract, read_state

RECOGNITION_KEYS = ("model_state_dict", "config", "preprocessing")
MULTITASK_KEYS = (*RECOGNITION_KEYS, "landmark_set")


class TrainedModel(NamedTuple):
    """A multitask network in evaluation mode.

    Attributes:
        model: The network.
        preprocessing: The preprocessing that it expects.
        tasks: What it predicts, by name.
        framing: Location of faces in the training images; None in checkpoints without it.
        config: Configuration of the training, as plain values.
    """

    model: MultitaskFaceModel
    preprocessing: Preprocessing
    tasks: Tasks
    framing: Framing | None = None
    config: Mapping[str, Any] = MappingProxyType({})

    @property
    def framed_by(self) -> LandmarkSet:
        """The landmarks by which `framing` locates a face."""
        return LANDMARK_SETS[self.config.get("data", {}).get("num_landmarks", 5)]


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
    if is_recognition(checkpoint):
        raise ConfigError(
            f"{place}: is a face recognition model of `faceml transfer`; a model of `faceml train` is "
            "needed. `faceml evaluate --config configs/evaluate_recognition.yaml` evaluates it."
        )
    missing = [key for key in MULTITASK_KEYS if key not in checkpoint]
    if missing:
        raise ConfigError(f"{place}: is no model of `faceml train`; it lacks {', '.join(missing)}.")
    config = checkpoint["config"]
    preprocessing = Preprocessing(config["data"]["image_size"])
    tasks = build_tasks(_task_configs(checkpoint))
    for name, learned in checkpoint.get("learned", {}).items():
        tasks[name].restore(learned)
    expected = {"preprocessing": preprocessing.fingerprint(), "outputs": contract(tasks)}
    refuse_other_contract(_stated_contract(checkpoint), expected, str(place))
    heads = {name: task.build_head for name, task in tasks.items()}
    model = build_multitask_model(_architecture(config, place), heads, preprocessing.image_size)
    model.load_state_dict(_finite_state(checkpoint, place))
    framing = checkpoint.get("framing")
    found = Framing.from_plain(framing) if framing else None
    return TrainedModel(model.eval(), preprocessing, tasks, found, config)


def _architecture(config: Mapping[str, Any], place: str | Path) -> ModelConfig:
    """Return the settings of a checkpoint's network; initial weights are not needed, it has all weights.

    Raises:
        ConfigError: The backbone is of a package that is not installed.
    """
    with translate_errors(ConfigError, lambda error: ConfigError(f"{place}: {error}")):
        return parse_config(ModelConfig, config["model"] | {"weights": "none"}, "model")


def _task_configs(checkpoint: Mapping[str, Any]) -> Mapping[str, TaskConfig]:
    """Return the settings of a model's tasks; those of models from before there were others are known."""
    if "tasks" in checkpoint:
        return parse_tasks(checkpoint["tasks"])
    return default_tasks(LossConfig(), checkpoint["config"]["data"]["num_landmarks"])


def _stated_contract(checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    """Return preprocessing and outputs as the checkpoint states them."""
    preprocessing = dict(checkpoint["preprocessing"])
    classes = {"classes": preprocessing.pop("labels", None)}
    points = {"points": checkpoint["landmark_set"]}
    before = {"expression": classes, "landmarks": points}  # from before there were other tasks
    return {"preprocessing": preprocessing, "outputs": checkpoint.get("outputs", before)}


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
    expected = {"preprocessing": preprocessing.fingerprint()}
    refuse_other_contract({"preprocessing": checkpoint["preprocessing"]}, expected, str(place))
    model = FaceResNet(_architecture(config, place), preprocessing.image_size)
    model.load_state_dict(_finite_state(checkpoint, place))
    return TrainedRecognition(model.eval(), preprocessing)


def refuse_other_contract(stated: Mapping[str, Any], expected: Mapping[str, Any], source: str) -> None:
    """Refuse a network that expects other images, or whose outputs have another meaning.

    With other preprocessing than in training a network gives wrong results without any error.

    Args:
        stated: `preprocessing` and `outputs` of a `best_model.pt`.
        expected: Those of this version of faceml.
        source: Path or URI of the checkpoint, for the error.

    Raises:
        ConfigError: Names every difference.
    """
    found, agreed = dotted_keys(stated), dotted_keys(expected)
    differences = [
        f"{name} {_shown(found.get(name))} where this faceml has {_shown(agreed.get(name))}"
        for name in dict.fromkeys([*found, *agreed])
        if found.get(name) != agreed.get(name)
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
