"""Checkpoints: the state of a training, and the trained model."""

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
    """Write tensors and plain values to a file atomically; `read_state` reads them.

    Raises:
        StoppedError: No space is left on the disk.
    """
    with atomic_file(path) as partial, partial.open("wb") as file:
        torch.save(state, file)  # with a path instead of a file, PyTorch's error would lack the cause


def read_state(place: str | Path, device: torch.device | str = "cpu") -> dict[str, Any]:
    """Read a file of `write_state` from a path or URI, without executing code from it.

    Raises:
        ConfigError: The store has no such file.
    """
    state: dict[str, Any] = read_tensors(place, device)
    return state


def contract(preprocessing: Preprocessing, landmark_set: LandmarkSet) -> dict[str, Any]:
    """Return the meaning of a network's inputs and outputs as plain values.

    These are the preprocessing's fingerprint, `labels` in the order of the logits, and `landmark_set` in the
    order of the predicted landmarks.
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
    """Return the content of `best_model.pt`: all that is needed to use a model, and its metrics.

    Args:
        model: The network, whose `state_dict` becomes `model_state_dict`.
        config: The resolved training configuration as plain values.
        preprocessing: The preprocessing that the network expects.
        landmark_set: The landmarks that it predicts.
        metrics: Metrics of the epoch.
        framing: Location of faces in the training images; None without landmarks.
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
