"""Steps of several workers or batches, compared with a step of one large batch."""

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import TypeAdapter
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import SGD, AdamW

from faceml.config.train import OptimizerConfig
from faceml.datasets.labelled_faces import FaceSample
from faceml.datasets.preprocessing import Preprocessing
from faceml.losses.weighting.adaptive import (
    FastAdaptiveWeighting,
    GeometricWeighting,
    SoftOptimalWeighting,
)
from faceml.losses.weighting.base import TaskWeighting
from faceml.losses.weighting.gradients import ConflictFreeWeighting, DualBalancingWeighting
from faceml.losses.weighting.uncertainty import UncertaintyWeighting
from faceml.models.architecture import residual_stages
from faceml.models.multitask import MultitaskFaceModel
from faceml.training.objective import MultitaskObjective, ObjectiveOutput
from faceml.training.optimizer import AveragedWeights, build_optimizer
from faceml.training.step import TrainingStep
from tests.default_tasks import default_pair, pair_batch, pair_model, rows_of, with_target
from tests.two_workers import run_on_two_workers

STEPS, FACES, SIDE_PX = 3, 8, 32
TASKS = ("expression", "landmarks")


def objective(weighting: TaskWeighting | None = None) -> MultitaskObjective:
    """The same one each time; its batch norms know what they know, so that faces do not touch each other."""
    torch.manual_seed(11)
    made = MultitaskObjective(
        pair_model(), weighting or UncertaintyWeighting(TASKS), Preprocessing(SIDE_PX), default_pair()
    )
    made.train()
    for module in made.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.Dropout):
            module.eval()
    return made


def large_batches() -> list[FaceSample]:
    """Faces of some steps; the first half of each batch has many more landmarks than the second."""
    generator = torch.Generator().manual_seed(5)
    has_landmarks = torch.tensor([True] * (FACES // 2) + [True] + [False] * (FACES // 2 - 1))
    return [
        pair_batch(
            torch.randint(256, (FACES, 3, SIDE_PX, SIDE_PX), dtype=torch.uint8, generator=generator),
            torch.randint(8, (FACES,), generator=generator),
            torch.rand(FACES, 5, 2, generator=generator),
            has_landmarks,
        )
        for _ in range(STEPS)
    ]


def half(batch: FaceSample, number: int) -> FaceSample:
    size = len(batch.position) // 2
    return rows_of(batch, slice(number * size, (number + 1) * size))


def updated(step: TrainingStep, batches: Sequence[Sequence[FaceSample]]) -> list[Tensor]:
    found = [step(group) for group in batches]
    assert all(result.is_done for result in found)
    return [result.losses for result in found]


def step_of(made: MultitaskObjective, module: nn.Module | None = None, **options: Any) -> TrainingStep:
    return TrainingStep(
        module or made, made, SGD(made.parameters(), 0.05, momentum=0.9, fused=True), **options
    )


@pytest.fixture(scope="module")
def whole() -> tuple[MultitaskObjective, list[Tensor]]:
    """One worker, one large batch a step."""
    made = objective()
    return made, updated(step_of(made), [[batch] for batch in large_batches()])


def assert_close(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    """Sums in another order differ in the last bits of float32."""
    start = objective().state_dict()
    assert not torch.allclose(expected["model.backbone.conv1.weight"], start["model.backbone.conv1.weight"])
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_training_step__of_two_batches_is_that_of_one_large_batch(
    whole: tuple[MultitaskObjective, list[Tensor]],
) -> None:
    made = objective()
    losses = updated(step_of(made), [[half(batch, 0), half(batch, 1)] for batch in large_batches()])
    assert_close(dict(made.state_dict()), dict(whole[0].state_dict()))
    torch.testing.assert_close(losses, whole[1], rtol=1e-4, atol=1e-6)


OTHER_WEIGHTINGS: dict[str, Callable[[], TaskWeighting]] = {
    "pcgrad": lambda: ConflictFreeWeighting({"expression": 1.0, "landmarks": 4.0}),
    "famo": lambda: FastAdaptiveWeighting(TASKS),
    "uw_so": lambda: SoftOptimalWeighting(TASKS, temperature=10.0),
    "gls": lambda: GeometricWeighting(TASKS),
    "db_mtl": lambda: DualBalancingWeighting(TASKS),
}


def small_objective(weighting: TaskWeighting) -> MultitaskObjective:
    torch.manual_seed(3)
    backbone = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    tasks = default_pair()
    model = MultitaskFaceModel(backbone, 8, 6, {name: task.build_head for name, task in tasks.items()})
    return MultitaskObjective(model.eval(), weighting, Preprocessing(SIDE_PX), tasks)


def test_training_step__other_weightings_on_two_workers_are_as_on_one(tmp_path: Path) -> None:
    run_on_two_workers(worker_of_other_weightings, tmp_path)
    found = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1)]
    for kind, weighting in OTHER_WEIGHTINGS.items():
        made = small_objective(weighting())
        start = made.model.backbone[0].weight.detach().clone()
        losses = updated(step_of(made), [[batch] for batch in large_batches()])
        assert not torch.allclose(made.model.backbone[0].weight, start)
        for each in found:
            torch.testing.assert_close(each[kind]["state"], dict(made.state_dict()), rtol=1e-4, atol=1e-6)
        means = [(a + b) / 2 for a, b in zip(found[0][kind]["losses"], found[1][kind]["losses"], strict=True)]
        torch.testing.assert_close(means, losses, rtol=1e-4, atol=1e-5)


def worker_of_other_weightings(rank: int, folder: Path) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    found = {}
    for kind, weighting in OTHER_WEIGHTINGS.items():
        made = small_objective(weighting())
        step = step_of(made, DistributedDataParallel(made))
        losses = updated(step, [[half(batch, rank)] for batch in large_batches()])
        found[kind] = {"losses": losses, "state": dict(made.state_dict())}
    torch.save(found, folder / f"{rank}.pt")
    distributed.destroy_process_group()


@pytest.mark.parametrize("kind", OTHER_WEIGHTINGS)
def test_training_step__a_batch_without_landmarks_teaches_expressions_with_any_weighting(kind: str) -> None:
    made, batch = objective(OTHER_WEIGHTINGS[kind]()), large_batches()[0]
    before = {name: p.detach().clone() for name, p in made.model.named_parameters()}
    result = step_of(made)([with_target(batch, "landmarks", known=torch.zeros(FACES, dtype=torch.bool))])
    assert bool(result.is_done)
    assert result.losses.isfinite().all()
    changed = {n for n, p in made.model.named_parameters() if not torch.equal(p.detach(), before[n])}
    assert "backbone.conv1.weight" in changed
    assert "expression_head.weight" in changed
    assert "landmark_head.weight" not in changed


def worker(rank: int, folder: Path, accumulate: bool) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    made = objective()
    own = [half(batch, rank) for batch in large_batches()]
    groups = [[half(batch, 0), half(batch, 1)] if accumulate else [batch] for batch in own]
    losses = updated(step_of(made, DistributedDataParallel(made)), groups)
    torch.save({"losses": losses, "state": dict(made.state_dict())}, folder / f"{rank}.pt")
    distributed.destroy_process_group()


@pytest.mark.parametrize("accumulate", [False, True])
def test_training_step__of_two_workers_is_that_of_one_with_the_whole_batch(
    accumulate: bool, whole: tuple[MultitaskObjective, list[Tensor]], tmp_path: Path
) -> None:
    run_on_two_workers(worker, tmp_path, accumulate)
    found = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1)]
    for each in found:
        assert_close(each["state"], dict(whole[0].state_dict()))
    means = [(one + other) / 2 for one, other in zip(found[0]["losses"], found[1]["losses"], strict=True)]
    torch.testing.assert_close(means, whole[1], rtol=1e-4, atol=1e-6)


def test_training_step__tells_the_norm_of_the_whole_gradient(
    whole: tuple[MultitaskObjective, list[Tensor]],
) -> None:
    made, batch = objective(), large_batches()[0]
    made(batch).total.backward()
    squares = [p.grad.double().square().sum() for p in made.parameters() if p.grad is not None]
    result = step_of(objective())([batch])
    assert float(result.grad_norm) == pytest.approx(float(torch.stack(squares).sum().sqrt()), rel=1e-5)
    torch.testing.assert_close(result.losses, whole[1][0])


def test_training_step__a_longer_gradient_is_cut_to_the_length_wanted() -> None:
    made, batch = objective(), large_batches()[0]
    before = [p.detach().clone() for p in made.parameters()]
    TrainingStep(made, made, SGD(made.parameters(), 1.0, fused=True), max_grad_norm=0.25)([batch])
    moved = [(p.detach() - q).double().square().sum() for p, q in zip(made.parameters(), before, strict=True)]
    assert float(torch.stack(moved).sum().sqrt()) == pytest.approx(0.25, rel=1e-4)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["sgd", "adamw"])
@pytest.mark.parametrize(
    ("max_grad_norm", "weighting"), [(None, None), (0.25, None), (None, DualBalancingWeighting(TASKS))]
)
def test_training_step__a_gradient_that_is_not_finite_changes_nothing(
    value: float, name: str, max_grad_norm: float | None, weighting: TaskWeighting | None
) -> None:
    made, batch = objective(copy.deepcopy(weighting)), large_batches()[0]
    momentum = SGD(made.parameters(), 0.05, momentum=0.9, fused=True)
    optimizer = momentum if name == "sgd" else AdamW(made.parameters(), fused=True)
    step = TrainingStep(made, made, optimizer, max_grad_norm=max_grad_norm)
    step([batch])  # from here on the optimiser has a state
    averages = copy.deepcopy(optimizer.state_dict()["state"])
    batch = copy.deepcopy(batch)
    batch.targets["landmarks"].values[0, 0, 0] = value

    def state() -> dict[str, Tensor]:
        # Weights that follow the losses are those of each step.
        return {name: t.clone() for name, t in made.state_dict().items() if name != "weighting.weights"}

    before = state()
    result = step([batch])
    assert (bool(result.is_done), bool(result.is_nonfinite)) == (False, True)
    torch.testing.assert_close(state(), before, rtol=0, atol=0)
    torch.testing.assert_close(optimizer.state_dict()["state"], averages, rtol=0, atol=0)


@pytest.mark.parametrize("config", [{"name": "sgd", "momentum": 0.9}, {"name": "adamw"}])
def test_training_step__a_first_one_that_is_left_out_leaves_no_trace(config: dict[str, Any]) -> None:
    states = []
    for poisoned in (True, False):
        made, batch = objective(), large_batches()[0]
        chosen = TypeAdapter[OptimizerConfig](OptimizerConfig).validate_python(config)
        stages = residual_stages(made.model.backbone)
        step = TrainingStep(
            made,
            made,
            build_optimizer(chosen, made.model, stages, made.weighting, 0.01),
        )
        if poisoned:
            wrong = batch.targets["landmarks"].values.clone()
            wrong[0, 0, 0] = float("nan")
            step([with_target(batch, "landmarks", values=wrong)])
        step([batch])
        states.append(dict(made.state_dict()))
    torch.testing.assert_close(*states, rtol=0, atol=0)


def test_training_step__one_left_out_leaves_statistics_and_their_average_as_they_were() -> None:
    made, batch = objective().train(), large_batches()[0]
    step, average = step_of(made), AveragedWeights(made.model, 0.5)
    for poisoned in (False, True):
        before = {name: tensor.clone() for name, tensor in made.model.state_dict().items()}
        image = batch.image.float()
        image[0, 0, 0, 0] = float("inf") if poisoned else 0.0  # as an activation that overflows in fp16
        result = step([batch._replace(image=image), batch])
        average.update()
        assert bool(result.is_done) is not poisoned
        statistics = [name for name in before if "running" in name]
        assert len(statistics) > 40
        for name, tensor in made.model.state_dict().items():
            if "num_batches" not in name:
                assert torch.equal(tensor, before[name]) is poisoned or not poisoned, name
    assert all(tensor.isfinite().all() for tensor in average.model.state_dict().values())
    assert made.model.eval()(batch.image.float()).tasks["expression"].isfinite().all()


def poisoned_worker(rank: int, folder: Path) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    made, batch = objective().train(), half(large_batches()[0], rank)
    if rank == 1:
        batch.targets["landmarks"].values[0, 0, 0] = float("inf")
    found = {}
    for precision in ("fp32", "fp16"):
        result = step_of(made, DistributedDataParallel(made), precision=precision)([batch])
        found[precision] = (bool(result.is_done), bool(result.is_nonfinite))
        found[f"{precision}_loss"] = bool(result.losses.isfinite().all())
    torch.save(found, folder / f"{rank}.pt")
    distributed.destroy_process_group()


def test_training_step__a_loss_of_one_worker_that_is_not_finite_is_known_to_all(tmp_path: Path) -> None:
    """The workers report such a step together: one that does not know of it would not come, and all wait."""
    run_on_two_workers(poisoned_worker, tmp_path)
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    for precision in ("fp32", "fp16"):
        assert (first[f"{precision}_loss"], second[f"{precision}_loss"]) == (True, False)
        assert first[precision] == second[precision] == (False, True)


def test_training_step__an_overflow_of_the_loss_scale_is_no_fault_of_the_batch() -> None:
    made = objective()
    step = step_of(made, precision="fp16")
    step.scaler = torch.amp.GradScaler("cpu", init_scale=1e38)
    result = step([large_batches()[0]])
    assert (bool(result.is_done), bool(result.is_nonfinite)) == (False, False)


def test_training_step__shows_the_output_before_its_graph_is_gone() -> None:
    made, seen = objective(), list[float]()

    def on_output(output: ObjectiveOutput) -> None:
        (gradient,) = torch.autograd.grad(
            output.losses["expression"], [made.model.backbone.conv1.weight], retain_graph=True
        )
        seen.append(float(gradient.norm()))

    step_of(made)([large_batches()[0]], on_output)
    assert len(seen) == 1
    assert seen[0] > 0


def test_training_step__bf16_is_near_fp32_and_keeps_parameters_in_float32(
    whole: tuple[MultitaskObjective, list[Tensor]],
) -> None:
    made = objective()
    result = step_of(made, precision="bf16")([large_batches()[0]])
    assert result.output.outputs.tasks["expression"].dtype == torch.bfloat16
    assert {p.dtype for p in made.parameters()} == {torch.float32}
    torch.testing.assert_close(result.losses, whole[1][0], rtol=0.05, atol=0.02)
