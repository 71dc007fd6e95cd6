"""Total and task losses of a batch, on one and two workers."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from faceml.datasets.face_dataset import FaceSample
from faceml.datasets.preprocessing import Preprocessing
from faceml.losses.weighting.base import FixedWeighting, TaskWeighting
from faceml.losses.weighting.uncertainty import KendallWeighting, UncertaintyWeighting
from faceml.models.multitask import MultitaskFaceModel
from faceml.training.objective import MultitaskObjective, rows_per_worker, task_gradients
from tests.two_workers import run_on_two_workers

TASKS = ("expression", "landmarks")
HAS_LANDMARKS = [True, False, True, True, True, False, False, False]


def small_model() -> MultitaskFaceModel:
    """In evaluation mode, so that a row does not depend on the others of its batch."""
    torch.manual_seed(0)
    backbone = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return MultitaskFaceModel(backbone, 4, 6, 8, 5).eval()


def batch() -> FaceSample:
    generator = torch.Generator().manual_seed(1)
    return FaceSample(
        image=torch.randint(0, 256, (8, 3, 12, 12), dtype=torch.uint8, generator=generator),
        label=torch.randint(0, 8, (8,), generator=generator),
        landmarks=torch.rand(8, 5, 2, generator=generator),
        has_landmarks=torch.tensor(HAS_LANDMARKS),
        position=torch.arange(8),
    )


def objective(
    weighting: TaskWeighting, weights: Tensor | None = None, smoothing: float = 0.0
) -> MultitaskObjective:
    return MultitaskObjective(small_model(), weighting, Preprocessing(12), weights, smoothing).eval()


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_multitask_objective__total_is_that_of_its_parts(weighted: bool, smoothing: float) -> None:
    weights = torch.linspace(0.5, 2.0, 8) if weighted else None
    faces, fixed = batch(), FixedWeighting({"expression": 0.75, "landmarks": 40.0})
    total, losses, outputs = objective(fixed, weights, smoothing)(faces)

    logits = outputs.logits.detach().double().numpy()
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    target = np.eye(8)[faces.label] * (1 - smoothing) + smoothing / 8
    per_class = np.ones(8) if weights is None else weights.double().numpy()
    expression = -(target * log_p * per_class).sum(axis=1).mean()
    rows = np.array(HAS_LANDMARKS)
    errors = (outputs.landmarks - faces.landmarks).detach().double().numpy()[rows]
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
    faces = batch()._replace(has_landmarks=torch.zeros(8, dtype=torch.bool))
    model = objective(UncertaintyWeighting(TASKS))
    total, losses, _ = model(faces)
    total.backward()
    assert losses["landmarks"].item() == 0.0
    assert total.item() == pytest.approx(losses["expression"].item())
    for parameter in model.model.landmark_head.parameters():
        assert parameter.grad is not None
        assert not parameter.grad.any()


def test_multitask_objective__class_weights_move_with_it_but_are_not_in_its_state() -> None:
    weighted = objective(UncertaintyWeighting(TASKS), torch.ones(8))
    (weights,) = weighted.to("meta").buffers(recurse=False)
    assert weights.device.type == "meta"
    assert weighted.state_dict().keys() == objective(UncertaintyWeighting(TASKS)).state_dict().keys()


def test_task_gradients__are_those_of_each_task_alone() -> None:
    model = objective(FixedWeighting({"expression": 5.0, "landmarks": 7.0}))
    shared = list(model.model.backbone.parameters())
    total, losses, _ = model(batch())
    norms, cosine = task_gradients(losses, shared)
    total.backward()  # the graph is still there
    combined = [parameter.grad.clone() for parameter in shared if parameter.grad is not None]
    separate = []
    for task in TASKS:
        model.zero_grad()
        model(batch()).losses[task].backward()
        gradients = [parameter.grad.clone() for parameter in shared if parameter.grad is not None]
        separate.append(gradients)
        expected = np.sqrt(sum(float(gradient.double().square().sum()) for gradient in gradients))
        assert expected > 0
        assert norms[task] == pytest.approx(expected, rel=1e-4)
    for whole, expression, landmarks in zip(combined, *separate, strict=True):
        torch.testing.assert_close(whole, 5 * expression + 7 * landmarks, rtol=1e-3, atol=1e-6)
    one, other = (torch.cat([g.flatten() for g in gradients]).double().numpy() for gradients in separate)
    expected = one @ other / np.sqrt((one @ one) * (other @ other))
    assert 0.001 < abs(expected) < 1
    assert cosine == pytest.approx(expected, rel=1e-3)


def test_task_gradients__of_a_task_without_influence_is_0() -> None:
    shared, other = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3))
    losses = {"reaches": (shared * torch.tensor([3.0, 4.0, 0.0])).sum(), "misses": other.sum()}
    norms, cosine = task_gradients(losses, [shared])
    assert norms == {"reaches": pytest.approx(5.0), "misses": 0.0}
    assert np.isnan(cosine)


def test_rows_per_worker__alone_is_the_count() -> None:
    assert rows_per_worker(torch.tensor(HAS_LANDMARKS)).item() == 4.0
    assert rows_per_worker(torch.zeros(3, dtype=torch.bool)).item() == 0.0


def work(rank: int, folder: Path) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    half = FaceSample(*(values[4 * rank : 4 * rank + 4] for values in batch()))
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
