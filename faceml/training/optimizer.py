"""Optimiser, learning-rate schedule and exponential moving average of the weights."""

import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Generic, cast

import torch
from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import PARAM_LIST, AveragedModel, get_ema_multi_avg_fn

from faceml.config import OptimizerConfig
from faceml.models import ModelT

ParameterGroup = dict[str, Any]
Stages = Mapping[str, Sequence[str]]
HEADS = "heads"
BACKBONE = "backbone."
"""Prefix of the names of the backbone's parameters, and of their groups."""


def build_optimizer(
    config: OptimizerConfig,
    model: nn.Module,
    stages: Stages,
    weighting: nn.Module,
    weighting_learning_rate: float,
) -> Optimizer:
    """Build the optimiser of a training.

    Args:
        config: The optimiser and its settings; `learning_rate` is the backbone's.
        model: Module with a submodule `backbone`; the learning rate of all other parameters, the heads', is
            `head_multiplier` times higher.
        stages: Names of the parameters of each stage of the backbone, from the input on.
        weighting: Weighting of the tasks; its parameters have no weight decay.
        weighting_learning_rate: Learning rate of the weighting's parameters.
    """
    groups = parameter_groups(
        model, stages, config.learning_rate, config.head_multiplier, config.weight_decay, config.layer_decay
    )
    log_vars = list(weighting.parameters())
    if log_vars:
        groups.append(
            {"name": "weighting", "params": log_vars, "lr": weighting_learning_rate, "weight_decay": 0.0}
        )
    # Fused optimisers make one pass over the parameters instead of several. On two CPU threads a step of
    # ResNet-18 takes 10 ms instead of 50: with batches of 32 small images, 40 % more images per second.
    if config.name == "adamw":
        return AdamW(groups, fused=True)
    sgd = SGD(groups, momentum=config.momentum, nesterov=config.momentum > 0, fused=True)
    for parameter in (p for group in groups for p in group["params"] if config.momentum):
        # If the first step is skipped, as on an fp16 overflow, PyTorch leaves this buffer uninitialised.
        sgd.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    return sgd


def parameter_groups(
    model: nn.Module,
    stages: Stages,
    learning_rate: float,
    head_multiplier: float,
    weight_decay: float,
    layer_decay: float = 1.0,
) -> list[ParameterGroup]:
    """Group a model's parameters by learning rate and weight decay.

    Biases and scales of normalisation layers, the parameters with fewer than two dimensions, have no weight
    decay (He et al. 2019, "Bag of Tricks", section 3.1).

    Args:
        model: Module with a submodule `backbone`.
        stages: Names of the parameters of each stage of the backbone, from the input on.
        learning_rate: Learning rate of the backbone's last stage.
        head_multiplier: Learning rate of the heads, as a multiple of `learning_rate`.
        weight_decay: Weight decay of the parameters with two or more dimensions.
        layer_decay: Learning rate of each stage of the backbone, as a multiple of the next stage's (Clark et
            al. 2020, "ELECTRA", decay it over the layers of a transformer).
    """
    stage_of = {BACKBONE + name: BACKBONE + stage for stage, names in stages.items() for name in names}
    by_group: dict[tuple[str, bool], list[nn.Parameter]] = {}
    for name, parameter in _trainable(model):
        by_group.setdefault((stage_of.get(name, HEADS), parameter.ndim >= 2), []).append(parameter)
    from_the_last = [BACKBONE + stage for stage in reversed(list(stages))]
    rates = {stage: learning_rate * layer_decay**depth for depth, stage in enumerate(from_the_last)}
    rates[HEADS] = learning_rate * head_multiplier
    return [
        {
            "name": stage,
            "params": by_group[stage, decayed],
            "lr": rates[stage],
            "weight_decay": weight_decay if decayed else 0.0,
        }
        for stage in (*from_the_last, HEADS)
        for decayed in (True, False)
        if (stage, decayed) in by_group
    ]


def warmup_cosine(warmup_steps: int, total_steps: int) -> Callable[[int], float]:
    """Return a function from step to learning-rate factor: linear warm-up to 1, then a half cosine to 0.

    Args:
        warmup_steps: Steps of the warm-up; the factor of the first step is 1 / warmup_steps.
        total_steps: Steps of the whole training; the factor at `total_steps` would be 0.
    """

    def factor(step: int) -> float:
        if step < warmup_steps:
            return (step + 1) / warmup_steps
        progress = (step - warmup_steps) / max(1, total_steps - warmup_steps)
        return 0.5 * (1.0 + math.cos(math.pi * min(1.0, progress)))

    return factor


def build_schedule(
    optimizer: Optimizer, warmup_steps: int, total_steps: int, frozen_steps: int = 0
) -> LambdaLR:
    """Build the schedule of `warmup_cosine` for all parameter groups, to be stepped once per update.

    Args:
        optimizer: Optimiser of `build_optimizer`.
        warmup_steps: Steps of the warm-up.
        total_steps: Steps of the whole training.
        frozen_steps: First steps in which the backbone's learning rate is 0, so that it does not change.
    """
    factor = warmup_cosine(warmup_steps, total_steps)

    def of_backbone(step: int) -> float:
        return factor(step) if step >= frozen_steps else 0.0

    groups = optimizer.param_groups
    return LambdaLR(
        optimizer, [of_backbone if group["name"].startswith(BACKBONE) else factor for group in groups]
    )


def apply_schedule(schedule: LambdaLR) -> None:
    """Set the learning rates of the schedule's step, which differ from loaded ones if it became longer."""
    groups = schedule.optimizer.param_groups
    for group, rate, factor in zip(groups, schedule.base_lrs, schedule.lr_lambdas, strict=True):
        group["lr"] = rate * factor(schedule.last_epoch)


UPDATES = "updates"


class AveragedWeights(Generic[ModelT]):
    """Exponential moving average of a network's weights and of its batch norm statistics.

    The first update copies the network. Update n + 1 sets average ← d · average + (1 − d) · network with
    d = min(decay, (1 + n) / (10 + n)), as TensorFlow's `ExponentialMovingAverage` does. Otherwise the average
    of a training shorter than 1 / (1 − decay) steps would be mostly the network of the first step.

    Args:
        model: The network that is trained.
        decay: Decay in [0, 1); the average covers about 1 / (1 − decay) steps.
    """

    def __init__(self, model: ModelT, decay: float) -> None:
        self._model = model
        self._decay = decay
        self._updates = 0
        self._average = AveragedModel(model, multi_avg_fn=self._update_tensors, use_buffers=True)

    @property
    def model(self) -> ModelT:
        """The network with averaged weights."""
        return cast(ModelT, self._average.module)

    def update(self) -> None:
        """Update the average; the first update copies the network."""
        self._average.update_parameters(self._model)
        self._updates += 1

    def state_dict(self) -> dict[str, object]:
        """Return the state for `load_state_dict`."""
        return dict(self._average.state_dict()) | {UPDATES: self._updates}

    def load_state_dict(self, state: dict[str, object]) -> None:
        """Load a saved state."""
        # Those of version 0.1 have no number of updates: the decay was the full one from the start.
        self._updates = cast(int, state.get(UPDATES, sys.maxsize))
        self._average.load_state_dict({name: value for name, value in state.items() if name != UPDATES})

    def _update_tensors(self, averages: PARAM_LIST, values: PARAM_LIST, updates: Tensor | int) -> None:
        decay = min(self._decay, (1 + self._updates) / (10 + self._updates))
        get_ema_multi_avg_fn(decay)(averages, values, updates)  # type: ignore[no-untyped-call]


def _trainable(model: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    return ((name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad)
