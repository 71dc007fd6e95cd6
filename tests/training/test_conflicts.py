"""Projected gradients, recomputed with NumPy, on one and two workers."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, distributed

from faceml.training.conflicts import ConflictFreeBackward, project_conflicts
from tests.two_workers import run_on_two_workers


def flat(gradients: list[Tensor]) -> np.ndarray:
    return np.concatenate([gradient.numpy().ravel() for gradient in gradients])


@pytest.mark.parametrize("seed", range(12))
def test_project_conflicts__two_tasks_lose_what_is_against_the_other(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    one, other = (
        [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in ((2, 3), (4,))]
        for _ in range(2)
    )
    found = [flat(each) for each in project_conflicts([one, other])]
    g, h = flat(one), flat(other)
    product = g @ h
    expected = [g - product / (h @ h) * h, h - product / (g @ g) * g] if product < 0 else [g, h]
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert found[0] @ h >= -1e-12
    assert found[1] @ g >= -1e-12


def test_project_conflicts__both_cases_are_met_above() -> None:
    products = []
    for seed in range(12):
        generator = torch.Generator().manual_seed(seed)
        one, other = (
            flat([torch.randn(s, generator=generator, dtype=torch.float64) for s in ((2, 3), (4,))])
            for _ in range(2)
        )
        products.append(one @ other)
    assert min(products) < 0 < max(products)


def test_project_conflicts__a_task_without_gradient_takes_nothing() -> None:
    gradient, none = [torch.tensor([1.0, -2.0])], [torch.zeros(2)]
    assert torch.equal(project_conflicts([gradient, none])[0][0], gradient[0])


def weights() -> list[torch.nn.Parameter]:
    torch.manual_seed(0)
    return [torch.nn.Parameter(torch.randn(4)) for _ in range(3)]


def task_losses(parameters: list[torch.nn.Parameter], faces: Tensor) -> dict[str, Tensor]:
    """Two tasks with a head each that pull the shared parameter apart."""
    shared, head, other_head = parameters
    return {
        "expression": ((faces @ shared) * head[0] - 1).square().mean(),
        "landmarks": ((faces @ shared) * other_head[1] + 2).square().mean(),
    }


def faces() -> Tensor:
    return torch.randn(8, 4, generator=torch.Generator().manual_seed(2))


def gradients_of(batches: list[Tensor]) -> list[Tensor]:
    parameters = weights()
    backward = ConflictFreeBackward(parameters[:1], parameters[1:])
    for batch in batches:
        losses = task_losses(parameters, batch)
        backward.add({task: loss / len(batches) for task, loss in losses.items()})
    backward.finish()
    return [p.grad for p in parameters if p.grad is not None]


def test_conflict_free_backward__projects_shared_parameters_and_leaves_heads() -> None:
    parameters = weights()
    losses = task_losses(parameters, faces())
    shared = [torch.autograd.grad(loss, parameters[0], retain_graph=True)[0] for loss in losses.values()]
    g, h = (each.double().numpy() for each in shared)
    assert g @ h < 0
    expected = (g - (g @ h) / (h @ h) * h) + (h - (g @ h) / (g @ g) * g)
    found = gradients_of([faces()])
    np.testing.assert_allclose(found[0].numpy(), expected, rtol=1e-4, atol=1e-6)
    heads = torch.autograd.grad(losses["expression"] + losses["landmarks"], parameters[1:])
    torch.testing.assert_close(found[1:], list(heads))


def test_conflict_free_backward__of_two_batches_is_that_of_one_large_batch() -> None:
    torch.testing.assert_close(gradients_of(list(faces().chunk(2))), gradients_of([faces()]))


def worker(rank: int, folder: Path) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    torch.save(gradients_of([faces().chunk(2)[rank]]), folder / f"{rank}.pt")
    distributed.destroy_process_group()


def test_conflict_free_backward__of_two_workers_is_that_of_one_with_all_faces(tmp_path: Path) -> None:
    run_on_two_workers(worker, tmp_path)
    for rank in (0, 1):
        found = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        torch.testing.assert_close(found, gradients_of([faces()]))
