"""PCGrad and DB-MTL, compared with the papers' algorithms written with NumPy."""

import copy
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from faceml.losses.weighting.gradients import (
    ConflictFreeWeighting,
    DualBalancingWeighting,
    projection_shares,
)

NAMES = ("affect", "expression", "landmarks", "pose")
FINITE, NOT_FINITE = torch.tensor(True), torch.tensor(False)


ORDERS = [
    [[]],
    [[1], [0]],
    [[2, 1], [0, 2], [1, 0]],
    [[3, 1, 2], [0, 2, 3], [3, 1, 0], [2, 0, 1]],
]


def random_gradients(count: int, seed: int, parameters: int = 6) -> Tensor:
    return torch.randn(count, parameters, generator=torch.Generator().manual_seed(seed))


def pcgrad(gradients: np.ndarray, orders: Sequence[Sequence[int]]) -> np.ndarray:
    """Return the projected gradients, as Algorithm 1 of Yu et al. 2020 writes it."""
    projected = gradients.copy()
    for own, others in enumerate(orders):
        for other in others:
            product = projected[own] @ gradients[other]
            if product < 0:
                projected[own] -= product / (gradients[other] @ gradients[other]) * gradients[other]
    return projected


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("orders", ORDERS)
def test_projection_shares__project_as_the_paper_does(seed: int, orders: list[list[int]]) -> None:
    gradients = random_gradients(len(orders), seed).double()
    found = projection_shares(gradients @ gradients.T, orders) @ gradients
    np.testing.assert_allclose(found.numpy(), pcgrad(gradients.numpy(), orders), rtol=1e-9, atol=1e-12)
    for own, others in enumerate(orders):
        if others:  # no conflict is left with the last one
            assert found[own] @ gradients[others[-1]] >= -1e-12


def test_projection_shares__both_signs_and_both_orders_occur_above() -> None:
    products = [(g @ g.T)[0, 1].item() for g in (random_gradients(2, seed).double() for seed in range(12))]
    assert min(products) < 0 < max(products)
    three = [random_gradients(3, seed).double().numpy() for seed in range(12)]
    forwards, backwards = [[1, 2], [0, 2], [0, 1]], [[2, 1], [2, 0], [1, 0]]
    assert not np.allclose([pcgrad(g, forwards) for g in three], [pcgrad(g, backwards) for g in three])


def test_projection_shares__a_task_without_gradient_takes_nothing() -> None:
    gradients = torch.tensor([[1.0, -2.0], [0.0, 0.0]])
    assert torch.equal(projection_shares(gradients @ gradients.T, [[1], [0]]), torch.eye(2))


def conflict_free(count: int, seed: int = 0) -> ConflictFreeWeighting:
    return ConflictFreeWeighting(dict.fromkeys(NAMES[:count], 1.0), seed)


def step(weighting: ConflictFreeWeighting, gradients: Tensor) -> Tensor:
    weighting.before_step()
    return weighting.combine_gradients(gradients, FINITE)


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_conflict_free_weighting__sums_projections_in_an_order_drawn_per_task_and_step(count: int) -> None:
    weighting, gradients = conflict_free(count, seed=5), random_gradients(count, 1)
    for number in range(1, 7):
        rng = np.random.default_rng([5, number])
        orders = [[int(j) for j in rng.permutation(count) if j != own] for own in range(count)]
        expected = pcgrad(gradients.double().numpy(), orders).sum(axis=0)
        np.testing.assert_allclose(step(weighting, gradients).numpy(), expected, rtol=1e-4, atol=1e-5)


def test_conflict_free_weighting__every_order_occurs_equally_often() -> None:
    weighting, drawn = conflict_free(3), []
    for _ in range(1200):
        weighting.before_step()
        drawn.append(tuple(order[0] for order in weighting._draw_orders()))
    counts = [drawn.count(first) for first in set(drawn)]
    assert len(counts) == 8
    assert min(counts) > 150 - 5 * np.sqrt(150)


def test_conflict_free_weighting__resumed_it_draws_as_uninterrupted() -> None:
    whole, gradients = conflict_free(4), random_gradients(4, 2)
    for _ in range(5):
        step(whole, gradients)
    resumed = conflict_free(4)
    resumed.load_state_dict(copy.deepcopy(whole.state_dict()))
    for _ in range(5):
        assert torch.equal(step(resumed, gradients), step(whole, gradients))
    other_seed = [step(conflict_free(4, seed), gradients) for seed in range(8)]
    assert not all(torch.equal(each, other_seed[0]) for each in other_seed)


def test_conflict_free_weighting__a_state_without_number_of_steps_loads() -> None:
    parent = torch.nn.Module()
    parent.weighting = conflict_free(2)
    assert parent.load_state_dict({}) == ([], [])  # faceml 0.1 stored nothing


class ReferenceDualBalancing:
    """DB-MTL on gradients of log losses: Algorithm 1 of Lin et al. 2023."""

    def __init__(self, decay: float, exponent: float) -> None:
        self.decay, self.exponent = decay, exponent
        self.steps, self.averages = 0, np.zeros(())

    def step(self, gradients: np.ndarray) -> np.ndarray:
        self.steps += 1
        beta = self.decay / self.steps**self.exponent
        self.averages = beta * self.averages + (1 - beta) * gradients
        norms = [np.linalg.norm(average) for average in self.averages]
        combined: np.ndarray = sum(max(norms) / n * a for n, a in zip(norms, self.averages, strict=True))
        return combined


def task_losses(shared: Tensor, count: int) -> dict[str, Tensor]:
    every = [
        shared.square().sum() + 0.1,
        0.02 * (shared[0] - 3 * shared[1]).square() + 1e-3,
        30 * shared.sum().square() + 5,
        (shared[1] - 2).abs() + 0.3,
    ]
    return dict(zip(NAMES, every[:count], strict=False))


def weighted_gradients(weighting: DualBalancingWeighting, losses: dict[str, Tensor], x: Tensor) -> Tensor:
    weighting.on_losses({task: loss.detach() for task, loss in losses.items()})
    rows = [torch.autograd.grad(weighting.factor(t) * losses[t], x, retain_graph=True)[0] for t in losses]
    return torch.stack(rows)


@pytest.mark.parametrize("count", [1, 2, 3, 4])
@pytest.mark.parametrize(("decay", "exponent"), [(0.9, 0.0), (0.6, 0.5), (0.0, 0.0)])
def test_dual_balancing_weighting__descends_as_the_paper_does(
    count: int, decay: float, exponent: float
) -> None:
    weighting = DualBalancingWeighting(NAMES[:count], decay, exponent)
    reference = ReferenceDualBalancing(decay, exponent)
    x = torch.tensor([2.0, -1.5, 0.7], requires_grad=True)
    for _ in range(8):
        losses = task_losses(x, count)
        found = weighting.combine_gradients(weighted_gradients(weighting, losses, x), FINITE)
        logarithms = [(loss + 1e-8).log() for loss in losses.values()]
        rows = [torch.autograd.grad(log, x, retain_graph=True)[0].double().numpy() for log in logarithms]
        np.testing.assert_allclose(found.numpy(), reference.step(np.array(rows)), rtol=1e-4, atol=1e-6)
        assert weighting(losses).item() == pytest.approx(sum(log.item() for log in logarithms), rel=1e-5)
        with torch.no_grad():
            x -= 0.05 * found


def test_dual_balancing_weighting__effective_weights_give_all_tasks_the_same_norm() -> None:
    weighting, x = (
        DualBalancingWeighting(NAMES, decay=0.0),
        torch.tensor([2.0, -1.5, 0.7], requires_grad=True),
    )
    losses = task_losses(x, 4)
    weighting.combine_gradients(weighted_gradients(weighting, losses, x), FINITE)
    norms = {
        t: torch.autograd.grad(loss, x, retain_graph=True)[0].norm().item() for t, loss in losses.items()
    }
    weighted = [weight * norms[task] for task, weight in weighting.effective_weights().items()]
    largest = max(norms[task] / loss.item() for task, loss in losses.items())
    assert weighted == pytest.approx([largest] * 4, rel=1e-4)


def test_dual_balancing_weighting__a_task_without_loss_is_ignored_and_keeps_its_average() -> None:
    weighting = DualBalancingWeighting(NAMES[:3])
    first, second = random_gradients(3, 1), random_gradients(3, 2)
    weighting.on_losses(dict.fromkeys(NAMES[:3], torch.tensor(1.0)))
    weighting.combine_gradients(first, FINITE)
    kept = weighting.averages[2].clone()
    weighting.on_losses(dict(zip(NAMES, torch.tensor([1.0, 2.0, 0.0]), strict=False)))
    second[2] = 0.0
    found = weighting.combine_gradients(second, FINITE)
    assert torch.equal(weighting.averages[2], kept)
    others = 0.9 * 0.1 * first[:2] + 0.1 * second[:2]
    norms = others.norm(dim=1)
    torch.testing.assert_close(found, (others * (norms.max() / norms)[:, None]).sum(dim=0))
    assert weighting.effective_weights()["landmarks"] == 0.0
    weighting.on_losses(dict.fromkeys(NAMES[:3], torch.tensor(0.0)))
    assert not weighting.combine_gradients(torch.zeros(3, 6), FINITE).any()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_dual_balancing_weighting__a_gradient_that_is_not_finite_leaves_it_as_it_was(value: float) -> None:
    weighting, broken = DualBalancingWeighting(NAMES[:2]), random_gradients(2, 3)
    weighting.on_losses(dict.fromkeys(NAMES[:2], torch.tensor(1.0)))
    weighting.combine_gradients(random_gradients(2, 2), FINITE)
    before = copy.deepcopy(weighting.state_dict())
    broken[1, 2] = value
    assert not weighting.combine_gradients(broken, NOT_FINITE).isfinite().all()
    torch.testing.assert_close(weighting.state_dict(), before, rtol=0, atol=0)


def test_dual_balancing_weighting__resumed_it_goes_on_as_uninterrupted() -> None:
    def go_on(weighting: DualBalancingWeighting) -> Tensor:
        for seed in range(3):
            weighting.on_losses(dict.fromkeys(NAMES[:3], torch.tensor(1.0 + seed)))
            found = weighting.combine_gradients(random_gradients(3, seed), FINITE)
        return found

    whole, resumed = (DualBalancingWeighting(NAMES[:3], 0.8, 0.5) for _ in range(2))
    go_on(whole)
    resumed.load_state_dict(copy.deepcopy(whole.state_dict()))
    assert torch.equal(go_on(resumed), go_on(whole))
    assert resumed.effective_weights() == whole.effective_weights()
