"""Task weightings that follow the losses or are random: DWA, RLW, FAMO, UW-SO and GLS.

Shape letters: K tasks, in the order of `TaskWeighting.tasks`.
"""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from faceml.losses.weighting.base import TaskWeighting


class BufferedWeights(TaskWeighting):
    """Base of weightings whose weights are a buffer, which checkpoints include.

    Args:
        tasks: Names of the tasks.
        weight: Initial weight of every task.
    """

    weights: Tensor

    def __init__(self, tasks: Collection[str], weight: float) -> None:
        super().__init__(tasks)
        self.register_buffer("weights", torch.full((len(self.tasks),), weight))

    def factor(self, task: str) -> Tensor:
        """Return the present weight."""
        return self.weights[self.tasks.index(task)]

    def penalty(self, task: str) -> Tensor | float:
        """Return 0."""
        return 0.0

    def in_order(self, losses: Mapping[str, Tensor]) -> Tensor:
        """Return losses as float32 of shape (K,)."""
        return torch.stack([losses[task].float() for task in self.tasks])


def is_known(losses: Tensor) -> Tensor:
    """Return which losses are positive and finite; a loss is 0 in a batch without targets."""
    return (losses > 0) & losses.isfinite()


def softmax_of_known(scores: Tensor, known: Tensor) -> Tensor:
    """Return the softmax over the known tasks, and 0 for the others, of shape (K,)."""
    return torch.softmax(scores.masked_fill(~known, -torch.inf), dim=0).nan_to_num(0.0)


class DynamicWeightAverage(BufferedWeights):
    """Dynamic weight average (DWA): larger weights for tasks whose loss falls slowly.

    λ_k = K·softmax(r_k / T) with r_k = L_k(epoch - 1) / L_k(epoch - 2); all 1 in the first two epochs (Liu et
    al. 2019, "End-to-end multi-task learning with attention", eq. 7).

    Args:
        tasks: Names of the tasks.
        temperature: Temperature T; larger values give more equal weights.
    """

    previous: Tensor

    def __init__(self, tasks: Collection[str], temperature: float = 2.0) -> None:
        super().__init__(tasks, 1.0)
        self.temperature = temperature
        self.register_buffer("previous", torch.full((len(self.tasks),), torch.nan))

    def after_epoch(self, losses: Mapping[str, float]) -> None:
        """Set the weights of the next epoch."""
        now = self.weights.new_tensor([losses[task] for task in self.tasks])
        # The loss is 0 in an epoch without any targets: the ratio is undefined.
        known = (self.previous > 0) & (now > 0)
        ratio = torch.where(known, now / self.previous, 1.0)
        self.weights.copy_(len(self.tasks) * torch.softmax(ratio / self.temperature, dim=0))
        self.previous.copy_(now)


class RandomWeighting(BufferedWeights):
    """Random loss weighting (RLW): weights of every step are the softmax of normal samples.

    See Lin et al. 2022, "Reasonable effectiveness of random weighting", eq. 2. Samples depend on the seed and
    the number of steps only, so that workers agree and resumed trainings equal uninterrupted ones.

    Args:
        tasks: Names of the tasks.
        seed: Seed of the samples.
    """

    steps: Tensor

    def __init__(self, tasks: Collection[str], seed: int = 0) -> None:
        super().__init__(tasks, 1 / len(tasks))
        self.seed = seed
        self.register_buffer("steps", torch.tensor(0))

    def before_step(self) -> None:
        """Draw new weights."""
        rng = np.random.default_rng([self.seed, int(self.steps)])
        drawn = self.weights.new_tensor(rng.standard_normal(len(self.tasks)))
        self.weights.copy_(torch.softmax(drawn, dim=0))
        self.steps += 1


class FastAdaptiveWeighting(BufferedWeights):
    """Fast adaptive multitask optimisation (FAMO): equal relative decrease of all losses.

    With z = softmax(ξ), the method minimises Σ z_k·log L_k, scaled by c = 1 / Σ z_k/L_k (Liu et al. 2023,
    "FAMO", Algorithm 1). Its gradient is Σ w_k·∇L_k with w_k = c·z_k/L_k, constants that sum to 1. They are
    the weights here, so that losses are averaged over workers before the division. After each step ξ is
    updated by Adam, as in the authors' experiments, from the decrease of each log-loss on the same batch.

    A task whose loss is 0, as in a batch without targets, is ignored in the step: z is the softmax over the
    others, and its ξ and the moments of Adam stay as they are.

    Args:
        tasks: Names of the tasks.
        learning_rate: Learning rate β of ξ.
        decay: Weight decay γ of ξ.
    """

    needs_losses = needs_losses_again = True
    BETAS, EPS = (0.9, 0.999), 1e-8
    logits: Tensor
    before: Tensor
    mean: Tensor
    square: Tensor
    steps: Tensor

    def __init__(self, tasks: Collection[str], learning_rate: float = 0.025, decay: float = 0.001) -> None:
        super().__init__(tasks, 1 / len(tasks))
        self.learning_rate = learning_rate
        self.decay = decay
        for name in ("logits", "before", "mean", "square"):
            self.register_buffer(name, torch.zeros(len(self.tasks)))
        self.register_buffer("steps", torch.zeros(len(self.tasks)))
        self.register_load_state_dict_pre_hook(_repeat_steps)  # type: ignore[no-untyped-call]

    def on_losses(self, losses: Mapping[str, Tensor]) -> None:
        """Set the weights of this step."""
        self.before.copy_(self.in_order(losses))
        scores = self.logits - self.before.log()
        self.weights.copy_(softmax_of_known(scores, is_known(self.before)))

    def after_step(self, losses: Mapping[str, Tensor]) -> None:
        """Update ξ: tasks whose loss fell by a larger factor than others' get smaller weights."""
        now = self.in_order(losses)
        known = (self.before > 0) & (now > 0)
        fell = torch.where(known, self.before.log() - now.log(), 0.0)
        if not torch.isfinite(fell).all():
            return
        z, part = softmax_of_known(self.logits, known), known.to(self.logits)
        gradient = z * (fell - (z * fell).sum()) + self.decay * self.logits
        self.steps += part
        self.mean.lerp_(gradient, (1 - self.BETAS[0]) * part)
        self.square.lerp_(gradient.square(), (1 - self.BETAS[1]) * part)
        mean, square = (
            moment / (1 - beta ** self.steps.clamp_min(1))
            for moment, beta in zip((self.mean, self.square), self.BETAS, strict=True)
        )
        self.logits -= self.learning_rate * mean / (square.sqrt() + self.EPS) * part


def _repeat_steps(module: FastAdaptiveWeighting, state: dict[str, Any], prefix: str, *_: object) -> None:
    """Give each task the number of steps of a state from a version that had one for all tasks."""
    key = f"{prefix}steps"
    state[key] = state[key].to(module.steps).expand_as(module.steps)


class SoftOptimalWeighting(BufferedWeights):
    """Soft optimal uncertainty weighting (UW-SO): weights softmax((1/L) / T), constants in the gradient.

    1/L is the weight exp(-s) at the optimum of an uncertainty weighting, of which the softmax is taken
    (Kirchdorfer et al. 2024, "Analytical uncertainty-based loss weighting in multi-task learning").

    A task whose loss is 0, as in a batch without targets, is ignored in the step.

    Args:
        tasks: Names of the tasks.
        temperature: Temperature T; larger values give more equal weights.
    """

    needs_losses = True

    def __init__(self, tasks: Collection[str], temperature: float = 100.0) -> None:
        super().__init__(tasks, 1 / len(tasks))
        self.temperature = temperature

    def on_losses(self, losses: Mapping[str, Tensor]) -> None:
        """Set the weights of this step."""
        now = self.in_order(losses)
        largest = torch.finfo(now.dtype).max
        scores = (now * self.temperature).reciprocal().clamp_max(largest)
        self.weights.copy_(softmax_of_known(scores, is_known(now)))


class GeometricWeighting(BufferedWeights):
    """Geometric loss strategy (GLS): the total is the geometric mean of the losses, G = (Π L_k)^(1/K).

    See Chennupati et al. 2019, "MultiNet++". Its gradient is Σ w_k·∇L_k with w_k = G / (K·L_k). These
    weights are constants here, so that losses are averaged over workers before the division; Σ w_k·L_k = G.

    A task whose loss is 0, as in a batch without targets, is ignored in the step.

    Args:
        tasks: Names of the tasks.
    """

    needs_losses = True

    def __init__(self, tasks: Collection[str]) -> None:
        super().__init__(tasks, 1 / len(tasks))

    def on_losses(self, losses: Mapping[str, Tensor]) -> None:
        """Set the weights of this step."""
        now = self.in_order(losses)
        known = is_known(now)
        count = known.sum().clamp_min(1)
        logarithms = now.log().where(known, 0.0)
        ratios = (logarithms.sum() / count - logarithms).exp()
        self.weights.copy_(torch.where(known, ratios / count, 0.0))
