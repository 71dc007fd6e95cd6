"""What every kind of task promises: masks, exact losses over batches and workers, and metrics."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, distributed

from faceml.config.sections.tasks import parse_tasks
from faceml.datasets.augmentation import Moves
from faceml.datasets.mixing import Mix
from faceml.datasets.targets import Target
from faceml.tasks.build import build_tasks
from faceml.tasks.multilabel import MISSING
from faceml.tasks.task import Task
from faceml.training.workers import mean_over_workers
from tests.two_workers import run_on_two_workers

CLASSES = ["no", "maybe", "yes"]
KINDS: dict[str, dict[str, Any]] = {
    "classes": {
        "kind": "classification",
        "classes": CLASSES,
        "loss": {"class_weights": "inverse_frequency", "label_smoothing": 0.1, "focal_gamma": 1.5},
    },
    "votes": {"kind": "classification", "classes": CLASSES, "target": CLASSES},
    "labels": {"kind": "multilabel", "target": ["a", "b"], "loss": {"positive_weights": "inverse_frequency"}},
    "numbers": {"kind": "regression", "target": ["valence", "arousal"], "range": [-2, 2]},
    "number": {"kind": "regression", "target": "age", "loss": {"kind": "smooth_l1"}, "scale": 10},
    "concordance": {"kind": "regression", "target": ["valence", "arousal"], "loss": {"kind": "ccc"}},
    "pose": {"kind": "regression", "target": ["yaw_deg", "roll_deg"], "scale": 90},
    "landmarks": {"kind": "landmarks", "points": 5, "loss": {"kind": "wing"}},
    "mesh": {"kind": "landmarks", "points": [1, 61, 291]},
}
ROWS = 8
MASKS = {
    "uneven": [True, True, True, False, True, False, False, False],
    "all on one worker": [True] * 4 + [False] * 4,
}
HALVES = (slice(0, 4), slice(4, 8))


def task_of(name: str) -> Task[Any]:
    return build_tasks(parse_tasks({name: KINDS[name]}))[name]


def output_of(name: str) -> Tensor:
    """What the head of the task says of eight faces."""
    torch.manual_seed(3)
    output: Tensor = task_of(name).build_head(6)(torch.randn(ROWS, 6))
    return output.detach() + 0.3 * torch.randn(output.shape)


def target_of(name: str, mask: list[bool], *, unknown: float | None = None) -> Target:
    """Target of the eight faces; rows that are not known hold `unknown`, or nothing of meaning."""
    generator, known = torch.Generator().manual_seed(1), torch.tensor(mask)
    if name == "classes":
        return Target(torch.randint(3, (ROWS,), generator=generator), known)
    if name == "labels":
        values = (torch.rand(ROWS, 2, generator=generator) < 0.5).float()
        values[torch.rand(ROWS, 2, generator=generator) < 0.3] = MISSING
        values[~known] = MISSING
        return Target(values, (values != MISSING).any(dim=1))
    width = {"votes": (3,), "number": (1,), "pose": (5,), "landmarks": (5, 2), "mesh": (7, 2)}.get(name, (2,))
    values = torch.rand(ROWS, *width, generator=generator)
    if name == "pose":  # yaw and roll, then all angles
        values[:, [0, 1]] = values[:, [2, 4]]
    if name == "votes":
        values /= values.sum(dim=1, keepdim=True)
    if unknown is not None:
        values[~known] = unknown
    return Target(values, known)


def part_of(target: Target, rows: slice) -> Target:
    return Target(target.values[rows], target.known[rows])


def loss_and_gradient(name: str, output: Tensor, target: Target, count: Tensor) -> tuple[Tensor, Tensor]:
    output = output.clone().requires_grad_()
    loss = task_of(name).build_loss(target_of(name, [True] * ROWS))(output, target, count)
    loss.backward()
    assert output.grad is not None
    return loss.detach(), output.grad


@pytest.mark.parametrize("name", KINDS)
def test_build_loss__without_any_target_is_exactly_0_with_gradients_of_0(name: str) -> None:
    target = target_of(name, [False] * ROWS)
    count = task_of(name).count(target)
    assert count == 0
    loss, gradient = loss_and_gradient(name, output_of(name), target, count)
    assert loss == 0
    assert torch.equal(gradient, torch.zeros_like(gradient))


@pytest.mark.parametrize("name", [name for name in KINDS if name not in ("classes", "labels")])
def test_build_loss__what_unknown_rows_hold_does_not_matter(name: str) -> None:
    mask, found = MASKS["uneven"], []
    for unknown in (0.25, 7.0, *(() if name == "votes" else (float("nan"),))):
        target = target_of(name, mask, unknown=unknown)
        found.append(loss_and_gradient(name, output_of(name), target, torch.tensor(4.0)))
    for loss, gradient in found[1:]:
        assert loss == found[0][0]
        assert torch.equal(gradient, found[0][1])
    assert torch.equal(found[0][1][~torch.tensor(mask)], torch.zeros_like(found[0][1][~torch.tensor(mask)]))
    assert found[0][1][torch.tensor(mask)].abs().sum() > 0


@pytest.mark.parametrize("name", KINDS)
def test_build_loss__half_precision_is_computed_in_float32(name: str) -> None:
    output, target = output_of(name).bfloat16(), target_of(name, MASKS["uneven"])
    task = task_of(name)
    loss, count = task.build_loss(target_of(name, [True] * ROWS)), task.count(target)
    assert loss(output, target, count).dtype == torch.float32
    torch.testing.assert_close(loss(output, target, count), loss(output.float(), target, count))


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("name", [name for name in KINDS if name != "concordance"])
def test_build_loss__the_mean_over_accumulated_batches_is_that_of_one(name: str, mask: str) -> None:
    output, target = output_of(name), target_of(name, MASKS[mask])
    task, parts = task_of(name), [part_of(target, rows) for rows in HALVES]
    count = sum(task.count(part) for part in parts) / 2
    found = [
        loss_and_gradient(name, output[rows], part, count) for rows, part in zip(HALVES, parts, strict=True)
    ]
    whole, gradient = loss_and_gradient(name, output, target, task.count(target))
    torch.testing.assert_close((found[0][0] + found[1][0]) / 2, whole)
    torch.testing.assert_close(torch.cat([part for _, part in found]) / 2, gradient)


def work(rank: int, folder: Path) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    found: dict[str, Any] = {}
    for name in KINDS:
        task = task_of(name)
        for mask, known in MASKS.items():
            output, target = output_of(name)[HALVES[rank]], part_of(target_of(name, known), HALVES[rank])
            count = mean_over_workers(task.count(target))
            metric = task.build_metric()
            metric.update(output, target)
            found[f"{name} {mask}"] = (*loss_and_gradient(name, output, target, count), metric.compute())
    torch.save(found, folder / f"{rank}.pt")
    distributed.destroy_process_group()


@pytest.fixture(scope="module")
def of_two_workers(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("workers")
    run_on_two_workers(work, folder)
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in (0, 1)]


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("name", KINDS)
def test_build_loss__the_mean_over_workers_is_that_of_one_with_all_faces(
    name: str, mask: str, of_two_workers: list[dict[str, Any]]
) -> None:
    output, target = output_of(name), target_of(name, MASKS[mask])
    whole, gradient = loss_and_gradient(name, output, target, task_of(name).count(target))
    losses, gradients, _ = zip(*(found[f"{name} {mask}"] for found in of_two_workers), strict=True)
    torch.testing.assert_close((losses[0] + losses[1]) / 2, whole)
    # Workers average their gradients.
    torch.testing.assert_close(torch.cat(gradients) / 2, gradient)


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("name", KINDS)
def test_build_metric__on_every_worker_is_that_of_one_with_all_faces(
    name: str, mask: str, of_two_workers: list[dict[str, Any]]
) -> None:
    metric = task_of(name).build_metric()
    metric.update(output_of(name), target_of(name, MASKS[mask]))
    whole = metric.compute()
    for found in of_two_workers:
        torch.testing.assert_close(found[f"{name} {mask}"][2], whole, equal_nan=True)


@pytest.mark.parametrize("name", KINDS)
def test_build_metric__has_the_scores_and_no_value_without_any_target(name: str) -> None:
    task = task_of(name)
    metric = task.build_metric()
    metric.update(output_of(name), target_of(name, [True] * ROWS))
    found = metric.compute()
    every = [*task.scores, *task.part_scores]
    assert all(found[score.metric].isfinite() for score in every)
    assert len({score.metric for score in every}) == len(every)
    metric.reset()
    metric.update(output_of(name), target_of(name, [False] * ROWS))
    again = metric.compute()
    assert again.keys() == found.keys()
    assert all(again[score.metric].isnan() for score in every)
    results = {part: value.tolist() for part, value in again.items()}
    assert task.intervals(results) == {}


@pytest.mark.parametrize("name", KINDS)
def test_move__without_a_move_changes_nothing(name: str) -> None:
    values = target_of(name, [True] * ROWS).values
    still = Moves(torch.zeros(ROWS, dtype=torch.bool), torch.eye(2).repeat(ROWS, 1, 1), torch.zeros(ROWS, 2))
    torch.testing.assert_close(task_of(name).move(values, still), values, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", KINDS)
def test_move__two_flips_are_none(name: str) -> None:
    values = target_of(name, [True] * ROWS).values
    flips = Moves(torch.arange(ROWS) % 2 == 0, torch.eye(2).repeat(ROWS, 1, 1), torch.zeros(ROWS, 2))
    task = task_of(name)
    torch.testing.assert_close(task.move(task.move(values, flips), flips), values, atol=1e-5, rtol=1e-5)


def test_outputs__have_names_that_are_unique_among_tasks() -> None:
    tasks = build_tasks(parse_tasks(KINDS | {"expression": {"kind": "classification"}}))
    names = [
        part for name, task in tasks.items() for part in task.outputs(task.build_head(6)(torch.zeros(2, 6)))
    ]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", KINDS)
def test_contract__survives_json(name: str) -> None:
    contract = task_of(name).contract()
    assert contract
    assert json.loads(json.dumps(contract)) == contract


@pytest.mark.parametrize("name", KINDS)
def test_mix__images_that_are_not_mixed_keep_their_loss(name: str) -> None:
    target, output = target_of(name, MASKS["uneven"]), output_of(name)
    task = task_of(name)
    mixed = task.mix(target, Mix(torch.arange(ROWS).flip(0), torch.ones(ROWS)))
    before = loss_and_gradient(name, output, target, task.count(target))
    after = loss_and_gradient(name, output, mixed, task.count(mixed))
    torch.testing.assert_close(after, before)


@pytest.mark.parametrize("name", [name for name in KINDS if name not in ("classes", "votes", "labels")])
def test_mix__values_without_a_mean_are_unknown(name: str) -> None:
    shares = torch.tensor([1.0, 0.5] * 4)
    mixed = task_of(name).mix(target_of(name, [True] * ROWS), Mix(torch.arange(ROWS).flip(0), shares))
    assert mixed.known.tolist() == [True, False] * 4
