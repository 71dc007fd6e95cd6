"""Networks with random weights as files of `faceml train`, for tests of what is done with a model."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from faceml.config.sections.model import ModelConfig
from faceml.config.sections.tasks import parse_tasks
from faceml.datasets.preprocessing import Preprocessing
from faceml.images.framing import Framing
from faceml.models.multitask import build_multitask_model
from faceml.tasks.build import build_tasks
from faceml.training.checkpoint import model_checkpoint, write_state

PAIR = {"expression": {"kind": "classification"}, "landmarks": {"kind": "landmarks"}}
"""The tasks of a training without the setting `tasks`."""
POSE = {"kind": "regression", "target": ["yaw_deg", "pitch_deg", "roll_deg"], "scale": 90.0}
WITH_POSE = PAIR | {"pose": POSE}
OTHERS = {
    "happy": {"kind": "classification", "target": "happy", "classes": ["no", "yes"]},
    "units": {"kind": "multilabel", "target": ["au01", "au02", "au04"], "threshold": 0.55},
    "affect": {"kind": "regression", "target": ["valence", "arousal"], "range": [-1, 1]},
}
"""Tasks whose targets are in label tables."""
MESH = {"eyes": {"kind": "landmarks", "points": [33, 133, 362, 263]}}


def write_random_model(
    file: Path,
    tasks: Mapping[str, Any],
    image_size: int,
    num_landmarks: int = 5,
    framing: Framing | None = None,
) -> None:
    """Write a `best_model.pt` of a ResNet-18 with random weights, and an embedding of 16 dimensions.

    Statistics of batch norms and weights of heads are unlike those at first, so that errors in them have an
    effect, and outputs depend on the image.
    """
    torch.manual_seed(0)
    built = build_tasks(parse_tasks(dict(tasks)))
    network = build_multitask_model(
        ModelConfig(embedding_dim=16), {name: task.build_head for name, task in built.items()}
    )
    for name, values in [*network.named_buffers(), *network.named_parameters()]:
        if name.endswith("running_mean"):
            nn.init.normal_(values, std=0.1)
        elif name.endswith("running_var"):
            nn.init.uniform_(values, 0.5, 2.0)
        elif name.endswith("head.weight"):
            nn.init.normal_(values, std=0.2)
    settings = {
        "model": {"backbone": "resnet18", "weights": "none", "embedding_dim": 16},
        "data": {"image_size": image_size, "num_landmarks": num_landmarks},
    }
    write_state(model_checkpoint(network, settings, Preprocessing(image_size), built, {}, framing), file)
