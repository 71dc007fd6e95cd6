"""Uncertainty weightings: totals, gradients and optima, compared with closed forms."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from pydantic import TypeAdapter
from torch import Tensor

from faceml.config.sections.weighting import WeightingConfig
from faceml.losses.weighting.base import TaskWeighting
from faceml.losses.weighting.build import Likelihood, build_weighting
from faceml.losses.weighting.uncertainty import UncertaintyWeighting

LIKELIHOODS: dict[str, Likelihood] = {"expression": "classification", "landmarks": "regression"}
TASKS = tuple(LIKELIHOODS)
LEARNED = ("uncertainty", "uncertainty_kendall", "uncertainty_revised")


def build(kind: str, **settings: float) -> TaskWeighting:
    config: WeightingConfig = TypeAdapter(WeightingConfig).validate_python({"kind": kind, **settings})
    return build_weighting(config, LIKELIHOODS)


@dataclass(frozen=True)
class Term:
    """What one task adds to the total, its derivative by s, and the s where that is zero."""

    value: Callable[[float, float], float]
    slope: Callable[[float, float], float]
    optimum: Callable[[float], float]


SEED = Term(
    lambda s, loss: math.exp(-s) * loss + s,
    lambda s, loss: 1 - math.exp(-s) * loss,
    math.log,
)
KENDALL_CLASSIFICATION = Term(
    lambda s, loss: math.exp(-s) * loss + s / 2,
    lambda s, loss: 1 / 2 - math.exp(-s) * loss,
    lambda loss: math.log(2 * loss),
)
KENDALL_REGRESSION = Term(
    lambda s, loss: math.exp(-s) * loss / 2 + s / 2,
    lambda s, loss: 1 / 2 - math.exp(-s) * loss / 2,
    math.log,
)
REVISED = Term(
    lambda s, loss: math.exp(-s) * loss / 2 + math.log1p(math.exp(s)),
    lambda s, loss: 1 / (1 + math.exp(-s)) - math.exp(-s) * loss / 2,
    # Slope 0 with u = exp(s): 2u² - L·u - L = 0.
    lambda loss: math.log((loss + math.sqrt(loss**2 + 8 * loss)) / 4),
)
TERMS = {
    ("uncertainty", "expression"): SEED,
    ("uncertainty", "landmarks"): SEED,
    ("uncertainty_kendall", "expression"): KENDALL_CLASSIFICATION,
    ("uncertainty_kendall", "landmarks"): KENDALL_REGRESSION,
    ("uncertainty_revised", "expression"): REVISED,
    ("uncertainty_revised", "landmarks"): REVISED,
}

log_variance = st.floats(-6, 6)
task_loss = st.floats(1e-4, 20)


def set_log_variances(weighting: TaskWeighting, values: dict[str, float]) -> dict[str, torch.nn.Parameter]:
    parameters = {name.removeprefix("log_vars."): p for name, p in weighting.named_parameters()}
    for task, value in values.items():
        parameters[task].data.fill_(value)
    return parameters


def minimise(weighting: TaskWeighting, losses: dict[str, Tensor]) -> dict[str, float]:
    """The log-variances at which the total is lowest, found by a general-purpose minimiser."""
    weighting.double()
    optimizer = torch.optim.LBFGS(
        weighting.parameters(),
        max_iter=200,
        tolerance_grad=1e-12,
        tolerance_change=0.0,
        line_search_fn="strong_wolfe",
    )

    def total() -> Tensor:
        optimizer.zero_grad()
        value: Tensor = weighting(losses)
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimizer.step(total)  # type: ignore[no-untyped-call]
    return {task: s.item() for task, s in weighting.log_variances().items()}


@pytest.mark.parametrize("kind", LEARNED)
@given(s=st.tuples(log_variance, log_variance), losses=st.tuples(task_loss, task_loss))
@settings(max_examples=40, deadline=None)
def test_forward__value_and_gradients_equal_the_formula(
    kind: str, s: tuple[float, float], losses: tuple[float, float]
) -> None:
    weighting = build(kind).double()
    parameters = set_log_variances(weighting, dict(zip(TASKS, s, strict=True)))
    inputs = {
        task: torch.tensor(loss, dtype=torch.float64, requires_grad=True)
        for task, loss in zip(TASKS, losses, strict=True)
    }
    total = weighting(inputs)
    total.backward()
    terms = [TERMS[kind, task] for task in TASKS]
    expected = sum(term.value(a, b) for term, a, b in zip(terms, s, losses, strict=True))
    assert total.item() == pytest.approx(expected, rel=1e-9, abs=1e-9)
    for task, term, a, b in zip(TASKS, terms, s, losses, strict=True):
        slope, factor = parameters[task].grad, inputs[task].grad
        assert slope is not None
        assert factor is not None
        assert slope.item() == pytest.approx(term.slope(a, b), rel=1e-9, abs=1e-9)
        # The total is linear in each loss, so that its factor is the difference of two values.
        assert factor.item() == pytest.approx(term.value(a, b + 1) - term.value(a, b), rel=1e-6)
        assert weighting.effective_weights()[task] == pytest.approx(factor.item(), rel=1e-9)


@pytest.mark.parametrize("kind", LEARNED)
@pytest.mark.parametrize("losses", [(2.0794, 0.09), (0.6, 0.0021), (11.0, 0.5)])
def test_forward__its_minimum_over_s_is_the_closed_form(kind: str, losses: tuple[float, float]) -> None:
    inputs = {task: torch.tensor(loss).double() for task, loss in zip(TASKS, losses, strict=True)}
    found = minimise(build(kind), inputs)
    for task, loss in zip(TASKS, losses, strict=True):
        assert found[task] == pytest.approx(TERMS[kind, task].optimum(loss), abs=1e-6)


@pytest.mark.parametrize("kind", ["uncertainty", "uncertainty_kendall"])
@pytest.mark.parametrize("scale", [0.01, 255.0])
def test_forward__rescaling_a_loss_only_shifts_its_optimal_s(kind: str, scale: float) -> None:
    shared = torch.tensor([0.3, -1.2], dtype=torch.float64, requires_grad=True)

    def optimum_and_gradient(factor: float) -> tuple[dict[str, float], Tensor]:
        losses = {"expression": (shared - 1).square().sum(), "landmarks": factor * (shared[0] ** 2 + 0.1)}
        weighting = build(kind)
        optimum = minimise(weighting, {task: loss.detach() for task, loss in losses.items()})
        return optimum, torch.autograd.grad(weighting(losses), shared)[0]

    before, gradient = optimum_and_gradient(1.0)
    after, rescaled_gradient = optimum_and_gradient(scale)
    assert after["expression"] == pytest.approx(before["expression"], abs=1e-6)
    assert after["landmarks"] == pytest.approx(before["landmarks"] + math.log(scale), abs=1e-6)
    torch.testing.assert_close(rescaled_gradient, gradient, rtol=1e-5, atol=1e-7)


@given(s=st.floats(-10, 10), losses=st.tuples(st.floats(0, 100), st.floats(0, 100)))
@settings(max_examples=50, deadline=None)
def test_forward__revised_is_never_negative(s: float, losses: tuple[float, float]) -> None:
    weighting = build("uncertainty_revised", initial_log_var=s, max_abs_log_var=10.0)
    assert weighting({t: torch.tensor(loss) for t, loss in zip(TASKS, losses, strict=True)}).item() >= 0.0


@pytest.mark.parametrize("kind", ["uncertainty", "uncertainty_kendall"])
def test_forward__seed_and_kendall_may_be_negative(kind: str) -> None:
    weighting = build(kind, initial_log_var=-5.0, max_abs_log_var=10.0)
    assert weighting({"expression": torch.tensor(1e-3), "landmarks": torch.tensor(1e-4)}).item() < 0.0


@given(
    lambdas=st.tuples(st.floats(0, 50, width=32), st.floats(0, 50, width=32)),
    losses=st.tuples(task_loss, task_loss),
)
@settings(max_examples=30, deadline=None)
def test_forward__fixed_is_exactly_the_weighted_sum(
    lambdas: tuple[float, float], losses: tuple[float, float]
) -> None:
    weighting = build("fixed", lambda_expression=lambdas[0], lambda_landmarks=lambdas[1])
    expression, landmarks = torch.tensor(losses[0]), torch.tensor(losses[1])
    total = weighting({"expression": expression, "landmarks": landmarks})
    assert torch.equal(total, lambdas[0] * expression + lambdas[1] * landmarks)
    assert weighting.effective_weights() == dict(zip(TASKS, lambdas, strict=True))
    assert weighting.log_variances() == {}
    assert list(weighting.parameters()) == []


@pytest.mark.parametrize("kind", LEARNED)
def test_forward__a_task_without_targets_adds_neither_value_nor_gradient(kind: str) -> None:
    weighting = build(kind)
    parameters = set_log_variances(weighting, {"expression": 0.5, "landmarks": 1.5})
    losses = {"expression": torch.tensor(2.0), "landmarks": torch.tensor(0.0)}
    counts = {"expression": torch.tensor(3.5), "landmarks": torch.tensor(0.0)}
    total = weighting(losses, counts)
    expected = weighting.factor("expression") * 2.0 + weighting.penalty("expression")
    torch.testing.assert_close(total, expected)
    total.backward()
    assert parameters["landmarks"].grad == 0.0
    assert parameters["expression"].grad != 0.0


@pytest.mark.parametrize("share", [1.0, 0.5, 0.2])
@pytest.mark.parametrize("kind", LEARNED)
def test_forward__learned_weights_do_not_depend_on_how_often_a_task_has_targets(
    kind: str, share: float
) -> None:
    weighting, alone = build(kind), build(kind)
    rng = np.random.default_rng(0)
    for chosen, share_of_targets in ((weighting, share), (alone, 1.0)):
        optimizer = torch.optim.AdamW(chosen.parameters(), lr=0.01, weight_decay=0.0)
        for _ in range(2000):
            has_targets = float(rng.random() < share_of_targets)
            losses = {"expression": torch.tensor(1.0), "landmarks": torch.tensor(0.5 * has_targets)}
            counts = {"expression": torch.tensor(1.0), "landmarks": torch.tensor(has_targets)}
            optimizer.zero_grad()
            chosen(losses, counts).backward()
            optimizer.step()
    assert weighting.effective_weights() == pytest.approx(alone.effective_weights(), rel=0.02)


@pytest.mark.parametrize("kind", ["fixed", *LEARNED])
def test_forward__a_missing_or_unknown_task_is_an_error(kind: str) -> None:
    one = torch.tensor(1.0)
    with pytest.raises(ValueError, match="landmarks"):
        build(kind)({"expression": one})
    with pytest.raises(ValueError, match="age"):
        build(kind)({"expression": one, "landmarks": one, "age": one})


@pytest.mark.parametrize("kind", LEARNED)
@pytest.mark.parametrize("loss", [1e-12, 1e12])
def test_clamp___keeps_s_in_range_and_lets_it_come_back(kind: str, loss: float) -> None:
    weighting = build(kind, max_abs_log_var=2.0)
    optimizer = torch.optim.AdamW(weighting.parameters(), lr=0.1, weight_decay=0.0)

    def train(value: float, steps: int) -> dict[str, float]:
        for _ in range(steps):
            optimizer.zero_grad()
            weighting(dict.fromkeys(TASKS, torch.tensor(value))).backward()
            optimizer.step()
            weighting.clamp_()
            assert all(abs(s.item()) <= 2.0 for s in weighting.log_variances().values())
        return {task: s.item() for task, s in weighting.log_variances().items()}

    at_the_limit = math.copysign(2.0, math.log(loss))
    assert train(loss, 60) == dict.fromkeys(TASKS, at_the_limit)
    # Adam's second moment remembers the huge gradients of the extreme loss; a plain restart forgets them.
    optimizer = torch.optim.AdamW(weighting.parameters(), lr=0.1, weight_decay=0.0)
    for task, s in train(1.0, 300).items():
        assert s == pytest.approx(TERMS[kind, task].optimum(1.0), abs=0.01)


@pytest.mark.parametrize("kind", LEARNED)
def test_state_dict__carries_the_log_variances(kind: str) -> None:
    trained, fresh = build(kind, initial_log_var=-1.5), build(kind)
    fresh.load_state_dict(trained.state_dict())
    assert fresh.log_variances() == trained.log_variances() == dict.fromkeys(TASKS, torch.tensor(-1.5))


def test_uncertainty_weighting__takes_tasks_that_are_called_like_methods_of_pytorch() -> None:
    weighting = UncertaintyWeighting(["type", "values", "half"], initial_log_var=0.5)
    half = torch.tensor(0.5)
    assert weighting.log_variances() == {"half": half, "type": half, "values": half}
