"""What a training leaves behind: a state to resume from, and a model to use."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from faceml.datasets import EXPRESSIONS, Preprocessing
from faceml.images import Framing
from faceml.storage import atomic_file, read_tensors
from faceml.tables import LandmarkSet
from faceml.training.observer import Metrics

if TYPE_CHECKING:
    from faceml.models import MultitaskFaceModel

STATE_FILE = "training_state.pt"
MODEL_FILE = "model.pt"


def write_state(state: dict[str, Any], path: Path) -> None:
    """Write tensors and plain values, whole or not at all; `read_state` reads them back.

    Raises:
        StoppedError: No space is left.
    """
    with atomic_file(path) as partial, partial.open("wb") as file:
        torch.save(state, file)  # given a path instead, PyTorch does not say why it cannot write


def read_state(place: str | Path, device: torch.device | str = "cpu") -> dict[str, Any]:
    """Read what `write_state` wrote, at a path or URI; nothing in the file is executed.

    Raises:
        ConfigError: There is no such file in the store.
    """
    state: dict[str, Any] = read_tensors(place, device)
    return state


def contract(preprocessing: Preprocessing, landmark_set: LandmarkSet) -> dict[str, Any]:
    """Return what a network and its user have to agree on, as plain values.

    The preprocessing's fingerprint, `labels` in the order of the logits, `landmark_set` in that of points.
    """
    return preprocessing.fingerprint() | {
        "labels": list(EXPRESSIONS),
        "landmark_set": list(landmark_set.names),
    }


def model_checkpoint(
    model: "MultitaskFaceModel",
    config: dict[str, Any],
    preprocessing: Preprocessing,
    landmark_set: LandmarkSet,
    metrics: Metrics,
    framing: Framing | None = None,
) -> dict[str, Any]:
    """Return the content of `best_model.pt`: all that is needed to use a model, and how good it was.

    Args:
        model: Its `state_dict` becomes `model_state_dict`.
        config: The resolved training configuration as plain values.
        preprocessing: Of the images that the model expects.
        landmark_set: Of the points that it predicts.
        metrics: Of the epoch.
        framing: How faces lie in the images that it was trained on; None if no landmarks tell.
    """
    agreed = contract(preprocessing, landmark_set)
    return {
        "model_state_dict": model.state_dict(),
        "config": config,
        "preprocessing": {name: value for name, value in agreed.items() if name != "landmark_set"},
        "landmark_set": agreed["landmark_set"],
        "framing": framing.as_plain() if framing else None,
        "metrics": metrics,
    }
