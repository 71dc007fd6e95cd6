"""Adaptive and random weightings, compared with the papers' formulas and a second implementation."""

import math
from collections.abc import Mapping

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter
from torch import Tensor
from torch.nn import functional

from faceml.config.losses import WeightingConfig
from faceml.losses.weighting.base import TaskWeighting
from faceml.losses.weighting.build import build_weighting

TASKS = ("expression", "landmarks")


def build(kind: str, seed: int = 0, **settings: float) -> TaskWeighting:
    config: WeightingConfig = TypeAdapter(WeightingConfig).validate_python({"kind": kind, **settings})
    return build_weighting(config, seed)


def losses(expression: float, landmarks: float) -> dict[str, Tensor]:
    return {"expression": torch.tensor(expression), "landmarks": torch.tensor(landmarks)}


def copied(weighting: TaskWeighting, kind: str) -> TaskWeighting:
    """Return a copy restored from its state dict, as in a resumed training."""
    other = build(kind)
    other.load_state_dict(weighting.state_dict())
    return other


@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_dynamic_weight_average__is_the_softmax_of_the_loss_ratios(temperature: float) -> None:
    weighting = build("dwa", temperature=temperature)
    assert weighting.effective_weights() == {"expression": 1.0, "landmarks": 1.0}
    weighting.after_epoch({"expression": 2.0, "landmarks": 0.1})
    assert weighting.effective_weights() == {"expression": 1.0, "landmarks": 1.0}
    weighting.after_epoch({"expression": 1.8, "landmarks": 0.02})
    powers = [math.exp(1.8 / 2.0 / temperature), math.exp(0.02 / 0.1 / temperature)]
    found = weighting.effective_weights()
    assert found["expression"] == pytest.approx(2 * powers[0] / sum(powers), rel=1e-6)
    assert found["landmarks"] == pytest.approx(2 * powers[1] / sum(powers), rel=1e-6)
    total = weighting(losses(3.0, 0.5))
    assert total.item() == pytest.approx(3 * found["expression"] + 0.5 * found["landmarks"], rel=1e-6)


def test_dynamic_weight_average__an_epoch_without_landmarks_says_nothing() -> None:
    weighting = build("dwa")
    for loss in (0.0, 0.0, 0.1):
        weighting.after_epoch({"expression": 1.0, "landmarks": loss})
    assert weighting.effective_weights() == {"expression": 1.0, "landmarks": 1.0}


def test_random_weighting__softmax_of_normal_numbers_from_seed_and_step() -> None:
    weighting, other_seed = build("rlw", seed=3), build("rlw", seed=4)
    drawn = []
    for step in range(4000):
        weighting.before_step()
        found = list(weighting.effective_weights().values())
        if step < 3:
            powers = np.exp(np.random.default_rng([3, step]).standard_normal(2))
            assert found == pytest.approx(powers / powers.sum(), rel=1e-6)
        drawn.append(math.log(found[0] / found[1]))
    # The log-ratio is the difference of two standard normal numbers.
    assert np.mean(drawn) == pytest.approx(0.0, abs=4 * math.sqrt(2 / 4000))
    assert np.var(drawn) == pytest.approx(2.0, rel=0.1)
    other_seed.before_step()
    assert other_seed.effective_weights() != build_and_draw(3)


def build_and_draw(seed: int) -> dict[str, float]:
    weighting = build("rlw", seed=seed)
    weighting.before_step()
    return weighting.effective_weights()


class ReferenceFamo:
    """FAMO by automatic differentiation and torch's own Adam, on log-losses as the paper writes it."""

    def __init__(self, learning_rate: float, decay: float) -> None:
        self.xi = torch.zeros(2, dtype=torch.float64, requires_grad=True)
        self.optimizer = torch.optim.Adam([self.xi], lr=learning_rate, weight_decay=decay)

    def total(self, task_losses: Tensor) -> Tensor:
        z = torch.softmax(self.xi.detach(), dim=0)
        c = 1 / (z / task_losses.detach()).sum()
        return c * (z * task_losses.log()).sum()

    def update(self, before: Tensor, after: Tensor) -> None:
        self.optimizer.zero_grad()
        z = torch.softmax(self.xi, dim=0)
        z.backward(before.log() - after.log())  # type: ignore[no-untyped-call]
        self.optimizer.step()


def test_fast_adaptive_weighting__descends_as_the_paper_does() -> None:
    weighting = build("famo", learning_rate=0.1, decay=0.01).double()
    reference = ReferenceFamo(0.1, 0.01)
    ours, theirs = (torch.tensor([2.0, -1.5], dtype=torch.float64, requires_grad=True) for _ in range(2))

    def task_losses(x: Tensor) -> Tensor:
        return torch.stack([x.square().sum() + 0.1, 0.02 * functional.softplus(x[0] - 3 * x[1]) + 1e-3])

    def by_name(values: Tensor) -> Mapping[str, Tensor]:
        return dict(zip(TASKS, values, strict=True))

    for _ in range(25):
        before = task_losses(ours)
        weighting.on_losses(by_name(before.detach()))
        (gradient,) = torch.autograd.grad(weighting(by_name(before)), ours)
        before_theirs = task_losses(theirs)
        (expected,) = torch.autograd.grad(reference.total(before_theirs), theirs)
        torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-7)
        with torch.no_grad():
            ours -= 0.05 * gradient
            theirs -= 0.05 * expected
            weighting.after_step(by_name(task_losses(ours)))
        reference.update(before_theirs.detach(), task_losses(theirs).detach())
    assert sum(weighting.effective_weights().values()) == pytest.approx(1.0)
    logits = weighting.get_buffer("logits")
    assert logits.abs().max() > 0.03
    torch.testing.assert_close(logits, reference.xi.detach(), rtol=1e-3, atol=1e-4)


def test_fast_adaptive_weighting__a_task_without_loss_has_no_part() -> None:
    weighting = build("famo")
    weighting.on_losses(losses(2.0, 0.0))
    assert weighting.effective_weights() == {"expression": 1.0, "landmarks": 0.0}
    weighting.after_step(losses(1.0, 0.0))
    weighting.on_losses(losses(0.0, 0.0))
    assert weighting(losses(0.0, 0.0)).item() == 0.0


def test_fast_adaptive_weighting__a_loss_that_is_not_finite_leaves_it_as_it_was() -> None:
    weighting = build("famo")
    weighting.on_losses(losses(2.0, 0.1))
    before = weighting.get_buffer("logits").clone()
    weighting.after_step(losses(math.inf, 0.1))
    assert torch.equal(weighting.get_buffer("logits"), before)


@pytest.mark.parametrize("kind", ["dwa", "rlw", "famo"])
def test_state_dict__goes_on_where_it_was(kind: str) -> None:
    weighting = build(kind)

    def go_on(each: TaskWeighting) -> dict[str, float]:
        for value in (2.0, 1.5, 1.2):
            each.before_step()
            each.on_losses(losses(value, 0.1 / value))
            each.after_step(losses(value - 0.3, 0.09 / value))
            each.after_epoch({"expression": value, "landmarks": 0.1 / value**2})
        return each.effective_weights()

    go_on(weighting)
    resumed = copied(weighting, kind)
    assert go_on(resumed) == go_on(weighting)
    assert len(set(weighting.effective_weights().values())) == 2
