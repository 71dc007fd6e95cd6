import math

import pytest
import torch
from hypothesis import given, strategies as st
from torch import nn
from torch.optim import SGD, AdamW

from faceml.config.train import AdamWConfig, SGDConfig
from faceml.losses.weighting.base import FixedWeighting
from faceml.losses.weighting.uncertainty import UncertaintyWeighting
from faceml.models.architecture import residual_stages
from faceml.models.multitask import MultitaskFaceModel
from faceml.training.optimizer import (
    AveragedWeights,
    build_optimizer,
    build_schedule,
    parameter_groups,
    warmup_cosine,
)
from tests.default_tasks import pair_model

TASKS = ("expression", "landmarks")
STAGES = residual_stages(pair_model().backbone)


@pytest.fixture(scope="module")
def model() -> MultitaskFaceModel:
    return pair_model()


def by_parameter(groups: list[dict[str, object]]) -> dict[int, tuple[float, float]]:
    """Learning rate and weight decay of each parameter, by its identity."""
    found: dict[int, tuple[float, float]] = {}
    for group in groups:
        for parameter in group["params"]:  # type: ignore[attr-defined]
            assert id(parameter) not in found, "in two groups"
            found[id(parameter)] = (group["lr"], group["weight_decay"])  # type: ignore[assignment]
    return found


def test_parameter_groups__every_parameter_has_its_rate_and_decay(model: MultitaskFaceModel) -> None:
    found = by_parameter(parameter_groups(model, STAGES, 0.01, 10.0, 0.5))
    expected: dict[int, tuple[object, float]] = {}
    for prefix, module in model.named_modules():
        for name, parameter in module.named_parameters(recurse=False):
            rate = 0.01 if f"{prefix}.".startswith("backbone.") else 0.1
            plain = isinstance(module, nn.Conv2d | nn.Linear) and name == "weight"
            expected[id(parameter)] = (pytest.approx(rate), 0.5 if plain else 0.0)
    assert dict(found) == expected
    assert len(found) == len(list(model.parameters()))


def test_parameter_groups__frozen_parameters_are_in_none() -> None:
    model = pair_model()
    model.backbone.requires_grad_(requires_grad=False)
    found = by_parameter(parameter_groups(model, STAGES, 0.01, 10.0, 0.5))
    assert found.keys() == {id(p) for p in model.parameters()} - {id(p) for p in model.backbone.parameters()}


def test_parameter_groups__a_name_that_only_begins_alike_is_no_backbone() -> None:
    module = nn.Module()
    module.backbone, module.backbone_head = nn.Linear(2, 2), nn.Linear(2, 2)
    found = by_parameter(parameter_groups(module, {"all": ["weight", "bias"]}, 1.0, 10.0, 0.0))
    assert found[id(module.backbone.weight)][0] == 1.0
    assert found[id(module.backbone_head.weight)][0] == 10.0


def test_build_optimizer__log_variances_have_their_own_rate_and_no_decay(model: MultitaskFaceModel) -> None:
    weighting = UncertaintyWeighting(TASKS)
    optimizer = build_optimizer(AdamWConfig(name="adamw", learning_rate=1e-3), model, STAGES, weighting, 0.25)
    assert isinstance(optimizer, AdamW)
    found = by_parameter(optimizer.param_groups)
    assert [found.pop(id(s)) for s in weighting.parameters()] == [(0.25, 0.0)] * 2
    assert found.keys() == {id(parameter) for parameter in model.parameters()}
    assert {rate for rate, _ in found.values()} == {1e-3, 1e-2}
    assert {decay for _, decay in found.values()} == {0.0, 0.05}


def test_build_optimizer__fixed_weights_add_no_group(model: MultitaskFaceModel) -> None:
    weighting = FixedWeighting({"expression": 1.0, "landmarks": 1.0})
    found = by_parameter(
        build_optimizer(AdamWConfig(name="adamw"), model, STAGES, weighting, 0.0).param_groups
    )
    assert found.keys() == {id(parameter) for parameter in model.parameters()}


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_build_optimizer__sgd_has_nesterov_where_there_is_momentum(
    momentum: float, model: MultitaskFaceModel
) -> None:
    config = SGDConfig(name="sgd", momentum=momentum, head_multiplier=2.0, weight_decay=0.125)
    optimizer = build_optimizer(config, model, STAGES, UncertaintyWeighting(TASKS), 0.25)
    assert isinstance(optimizer, SGD)
    for group in optimizer.param_groups:
        assert group["momentum"] == momentum
        assert group["nesterov"] is (momentum > 0)
        assert group["lr"] in (0.01, 0.02, 0.25)
        assert group["weight_decay"] in (0.0, 0.125)


@given(warmup=st.integers(0, 50), after=st.integers(1, 200), step=st.integers(0, 400))
def test_warmup_cosine__closed_form(warmup: int, after: int, step: int) -> None:
    total = warmup + after
    factor = warmup_cosine(warmup, total)(step)
    if step < warmup:
        assert factor == pytest.approx((step + 1) / warmup)
    elif step < total:
        assert factor == pytest.approx(math.cos(math.pi / 2 * (step - warmup) / after) ** 2)
    else:
        assert factor == pytest.approx(0.0, abs=1e-12)


@given(warmup=st.integers(0, 30), total=st.integers(1, 60))
def test_warmup_cosine__rises_then_falls_within_0_and_1(warmup: int, total: int) -> None:
    factor = warmup_cosine(warmup, total)
    values = [factor(step) for step in range(total)]
    assert all(0 < value <= 1 for value in values)
    assert values[:warmup] == sorted(values[:warmup])
    assert values[warmup:] == sorted(values[warmup:], reverse=True)
    if warmup < total:
        assert max(values) == 1.0


def test_build_schedule__scales_every_group_alike(model: MultitaskFaceModel) -> None:
    optimizer = build_optimizer(AdamWConfig(name="adamw"), model, STAGES, UncertaintyWeighting(TASKS), 0.25)
    before = [group["lr"] for group in optimizer.param_groups]
    schedule = build_schedule(optimizer, 4, 10)
    for step in range(10):
        assert [g["lr"] for g in optimizer.param_groups] == pytest.approx(
            [rate * warmup_cosine(4, 10)(step) for rate in before]
        )
        optimizer.step()
        schedule.step()
    assert torch.tensor([group["lr"] for group in optimizer.param_groups]).abs().max() < 1e-12


def test_parameter_groups__each_stage_of_the_backbone_learns_slower_than_the_next(
    model: MultitaskFaceModel,
) -> None:
    found = by_parameter(parameter_groups(model, STAGES, 0.01, 10.0, 0.0, layer_decay=0.5))
    depths = {"conv1.": 4, "bn1.": 4, "layer1.": 3, "layer2.": 2, "layer3.": 1, "layer4.": 0}
    for name, parameter in model.backbone.named_parameters():
        (depth,) = [depth for stage, depth in depths.items() if name.startswith(stage)]
        assert found[id(parameter)][0] == pytest.approx(0.01 * 0.5**depth), name
    assert found[id(model.expression_head.weight)][0] == pytest.approx(0.1)


def test_build_schedule__keeps_the_backbone_where_it_is_at_first() -> None:
    model = pair_model()
    optimizer = build_optimizer(AdamWConfig(name="adamw"), model, STAGES, UncertaintyWeighting(TASKS), 0.25)
    schedule = build_schedule(optimizer, warmup_steps=1, total_steps=10, frozen_steps=3)
    before = {name: tensor.clone() for name, tensor in model.backbone.state_dict().items()}
    factor = warmup_cosine(1, 10)
    for step in range(5):
        for group in optimizer.param_groups:
            frozen = group["name"].startswith("backbone.") and step < 3
            assert group["lr"] == pytest.approx(0.0 if frozen else group["initial_lr"] * factor(step))
        for parameter in model.parameters():
            parameter.grad = torch.ones_like(parameter)
        optimizer.step()
        schedule.step()
        same = all(torch.equal(tensor, before[name]) for name, tensor in model.backbone.state_dict().items())
        assert same == (step < 3)


def test_averaged_weights__follow_the_closed_form_batch_norms_included() -> None:
    torch.manual_seed(0)
    model, largest = pair_model(), 0.2
    average = AveragedWeights(model, largest)
    names = ("expression_head.weight", "backbone.bn1.running_mean")
    expected: dict[str, torch.Tensor] = {}
    for step in range(4):
        for tensor in model.state_dict().values():
            if tensor.is_floating_point():
                tensor.add_(torch.randn_like(tensor))
        average.update()
        for name in names:
            now = model.state_dict()[name].clone()
            decay = min(largest, (1 + step) / (10 + step))  # 0.1, 0.18, 0.2, 0.2
            expected[name] = now if step == 0 else decay * expected[name] + (1 - decay) * now
    for name in names:
        torch.testing.assert_close(average.model.state_dict()[name], expected[name])


def test_averaged_weights__of_a_state_without_number_of_updates_have_the_full_decay() -> None:
    model = pair_model()
    average = AveragedWeights(model, 0.5)
    average.update()
    state = average.state_dict()
    del state["updates"]
    average.load_state_dict(state)
    for parameter in model.parameters():
        parameter.data.add_(1.0)
    average.update()
    halfway = model.expression_head.state_dict()["weight"] - 0.5
    torch.testing.assert_close(average.model.expression_head.state_dict()["weight"], halfway)


def test_averaged_weights__go_on_from_a_saved_state() -> None:
    torch.manual_seed(0)
    model = pair_model()
    one = AveragedWeights(model, 0.5)
    for _ in range(8):
        one.update()
    other = AveragedWeights(model, 0.5)
    other.load_state_dict(one.state_dict())
    for parameter in model.parameters():
        parameter.data.add_(1.0)
    other.update()
    halfway = model.expression_head.state_dict()["weight"] - 0.5
    torch.testing.assert_close(other.model.expression_head.state_dict()["weight"], halfway)
