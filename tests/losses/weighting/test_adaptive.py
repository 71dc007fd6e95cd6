"""Adaptive and random weightings, compared with the papers' formulas and a second implementation."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter
from torch import Tensor
from torch.nn import functional

from faceml.config.sections.weighting import WeightingConfig
from faceml.losses.weighting.adaptive import GeometricWeighting, SoftOptimalWeighting
from faceml.losses.weighting.base import TaskWeighting
from faceml.losses.weighting.build import build_weighting

TASKS = ("expression", "landmarks")
FOUR = ("affect", "expression", "landmarks", "pose")


def build(kind: str, seed: int = 0, tasks: Sequence[str] = TASKS, **settings: float) -> TaskWeighting:
    config: WeightingConfig = TypeAdapter(WeightingConfig).validate_python({"kind": kind, **settings})
    return build_weighting(config, dict.fromkeys(tasks, "regression"), seed)


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


@pytest.mark.parametrize("count", [3, 4])
def test_dynamic_weight_average__weights_of_any_number_of_tasks_sum_to_it(count: int) -> None:
    names, rng = FOUR[:count], np.random.default_rng(count)
    weighting = build("dwa", tasks=names)
    before, after = rng.uniform(0.1, 2, (2, count))
    for losses_of_epoch in (before, after):
        weighting.after_epoch(dict(zip(names, losses_of_epoch.tolist(), strict=True)))
    powers = np.exp(after / before / 2.0)
    found = weighting.effective_weights()
    assert [found[name] for name in names] == pytest.approx(count * powers / powers.sum(), rel=1e-5)


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

    def __init__(self, learning_rate: float, decay: float, count: int) -> None:
        self.xi = torch.zeros(count, dtype=torch.float64, requires_grad=True)
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


@pytest.mark.parametrize("count", [2, 3, 4])
def test_fast_adaptive_weighting__descends_as_the_paper_does(count: int) -> None:
    names = FOUR[:count]
    weighting = build("famo", tasks=names, learning_rate=0.1, decay=0.01).double()
    reference = ReferenceFamo(0.1, 0.01, count)
    ours, theirs = (torch.tensor([2.0, -1.5], dtype=torch.float64, requires_grad=True) for _ in range(2))

    def task_losses(x: Tensor) -> Tensor:
        every = [
            x.square().sum() + 0.1,
            0.02 * functional.softplus(x[0] - 3 * x[1]) + 1e-3,
            30 * (x[0] + x[1]).square() + 5,
            (x[1] - 2).abs() + 0.3,
        ]
        return torch.stack(every[:count])

    def by_name(values: Tensor) -> Mapping[str, Tensor]:
        return dict(zip(names, values, strict=True))

    for _ in range(25):
        before = task_losses(ours)
        weighting.on_losses(by_name(before.detach()))
        (gradient,) = torch.autograd.grad(weighting(by_name(before)), ours)
        before_theirs = task_losses(theirs)
        (expected,) = torch.autograd.grad(reference.total(before_theirs), theirs)
        torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-6)  # float32 losses
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


@pytest.mark.parametrize("share", [1.0, 0.5, 0.2])
def test_fast_adaptive_weighting__weights_do_not_depend_on_how_often_a_task_has_targets(share: float) -> None:
    weighting = build("famo", tasks=FOUR[:3])
    rng = np.random.default_rng(0)
    for _ in range(1000):
        values = {FOUR[0]: 1.0, FOUR[1]: 1.0, FOUR[2]: float(rng.random() < share)}
        weighting.on_losses({task: torch.tensor(value) for task, value in values.items()})
        weighting.after_step({task: torch.tensor(0.99 * value) for task, value in values.items()})
    weighting.on_losses(dict.fromkeys(FOUR[:3], torch.tensor(1.0)))
    assert weighting.effective_weights() == pytest.approx(dict.fromkeys(FOUR[:3], 1 / 3), abs=1e-3)


def test_fast_adaptive_weighting__without_targets_of_a_task_the_others_are_weighted_as_alone() -> None:
    three, two = build("famo", tasks=FOUR[:3]), build("famo", tasks=FOUR[:2])
    for fall in np.linspace(0.9, 1.0, 20):
        for weighting in (three, two):
            before = dict(zip(FOUR, (1.0, 0.3, 0.0), strict=False))
            after = before | {FOUR[0]: fall}
            names = weighting.tasks
            weighting.on_losses({task: torch.tensor(before[task]) for task in names})
            weighting.after_step({task: torch.tensor(after[task]) for task in names})
    logits = three.get_buffer("logits")
    assert logits[2] == 0.0
    torch.testing.assert_close(logits[:2], two.get_buffer("logits"))
    assert logits[0] < -0.1


def test_fast_adaptive_weighting__steps_without_targets_change_nothing() -> None:
    rare, frequent = build("famo"), build("famo")
    for step in range(500):
        has_targets = float(step % 5 == 0)
        for weighting in (rare, frequent) if has_targets else (rare,):
            weighting.on_losses(losses(has_targets, has_targets))
            weighting.after_step(losses(0.99 * has_targets, 0.98 * has_targets))
    assert_equal_buffers(rare, frequent)
    assert frequent.get_buffer("logits")[1] < -0.5


def test_fast_adaptive_weighting__a_state_with_one_number_of_steps_loads() -> None:
    weighting, other = build("famo"), build("famo")
    for fall in (0.9, 0.8):
        weighting.on_losses(losses(1.0, 2.0))
        weighting.after_step(losses(fall, 2.0))
    state = weighting.state_dict() | {"steps": torch.tensor(2)}
    other.load_state_dict(state)
    assert_equal_buffers(other, weighting)


def assert_equal_buffers(one: TaskWeighting, other: TaskWeighting) -> None:
    for name in ("logits", "mean", "square", "steps"):
        assert torch.equal(one.get_buffer(name), other.get_buffer(name)), name


def test_fast_adaptive_weighting__a_loss_that_is_not_finite_leaves_it_as_it_was() -> None:
    weighting = build("famo")
    weighting.on_losses(losses(2.0, 0.1))
    before = weighting.get_buffer("logits").clone()
    weighting.after_step(losses(math.inf, 0.1))
    assert torch.equal(weighting.get_buffer("logits"), before)


def test_fast_adaptive_weighting__a_loss_near_zero_takes_all_weight() -> None:
    weighting = build("famo")
    weighting.on_losses(losses(2.0, 1e-45))
    assert weighting.effective_weights() == pytest.approx({"expression": 0.0, "landmarks": 1.0})


def related_losses(values: Sequence[float]) -> dict[str, Tensor]:
    """Return losses of parameters that all of them have in common."""
    torch.manual_seed(len(values))
    shared = torch.randn(5, dtype=torch.float64, requires_grad=True)
    directions = torch.randn(len(values), 5, dtype=torch.float64)
    found = {
        name: value * torch.exp(direction @ (shared - shared.detach()))
        for name, value, direction in zip(FOUR, values, directions, strict=False)
    }
    return found | {"shared": shared}


def total_and_gradient(weighting: TaskWeighting, task_losses: dict[str, Tensor]) -> tuple[float, Tensor]:
    shared = task_losses.pop("shared")
    weighting.on_losses({task: loss.detach() for task, loss in task_losses.items()})
    total = weighting.double()(task_losses)
    return total.item(), torch.autograd.grad(total, shared, retain_graph=True)[0]


VALUES = [[0.7], [2.0, 0.02], [0.5, 2.0, 0.03], [1.5, 0.004, 0.2, 30.0]]


@pytest.mark.parametrize("values", VALUES)
@pytest.mark.parametrize("temperature", [0.5, 20.0, 1000.0])
def test_soft_optimal_weighting__weights_are_the_softmax_of_inverse_losses(
    values: list[float], temperature: float
) -> None:
    weighting = SoftOptimalWeighting(FOUR[: len(values)], temperature).double()
    task_losses = related_losses(values)
    total, gradient = total_and_gradient(weighting, dict(task_losses))
    scores = 1 / np.array(values) / temperature
    powers = np.exp(scores - scores.max())
    weights = powers / powers.sum()
    assert total == pytest.approx((weights * values).sum(), rel=1e-5)
    expected = sum(
        w * torch.autograd.grad(task_losses[name], task_losses["shared"], retain_graph=True)[0]
        for name, w in zip(FOUR, weights, strict=False)
    )
    torch.testing.assert_close(gradient, expected, rtol=1e-5, atol=1e-12)
    assert list(weighting.effective_weights().values()) == pytest.approx(weights, rel=1e-5, abs=1e-30)


@pytest.mark.parametrize("values", VALUES)
def test_geometric_weighting__is_the_geometric_mean_and_has_its_gradient(values: list[float]) -> None:
    weighting = GeometricWeighting(FOUR[: len(values)]).double()
    task_losses = related_losses(values)
    total, gradient = total_and_gradient(weighting, dict(task_losses))
    shared = task_losses.pop("shared")
    mean = torch.stack(list(task_losses.values())).prod() ** (1 / len(values))
    assert total == pytest.approx(mean.item(), rel=1e-5)
    torch.testing.assert_close(gradient, torch.autograd.grad(mean, shared)[0], rtol=1e-5, atol=1e-12)


@pytest.mark.parametrize("kind", ["famo", "uw_so", "gls"])
def test_on_losses__a_task_without_loss_is_left_out_of_value_and_gradient(kind: str) -> None:
    with_it, without = build(kind, tasks=FOUR[:3]).double(), build(kind, tasks=FOUR[:2]).double()
    two, three = related_losses([0.5, 2.0]), related_losses([0.5, 2.0])
    three[FOUR[2]] = 0.0 * three["shared"].sum()
    found, expected = total_and_gradient(with_it, three), total_and_gradient(without, two)
    assert found[0] == pytest.approx(expected[0], rel=1e-6)
    torch.testing.assert_close(found[1], expected[1], rtol=1e-6, atol=1e-9)
    assert with_it.effective_weights()[FOUR[2]] == 0.0


@pytest.mark.parametrize("kind", ["famo", "uw_so", "gls", "db_mtl"])
@pytest.mark.parametrize(
    "values", [(0.0, 0.0), (1e-45, 1.0), (1e-45, 1e-45), (3e38, 1.0), (-1.0, 2.0), (math.inf, 1.0)]
)
def test_on_losses__weights_are_finite_whatever_the_losses(kind: str, values: tuple[float, float]) -> None:
    weighting = build(kind)
    weighting.on_losses(losses(*values))
    weights = weighting.effective_weights()
    assert all(math.isfinite(weight) and weight >= 0 for weight in weights.values())
    assert kind in ("gls", "db_mtl") or sum(weights.values()) == pytest.approx(float(max(values) > 0))
    if values == (0.0, 0.0):
        assert weighting(losses(*values)).item() == 0.0


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
