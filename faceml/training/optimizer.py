"""Optimiser and learning-rate schedule."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from faceml.config import OptimizerConfig

ParameterGroup = dict[str, Any]


def build_optimizer(
    config: OptimizerConfig, model: nn.Module, weighting: nn.Module, weighting_learning_rate: float
) -> Optimizer:
    """Build the optimiser of a multitask training.

    Args:
        config: Which, and its settings; `learning_rate` is the backbone's.
        model: Has a submodule `backbone`; everything else in it is new and learns `head_multiplier` times
            faster.
        weighting: Its parameters, the log-variances, have no weight decay.
        weighting_learning_rate: Of the log-variances.
    """
    groups = parameter_groups(
        model, config.learning_rate, config.head_multiplier, config.weight_decay, config.layer_decay
    )
    log_vars = list(weighting.parameters())
    if log_vars:
        groups.append(
            {"name": "weighting", "params": log_vars, "lr": weighting_learning_rate, "weight_decay": 0.0}
        )
    # Fused: one pass over the parameters instead of several. On two CPU threads a step of ResNet-18 takes
    # 10 ms instead of 50, which with batches of 32 small images is 40 % more images per second.
    if config.name == "adamw":
        return AdamW(groups, fused=True)
    sgd = SGD(groups, momentum=config.momentum, nesterov=config.momentum > 0, fused=True)
    for parameter in (p for group in groups for p in group["params"] if config.momentum):
        # A first step that is left out, as where fp16 overflows, would leave whatever was in memory there.
        sgd.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    return sgd


def parameter_groups(
    model: nn.Module,
    learning_rate: float,
    head_multiplier: float,
    weight_decay: float,
    layer_decay: float = 1.0,
) -> list[ParameterGroup]:
    """Divide a model's parameters by learning rate and weight decay.

    Biases and the scales of norms have no weight decay: shrinking them regularises nothing (He et al. 2019,
    "Bag of Tricks", section 3.1). They are the parameters with fewer than two dimensions.

    Args:
        model: Has a submodule `backbone`, a ResNet.
        learning_rate: Of the backbone's last stage.
        head_multiplier: Learning rate of everything else, in multiples of it.
        weight_decay: Of the parameters that have any.
        layer_decay: Learning rate of each stage of the backbone, as a multiple of the next one's (Clark et
            al. 2020, "ELECTRA", use it for layers of a transformer).
    """
    by_group: dict[tuple[str, bool], list[nn.Parameter]] = {}
    for name, parameter in _trainable(model):
        by_group.setdefault((_stage(name), parameter.ndim >= 2), []).append(parameter)
    from_the_last = list(reversed(BACKBONE_STAGES))
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


HEADS = "heads"
BACKBONE_STAGES = ("backbone.stem", *(f"backbone.layer{number}" for number in range(1, 5)))


def _stage(parameter_name: str) -> str:
    """Name the part of the model that a parameter belongs to."""
    if not parameter_name.startswith("backbone."):
        return HEADS
    stage = ".".join(parameter_name.split(".")[:2])
    return stage if stage in BACKBONE_STAGES else BACKBONE_STAGES[0]


def warmup_cosine(warmup_steps: int, total_steps: int) -> Callable[[int], float]:
    """Return the learning rate's factor at a step: linear from near 0 to 1, then a half cosine to 0.

    Args:
        warmup_steps: Steps until the factor is 1; the first step has 1 / warmup_steps.
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
    """Build the schedule of `warmup_cosine`, for every parameter group alike; step it once an update.

    Args:
        optimizer: Of `build_optimizer`.
        warmup_steps: As there.
        total_steps: As there.
        frozen_steps: In these, the first, the backbone's learning rate is 0: its weights stay bit for bit.
    """
    factor = warmup_cosine(warmup_steps, total_steps)

    def of_backbone(step: int) -> float:
        return factor(step) if step >= frozen_steps else 0.0

    groups = optimizer.param_groups
    return LambdaLR(
        optimizer, [of_backbone if group["name"].startswith("backbone.") else factor for group in groups]
    )


def _trainable(model: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    return ((name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad)
