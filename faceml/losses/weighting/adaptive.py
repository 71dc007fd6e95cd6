"""Weights that follow the losses, or chance.

Shape letters: K tasks, in the order of their names.
"""

from collections.abc import Collection, Mapping

import numpy as np
import torch
from torch import Tensor

from faceml.losses.weighting.base import TaskWeighting


class _WeightsInTurn(TaskWeighting):
    """Hold the present weights as a buffer, so that a resumed training has them.

    Args:
        tasks: Their names.
        weight: Of every task at first.
    """

    weights: Tensor

    def __init__(self, tasks: Collection[str], weight: float) -> None:
        super().__init__(tasks)
        self.order = sorted(self.tasks)
        self.register_buffer("weights", torch.full((len(self.order),), weight))

    def factor(self, task: str) -> Tensor:
        """Return the present weight."""
        return self.weights[self.order.index(task)]

    def penalty(self, task: str) -> float:
        """Return 0."""
        return 0.0

    def in_order(self, losses: Mapping[str, Tensor]) -> Tensor:
        """Return losses as float32 of shape (K,)."""
        return torch.stack([losses[task].float() for task in self.order])


class DynamicWeightAverage(_WeightsInTurn):
    """Weigh a task the more the less its loss fell (Liu et al. 2019, "MTAN", eq. 7).

    λ_k = K·softmax(r_k / T) with r_k = L_k(epoch - 1) / L_k(epoch - 2); all 1 in the first two epochs.

    Args:
        tasks: Their names.
        temperature: T; the larger, the more alike.
    """

    previous: Tensor

    def __init__(self, tasks: Collection[str], temperature: float = 2.0) -> None:
        super().__init__(tasks, 1.0)
        self.temperature = temperature
        self.register_buffer("previous", torch.full((len(self.order),), torch.nan))

    def after_epoch(self, losses: Mapping[str, float]) -> None:
        """Set the weights of the next epoch."""
        now = self.weights.new_tensor([losses[task] for task in self.order])
        # A loss of 0, of an epoch without any landmarks, says nothing about how fast the task learns.
        known = (self.previous > 0) & (now > 0)
        ratio = torch.where(known, now / self.previous, 1.0)
        self.weights.copy_(len(self.order) * torch.softmax(ratio / self.temperature, dim=0))
        self.previous.copy_(now)


class RandomWeighting(_WeightsInTurn):
    """Draw the weights of every step as the softmax of normal numbers (Lin et al. 2022, "RLW", eq. 2).

    The draws follow from the seed and the number of steps done: they are the same on all workers, and those
    of a resumed training the same as of an uninterrupted one.

    Args:
        tasks: Their names.
        seed: Of the draws.
    """

    steps: Tensor

    def __init__(self, tasks: Collection[str], seed: int = 0) -> None:
        super().__init__(tasks, 1 / len(tasks))
        self.seed = seed
        self.register_buffer("steps", torch.tensor(0))

    def before_step(self) -> None:
        """Draw anew."""
        rng = np.random.default_rng([self.seed, int(self.steps)])
        drawn = self.weights.new_tensor(rng.standard_normal(len(self.order)))
        self.weights.copy_(torch.softmax(drawn, dim=0))
        self.steps += 1


class FastAdaptiveWeighting(_WeightsInTurn):
    """FAMO: let all losses fall at the same relative speed (Liu et al. 2023, Algorithm 1).

    With z = softmax(ξ), the paper descends Σ z_k·log L_k, scaled by c = 1 / Σ z_k/L_k. The gradient of that
    is Σ w_k·∇L_k with w_k = c·z_k/L_k, constants that add up to 1; here they are the weights, so that losses
    of several workers are averaged before they are divided by. After each step, ξ follows how much each
    log-loss fell on the same faces, by Adam as in the authors' experiments.

    A task without a loss, in a batch without landmarks, has no part in the step.

    Args:
        tasks: Their names.
        learning_rate: β, of ξ.
        decay: γ, which draws ξ to 0.
    """

    needs_losses = True
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
            self.register_buffer(name, torch.zeros(len(self.order)))
        self.register_buffer("steps", torch.tensor(0))

    def see_losses(self, losses: Mapping[str, Tensor]) -> None:
        """Set the weights of this step."""
        self.before.copy_(self.in_order(losses))
        share = torch.where(self.before > 0, torch.softmax(self.logits, dim=0) / self.before, 0.0)
        self.weights.copy_(share / share.sum().clamp_min(torch.finfo(share.dtype).tiny))

    def after_step(self, losses: Mapping[str, Tensor]) -> None:
        """Move ξ: a task whose loss fell by a larger factor than others' gets less from now on."""
        now = self.in_order(losses)
        known = (self.before > 0) & (now > 0)
        fell = torch.where(known, self.before.log() - now.log(), 0.0)
        if not torch.isfinite(fell).all():
            return
        z = torch.softmax(self.logits, dim=0)
        gradient = z * (fell - (z * fell).sum()) + self.decay * self.logits
        self.steps += 1
        self.mean.lerp_(gradient, 1 - self.BETAS[0])
        self.square.lerp_(gradient.square(), 1 - self.BETAS[1])
        mean, square = (
            moment / (1 - beta**self.steps)
            for moment, beta in zip((self.mean, self.square), self.BETAS, strict=True)
        )
        self.logits -= self.learning_rate * mean / (square.sqrt() + self.EPS)
