"""Using a network that was trained: it is read back with the preprocessing it expects, or refused."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from faceml.config import ConfigError, ModelConfig
from faceml.datasets import EXPRESSIONS, Preprocessing
from faceml.images import Framing
from faceml.models import MultitaskFaceModel, build_multitask_model
from faceml.tables import LANDMARK_SETS, LandmarkSet
from faceml.training.checkpoint import contract, read_state

KEYS = ("model_state_dict", "config", "preprocessing", "landmark_set")


class TrainedModel(NamedTuple):
    """A network in evaluation mode, and what is to be known of it.

    Attributes:
        model: The network.
        preprocessing: What is done to images before it.
        landmark_set: The points that it places.
        framing: How faces lay in the images it was trained on; None if it does not say.
        config: Of its training, as plain values.
    """

    model: MultitaskFaceModel
    preprocessing: Preprocessing
    landmark_set: LandmarkSet
    framing: Framing | None = None
    config: Mapping[str, Any] = MappingProxyType({})


def load_trained_model(place: str | Path) -> TrainedModel:
    """Read a `best_model.pt` at a path or URI.

    Raises:
        ConfigError: It is none, or was trained on images, points or labels other than this faceml makes; each
            difference is named.
    """
    checkpoint = read_state(place)
    missing = [key for key in KEYS if key not in checkpoint]
    if missing:
        raise ConfigError(f"{place}: is no model of `faceml train`; it lacks {', '.join(missing)}.")
    config = checkpoint["config"]
    preprocessing = Preprocessing(config["data"]["image_size"])
    landmark_set = LANDMARK_SETS[config["data"]["num_landmarks"]]
    refuse_other_contract(checkpoint, contract(preprocessing, landmark_set), str(place))
    # Its weights come with it: whatever it once started from is not looked for again.
    architecture = ModelConfig.model_validate(config["model"] | {"weights": "none"})
    model = build_multitask_model(architecture, len(landmark_set), len(EXPRESSIONS))
    model.load_state_dict(checkpoint["model_state_dict"])
    framing = checkpoint.get("framing")
    found = Framing.from_plain(framing) if framing else None
    return TrainedModel(model.eval(), preprocessing, landmark_set, found, config)


def refuse_other_contract(checkpoint: Mapping[str, Any], expected: Mapping[str, Any], source: str) -> None:
    """Refuse a network that expects other images or means other things by its outputs.

    A network fed otherwise than in training is wrong without a sign.

    Args:
        checkpoint: Content of a `best_model.pt`.
        expected: From `faceml.training.checkpoint.contract`.
        source: Where the checkpoint comes from, for the error.

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
            f"{source}: was trained with {'; '.join(differences)}. Use the faceml that it was trained with, "
            "or train it anew."
        )


def _shown(value: Any) -> str:
    return "[" + ", ".join(map(str, value)) + "]" if isinstance(value, list) else str(value)
