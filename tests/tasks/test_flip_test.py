"""Flip test: mean outputs for faces and their mirror images, for every kind of task."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from faceml.config.sections.tasks import parse_tasks
from faceml.datasets.augmentation import Moves
from faceml.models.multitask import MultitaskFaceModel
from faceml.tasks.build import Tasks, build_tasks
from faceml.tasks.flip_test import run_flip_test

KINDS: dict[str, dict[str, Any]] = {
    "expression": {"kind": "classification", "classes": ["neutral", "happy", "sad"]},
    "winks": {
        "kind": "multilabel",
        "target": ["wink_left", "smile", "wink_right"],
        "swap_on_flip": [["wink_left", "wink_right"]],
    },
    "gaze": {
        "kind": "regression",
        "target": ["gaze_x", "gaze_y"],
        "negate_on_flip": ["gaze_x"],
        "range": [-9, 21],
        "scale": 5,
    },
    "pose": {"kind": "regression", "target": ["yaw_deg", "pitch_deg", "roll_deg"], "scale": 90},
    "landmarks": {"kind": "landmarks", "points": 10},
    "mesh": {"kind": "landmarks", "points": [1, 61, 291]},
}
FACES = 4


@pytest.fixture
def tasks() -> Tasks:
    return build_tasks(parse_tasks(KINDS))


@pytest.fixture
def model(tasks: Tasks) -> MultitaskFaceModel:
    torch.manual_seed(0)
    backbone = nn.Sequential(nn.Flatten(), nn.Linear(3 * 6 * 6, 8))
    heads = {name: task.build_head for name, task in tasks.items()}
    network = MultitaskFaceModel(backbone, 8, 5, heads).eval()
    for weights in network.parameters():
        nn.init.normal_(weights, std=0.3)  # heads of landmarks start near the centre
    return network


def images() -> Tensor:
    return torch.randn(FACES, 3, 6, 6, generator=torch.Generator().manual_seed(1))


def flips() -> Moves:
    """Moves that only flip, and leave the last face as it is."""
    return Moves(
        torch.arange(FACES) < FACES - 1, torch.eye(2).expand(FACES, 2, 2).clone(), torch.zeros(FACES, 2)
    )


def test_run_flip_test__the_outputs_of_a_mirrored_face_are_mirrored(
    model: MultitaskFaceModel, tasks: Tasks
) -> None:
    with torch.no_grad():
        own, mirrored = (run_flip_test(model, shown, tasks) for shown in (images(), images().flip(-1)))
        plain = model(images())
    torch.testing.assert_close(own.embedding, mirrored.embedding)
    for name, task in tasks.items():
        torch.testing.assert_close(task.mirror_output(own.tasks[name]), mirrored.tasks[name])
        assert not torch.allclose(own.tasks[name], plain.tasks[name], rtol=1e-3)


def test_run_flip_test__of_a_symmetric_face_is_the_mean_with_its_mirrored_output(
    model: MultitaskFaceModel, tasks: Tasks
) -> None:
    face = images() + images().flip(-1)
    with torch.no_grad():
        averaged, plain = run_flip_test(model, face, tasks), model(face)
    torch.testing.assert_close(averaged.tasks["expression"], plain.tasks["expression"])
    yaw, pitch, roll = averaged.tasks["pose"].unbind(dim=1)
    torch.testing.assert_close(torch.stack([yaw, roll]), torch.zeros(2, FACES))
    torch.testing.assert_close(pitch, plain.tasks["pose"][:, 1])
    winks = averaged.tasks["winks"]
    torch.testing.assert_close(winks[:, 0], winks[:, 2])


@pytest.mark.parametrize("name", ["winks", "gaze", "landmarks"])
def test_mirror_output__agrees_with_the_targets_of_flipped_images(name: str, tasks: Tasks) -> None:
    task, moves = tasks[name], flips()
    output = task.build_head(5)(torch.randn(FACES, 5, generator=torch.Generator().manual_seed(2))).detach()
    part = f"{name}_probabilities" if name == "winks" else name
    expected = task.move(task.outputs(output)[part], moves)
    found = torch.where(
        moves.flips.reshape(-1, *(1,) * (output.ndim - 1)), task.mirror_output(output), output
    )
    torch.testing.assert_close(task.outputs(found)[part], expected)


def test_mirror_output__exchanges_the_corners_of_the_mouth_of_a_mesh(tasks: Tasks) -> None:
    nose, right, left = torch.tensor([[0.5, 0.6], [0.3, 0.8], [0.8, 0.7]])
    found = tasks["mesh"].mirror_output(torch.stack([nose, right, left])[None])
    torch.testing.assert_close(found[0], torch.tensor([[0.5, 0.6], [0.2, 0.7], [0.7, 0.8]]))
