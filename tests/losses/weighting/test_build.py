"""Weightings built for any number of tasks."""

from typing import Any, get_args

import pytest
import torch
from pydantic import TypeAdapter
from torch import Tensor

from faceml.config.sections.weighting import WeightingConfig
from faceml.losses.weighting.base import FixedWeighting, TaskWeighting
from faceml.losses.weighting.build import Likelihood, build_weighting

LIKELIHOODS: dict[str, Likelihood] = {
    "pose": "regression",
    "expression": "classification",
    "landmarks": "regression",
    "age": "classification",
}
MODELS = get_args(get_args(WeightingConfig)[0])
KINDS = [get_args(model.model_fields["kind"].annotation)[0] for model in MODELS]


def build(kind: str, count: int = 4, seed: int = 0, **settings: Any) -> TaskWeighting:
    config: WeightingConfig = TypeAdapter(WeightingConfig).validate_python({"kind": kind, **settings})
    return build_weighting(config, dict(list(LIKELIHOODS.items())[:count]), seed)


def task_losses(shared: Tensor, count: int) -> dict[str, Tensor]:
    targets = torch.tensor([[1.0, 0.0], [0.5, 0.5], [1.5, -0.5], [1.0, 1.0]])
    scales = (1.0, 0.01, 20.0, 0.3)
    every = {
        task: scale * (shared - target).square().mean() + 1e-3
        for task, target, scale in zip(LIKELIHOODS, targets, scales, strict=True)
    }
    return dict(list(every.items())[:count])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_build_weighting__every_kind_lowers_the_losses_of_any_number_of_tasks(kind: str, count: int) -> None:
    weighting, shared = build(kind, count), torch.tensor([6.0, -5.0], requires_grad=True)
    optimizer = torch.optim.Adam([shared, *weighting.parameters()], lr=0.1)
    before = {task: loss.item() for task, loss in task_losses(shared, count).items()}
    for number in range(150):
        weighting.before_step()
        losses = task_losses(shared, count)
        detached = {task: loss.detach() for task, loss in losses.items()}
        weighting.on_losses(detached)
        optimizer.zero_grad()
        if weighting.combines_gradients:
            weighted = [weighting.factor(task) * losses[task] for task in weighting.tasks]
            rows = [torch.autograd.grad(loss, shared, retain_graph=True)[0] for loss in weighted]
            shared.grad = weighting.combine_gradients(torch.stack(rows), torch.tensor(True))
        else:
            weighting(losses).backward()
        optimizer.step()
        weighting.clamp_()
        with torch.no_grad():
            weighting.after_step(task_losses(shared, count))
        if number % 50 == 49:
            weighting.after_epoch({task: loss.item() for task, loss in detached.items()})
    after = task_losses(shared, count)
    assert all(after[task].item() < 0.2 * before[task] for task in before)
    weights = weighting.effective_weights()
    assert weights.keys() == after.keys()
    assert all(weight > 0 for weight in weights.values())


@pytest.mark.parametrize("kind", KINDS)
def test_build_weighting__a_task_alone_is_trained_by_its_loss(kind: str) -> None:
    weighting, loss = build(kind, count=1), torch.tensor(0.3, requires_grad=True)
    weighting.before_step()
    weighting.on_losses({"pose": loss.detach()})
    total = weighting({"pose": loss})
    assert total.item() == loss.item()
    assert torch.autograd.grad(total, loss)[0].item() == 1.0
    assert weighting.effective_weights() == {"pose": 1.0}
    assert weighting.log_variances() == {}
    assert not list(weighting.parameters())


@pytest.mark.parametrize("kind", ["fixed", "pcgrad"])
def test_build_weighting__constant_weights_are_named_by_task(kind: str) -> None:
    weighting = build(kind, lambdas={"pose": 0.5, "age": 3.0}, lambda_landmarks=2.0)
    assert isinstance(weighting, FixedWeighting)
    expected = {"pose": 0.5, "expression": 1.0, "landmarks": 2.0, "age": 3.0}
    assert weighting.effective_weights() == expected
    assert build(kind, count=1, lambdas={"pose": 0.5}).effective_weights() == {"pose": 0.5}


@pytest.mark.parametrize("count", [2, 3, 4])
def test_build_weighting__kendall_halves_regression_only(count: int) -> None:
    found = build("uncertainty_kendall", count).effective_weights()
    assert found == {task: 1.0 if LIKELIHOODS[task] == "classification" else 0.5 for task in found}


@pytest.mark.parametrize("kind", ["rlw", "pcgrad"])
def test_build_weighting__the_seed_decides_what_is_random(kind: str) -> None:
    def first_step(seed: int) -> list[float]:
        weighting = build(kind, seed=seed)
        gradients = torch.randn(4, 5, generator=torch.Generator().manual_seed(1))
        weighting.before_step()
        combined = weighting.combine_gradients(gradients, torch.tensor(True))
        return [*weighting.effective_weights().values(), *combined.tolist()]

    assert first_step(3) == first_step(3)
    assert len({tuple(first_step(seed)) for seed in range(6)}) > 1
