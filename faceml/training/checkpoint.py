"""Checkpoints: the state of a training, and the trained model."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from faceml.datasets import Preprocessing
from faceml.images import Framing
from faceml.storage import atomic_file, read_tensors
from faceml.tasks import Tasks
from faceml.training.observer import Metrics

if TYPE_CHECKING:
    from faceml.models import MultitaskFaceModel

STATE_FILE = "training_state.pt"
MODEL_FILE = "model.pt"
IS_FINAL = "is_final"
"""Key of the file of a model that is that of the last epoch, whatever its metrics; other files lack it."""


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


def contract(tasks: Tasks) -> dict[str, Any]:
    """Return the meaning of the outputs of each task: names of classes, columns or points, in their order."""
    return {name: task.contract() for name, task in tasks.items()}


def model_checkpoint(
    model: "MultitaskFaceModel",
    config: dict[str, Any],
    preprocessing: Preprocessing,
    tasks: Tasks,
    metrics: Metrics,
    framing: Framing | None = None,
) -> dict[str, Any]:
    """Return the content of `best_model.pt`: all that is needed to use a model, and its metrics.

    Args:
        model: The network, whose `state_dict` becomes `model_state_dict`.
        config: The resolved training configuration as plain values.
        preprocessing: The preprocessing that the network expects.
        tasks: Its tasks, whose settings are stored with what they have learned, such as classes.
        metrics: Metrics of the epoch.
        framing: Location of faces in the training images; None without landmarks.
    """
    return {
        "model_state_dict": model.state_dict(),
        "config": config,
        "preprocessing": preprocessing.fingerprint(),
        "tasks": {name: task.config.model_dump(mode="json") for name, task in tasks.items()},
        "learned": {name: task.learned() for name, task in tasks.items()},
        "outputs": contract(tasks),
        "landmark_set": contract(tasks).get("landmarks", {}).get("points"),
        "framing": framing.as_plain() if framing else None,
        "metrics": metrics,
    }
