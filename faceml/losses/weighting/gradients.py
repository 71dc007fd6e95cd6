"""Task weightings that combine the gradients of the tasks: PCGrad and DB-MTL.

Shape letters: K tasks, P shared parameters.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from faceml.losses.weighting.adaptive import BufferedWeights, is_known
from faceml.losses.weighting.base import FixedWeighting


class ConflictFreeWeighting(FixedWeighting):
    """Constant weights with PCGrad (Yu et al. 2020, "Gradient surgery", Algorithm 1).

    The order of the projections depends on the seed and the number of steps only, so that workers agree and
    resumed trainings equal uninterrupted ones.

    Args:
        lambdas: Weight λ of each task.
        seed: Seed of the order.
    """

    combines_gradients = True
    steps: Tensor

    def __init__(self, lambdas: Mapping[str, float], seed: int = 0) -> None:
        super().__init__(lambdas)
        self.seed = seed
        self.register_buffer("steps", torch.tensor(0))
        self.register_load_state_dict_pre_hook(_add_missing_steps)  # type: ignore[no-untyped-call]

    def before_step(self) -> None:
        """Count the step."""
        self.steps += 1

    def combine_gradients(self, gradients: Tensor, is_finite: Tensor) -> Tensor:
        """Return the sum of the projected gradients."""
        shares = projection_shares(gradients @ gradients.T, self._draw_orders())
        return shares.sum(dim=0) @ gradients

    def _draw_orders(self) -> list[list[int]]:
        """Return the other tasks of each task in the order of this step; that of one other is no choice."""
        count = len(self.tasks)
        if count <= 2:  # does not wait for the GPU
            return [[other for other in range(count) if other != own] for own in range(count)]
        rng = np.random.default_rng([self.seed, int(self.steps)])
        return [[int(other) for other in rng.permutation(count) if other != own] for own in range(count)]


def projection_shares(products: Tensor, orders: Sequence[Sequence[int]]) -> Tensor:
    """Return the projected gradient of each task as a linear combination of all tasks' gradients.

    The projection starts from g_i and, for one other task j after another, replaces g_i by
    g_i - (g_i·g_j / |g_j|²)·g_j where g_i·g_j < 0; g_j is the other task's original gradient.

    Args:
        products: Dot products of the gradients, of shape (K, K).
        orders: The other tasks of each task, in the order of its projections.

    Returns:
        Coefficients of shape (K, K): row i are those of task i.
    """
    rows = []
    for own, others in enumerate(orders):
        share = torch.eye(len(orders), dtype=products.dtype, device=products.device)[own]
        for other in others:
            product = share @ products[other]
            share[other] -= torch.where(product < 0, product / products[other, other], 0.0)
        rows.append(share)
    return torch.stack(rows)


def _add_missing_steps(module: ConflictFreeWeighting, state: dict[str, Any], prefix: str, *_: object) -> None:
    """Add the number of steps to a state of two tasks from a version that did not count them."""
    state.setdefault(f"{prefix}steps", module.steps)


class DualBalancingWeighting(BufferedWeights):
    """Dual balancing (DB-MTL): log losses, and gradients of shared parameters scaled to the largest norm.

    The total is Σ log(L_k + ε), as in the authors' experiments with ε = 1e-8. Over the steps k, the gradient
    of each task is averaged by a ← β_k·a + (1 - β_k)·∇log L with β_k = β / k^p, starting from 0. The gradient
    of the shared parameters is Σ a·max|a| / |a|, with the largest norm among the tasks (Lin et al. 2023,
    "Dual-balancing for multi-task learning", Algorithm 1). Other parameters have the gradient of the total.

    The losses are averaged over workers before the division by L + ε.

    A task whose loss is 0, as in a batch without targets, is ignored in the step; its average is kept.

    Args:
        tasks: Names of the tasks.
        decay: Decay β of the averages.
        decay_exponent: Exponent p of the decay.
    """

    needs_losses = combines_gradients = True
    EPS = 1e-8
    penalties: Tensor
    scales: Tensor
    steps: Tensor

    def __init__(self, tasks: Collection[str], decay: float = 0.9, decay_exponent: float = 0.0) -> None:
        super().__init__(tasks, 1.0)
        self.decay = decay
        self.decay_exponent = decay_exponent
        self.register_buffer("penalties", torch.zeros_like(self.weights), persistent=False)
        self.register_buffer("scales", torch.ones_like(self.weights), persistent=False)
        self.register_buffer("steps", torch.tensor(0))
        # No buffer, because DDP would send those of the first worker to all others in every step.
        self.averages = torch.empty(0)

    def get_extra_state(self) -> Tensor:
        """Return the averages for the state dict, of shape (K, P), or empty before the first step."""
        return self.averages

    def set_extra_state(self, state: Tensor) -> None:
        """Restore the averages."""
        self.averages = state.to(self.weights.device, copy=True)

    def penalty(self, task: str) -> Tensor:
        """Return the constant that makes the total that of the log losses."""
        return self.penalties[self.tasks.index(task)]

    def on_losses(self, losses: Mapping[str, Tensor]) -> None:
        """Set the weights 1 / (L + ε) of this step."""
        now = self.in_order(losses)
        known, divisor = is_known(now), now + self.EPS
        self.weights.copy_(torch.where(known, 1 / divisor, 0.0))
        self.penalties.copy_(torch.where(known, divisor.log() - now / divisor, 0.0))

    def combine_gradients(self, gradients: Tensor, is_finite: Tensor) -> Tensor:
        """Return the sum of the averages, scaled to the largest norm."""
        if self.averages.shape != gradients.shape:
            self.averages = torch.zeros_like(gradients)
        known = self.weights > 0
        decay = self.decay / (self.steps + 1) ** self.decay_exponent
        share = torch.where(known & is_finite, 1 - decay, 0.0)
        self.averages.lerp_(gradients.where(is_finite, 0.0), share[:, None])
        self.steps += is_finite
        norms = torch.linalg.vector_norm(self.averages, dim=1).where(known, 0.0)
        self.scales.copy_(torch.where(norms > 0, norms.max() / norms, 0.0))
        return self.scales.where(is_finite, torch.nan) @ self.averages

    @torch.no_grad()
    def effective_weights(self) -> dict[str, float]:
        """Return the present factor of each task's gradient of the shared parameters."""
        return dict(zip(self.tasks, (self.weights * self.scales).tolist(), strict=True))
