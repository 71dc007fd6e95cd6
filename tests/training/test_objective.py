"""Total and task losses of a batch, on one and two workers."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from faceml.config.sections.losses import LossConfig
from faceml.datasets.augmentation import Moves
from faceml.datasets.labelled_faces import FaceSample
from faceml.datasets.preprocessing import Preprocessing
from faceml.losses.weighting.base import FixedWeighting, TaskWeighting
from faceml.losses.weighting.uncertainty import KendallWeighting, UncertaintyWeighting
from faceml.models.multitask import MultitaskFaceModel
from faceml.training.objective import MultitaskObjective
from tests.default_tasks import default_pair, pair_batch, rows_of, with_target
from tests.two_workers import run_on_two_workers

TASKS = ("expression", "landmarks")
COUNTS = [3, 1, 4, 1, 5, 9, 2, 6]
"""Training faces of each class."""
HAS_LANDMARKS = [True, False, True, True, True, False, False, False]


def small_model() -> MultitaskFaceModel:
    """In evaluation mode, so that a row does not depend on the others of its batch."""
    torch.manual_seed(0)
    backbone = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    heads = {name: task.build_head for name, task in default_pair().items()}
    return MultitaskFaceModel(backbone, 4, 6, heads).eval()


def batch() -> FaceSample:
    generator = torch.Generator().manual_seed(1)
    return pair_batch(
        image=torch.randint(0, 256, (8, 3, 12, 12), dtype=torch.uint8, generator=generator),
        labels=torch.randint(0, 8, (8,), generator=generator),
        landmarks=torch.rand(8, 5, 2, generator=generator),
        has_landmarks=torch.tensor(HAS_LANDMARKS),
    )


def objective(weighting: TaskWeighting, loss: LossConfig | None = None) -> MultitaskObjective:
    tasks, counts = default_pair(loss=loss), torch.tensor(COUNTS)
    of_training = pair_batch(
        torch.empty(len(counts.repeat_interleave(counts))),
        torch.arange(8).repeat_interleave(counts),
        torch.zeros(int(counts.sum()), 5, 2),
        torch.ones(int(counts.sum()), dtype=torch.bool),
    )
    return MultitaskObjective(small_model(), weighting, Preprocessing(12), tasks, of_training.targets).eval()


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_multitask_objective__total_is_that_of_its_parts(weighted: bool, smoothing: float) -> None:
    faces, fixed = batch(), FixedWeighting({"expression": 0.75, "landmarks": 40.0})
    loss = LossConfig(class_weights="inverse_frequency" if weighted else "none", label_smoothing=smoothing)
    total, losses, outputs = objective(fixed, loss)(faces)

    logits = outputs.tasks["expression"].detach().double().numpy()
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    target = np.eye(8)[faces.targets["expression"].values] * (1 - smoothing) + smoothing / 8
    per_class = sum(COUNTS) / (8 * np.array(COUNTS)) if weighted else np.ones(8)
    expression = -(target * log_p * per_class).sum(axis=1).mean()
    rows = np.array(HAS_LANDMARKS)
    errors = (outputs.tasks["landmarks"] - faces.targets["landmarks"].values).detach().double().numpy()[rows]
    landmarks = (errors**2).mean()
    assert losses["expression"].item() == pytest.approx(expression, rel=1e-5)
    assert losses["landmarks"].item() == pytest.approx(landmarks, rel=1e-5)
    assert total.item() == pytest.approx(0.75 * expression + 40 * landmarks, rel=1e-5)


def test_multitask_objective__learned_weights_enter_the_total() -> None:
    weighting = KendallWeighting(["expression"], ["landmarks"], initial_log_var=0.5)
    total, losses, _ = objective(weighting)(batch())
    expected = np.exp(-0.5) * (losses["expression"].item() + losses["landmarks"].item() / 2) + 0.5
    assert total.item() == pytest.approx(expected, rel=1e-5)


def test_multitask_objective__without_landmarks_only_expressions_teach() -> None:
    faces = with_target(batch(), "landmarks", known=torch.zeros(8, dtype=torch.bool))
    model = objective(UncertaintyWeighting(TASKS))
    total, losses, _ = model(faces)
    total.backward()
    assert losses["landmarks"].item() == 0.0
    assert total.item() == pytest.approx(losses["expression"].item())
    for parameter in model.model.landmark_head.parameters():
        assert parameter.grad is not None
        assert not parameter.grad.any()


def test_multitask_objective__class_weights_move_with_it_but_are_not_in_its_state() -> None:
    weighted = objective(UncertaintyWeighting(TASKS), LossConfig(class_weights="inverse_frequency"))
    (weights,) = weighted.losses.to("meta").buffers()
    assert weights.device.type == "meta"
    assert weighted.state_dict().keys() == objective(UncertaintyWeighting(TASKS)).state_dict().keys()


def test_count_targets__alone_are_the_counts_averaged_over_batches() -> None:
    made, none = objective(UncertaintyWeighting(TASKS)), torch.zeros(8, dtype=torch.bool)
    assert made.count_targets([batch()]) == {"expression": 8.0, "landmarks": 4.0}
    empty = with_target(batch(), "landmarks", known=none)
    assert made.count_targets([batch(), empty]) == {"expression": 8.0, "landmarks": 2.0}
    assert made.count_targets([empty]) == {"expression": 8.0, "landmarks": 0.0}


def test_move_targets__follow_the_images_and_stay_known() -> None:
    made, faces = objective(UncertaintyWeighting(TASKS)), batch()
    flips = torch.arange(8) % 2 == 0
    moves = Moves(flips, torch.eye(2).expand(8, 2, 2), torch.zeros(8, 2))
    moved = made.move_targets(faces.targets, moves)
    points = faces.targets["landmarks"].values
    mirrored = (torch.tensor([1.0, 0.0]) - points * torch.tensor([1.0, -1.0]))[:, [1, 0, 2, 4, 3]]
    torch.testing.assert_close(moved["landmarks"].values, torch.where(flips[:, None, None], mirrored, points))
    assert torch.equal(moved["expression"].values, faces.targets["expression"].values)
    for name, target in moved.items():
        assert torch.equal(target.known, faces.targets[name].known)


def work(rank: int, folder: Path) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    half = rows_of(batch(), slice(4 * rank, 4 * rank + 4))
    module = DistributedDataParallel(objective(UncertaintyWeighting(TASKS)))
    total, losses, _ = module(half)
    total.backward()
    gradients = {name: parameter.grad for name, parameter in module.module.named_parameters()}
    result = {"losses": {task: loss.detach() for task, loss in losses.items()}, "gradients": gradients}
    torch.save(result, folder / f"{rank}.pt")
    distributed.destroy_process_group()


def test_multitask_objective__two_workers_train_on_the_mean_over_all_rows(tmp_path: Path) -> None:
    """The first half has three rows with landmarks, the second one."""
    assert [sum(HAS_LANDMARKS[:4]), sum(HAS_LANDMARKS[4:])] == [3, 1]
    run_on_two_workers(work, tmp_path)
    results = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1)]
    whole = objective(UncertaintyWeighting(TASKS))
    total, losses, _ = whole(batch())
    total.backward()
    for task in TASKS:
        mean = (results[0]["losses"][task] + results[1]["losses"][task]) / 2
        torch.testing.assert_close(mean, losses[task].detach(), rtol=1e-5, atol=1e-7)
    for name, parameter in whole.named_parameters():
        for result in results:
            torch.testing.assert_close(result["gradients"][name], parameter.grad, rtol=1e-4, atol=1e-6)
