"""The tasks of a training that names none, and batches of faces with their targets."""

from typing import Literal

import torch
from torch import Tensor

from faceml.config.sections.losses import LossConfig
from faceml.config.sections.model import ModelConfig
from faceml.config.sections.tasks import default_tasks
from faceml.datasets.labelled_faces import FaceSample
from faceml.datasets.targets import Target
from faceml.models.multitask import MultitaskFaceModel, build_multitask_model
from faceml.tasks.build import Tasks, build_tasks


def default_pair(num_landmarks: Literal[5, 10] = 5, loss: LossConfig | None = None) -> Tasks:
    """Expression by folder, and landmarks."""
    return build_tasks(default_tasks(loss or LossConfig(), num_landmarks))


def pair_model(config: ModelConfig | None = None, num_landmarks: Literal[5, 10] = 5) -> MultitaskFaceModel:
    """A network for both."""
    heads = {name: task.build_head for name, task in default_pair(num_landmarks).items()}
    return build_multitask_model(config or ModelConfig(), heads)


def pair_batch(image: Tensor, labels: Tensor, landmarks: Tensor, has_landmarks: Tensor) -> FaceSample:
    """A batch with the targets of both."""
    targets = {
        "expression": Target(labels, torch.ones(len(labels), dtype=torch.bool)),
        "landmarks": Target(landmarks, has_landmarks),
    }
    return FaceSample(image, targets, torch.arange(len(image)))


def with_target(batch: FaceSample, task: str, **parts: Tensor) -> FaceSample:
    """The batch with other values of a task's target, or others of them known."""
    return batch._replace(targets=batch.targets | {task: batch.targets[task]._replace(**parts)})


def rows_of(batch: FaceSample, rows: slice) -> FaceSample:
    """Some rows of a batch, as one of several workers has them."""
    targets = {name: Target(*(part[rows] for part in target)) for name, target in batch.targets.items()}
    return FaceSample(batch.image[rows], targets, batch.position[rows])


def assert_same_faces(found: FaceSample, wanted: FaceSample) -> None:
    """Bit for bit, and of the same types."""
    assert found.targets.keys() == wanted.targets.keys()
    pairs = [(found.image, wanted.image), (found.position, wanted.position)]
    pairs += [
        pair for task in found.targets for pair in zip(found.targets[task], wanted.targets[task], strict=True)
    ]
    for one, other in pairs:
        assert one.dtype == other.dtype
        assert torch.equal(one, other)
