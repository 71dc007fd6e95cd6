"""Gradients of each task: norms and cosines, and their combination, on one and two workers."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, distributed, nn

from faceml.losses.weighting.gradients import ConflictFreeWeighting, DualBalancingWeighting
from faceml.training.task_gradients import TaskBackward, task_gradients
from faceml.training.workers import mean_over_workers
from tests.two_workers import run_on_two_workers

TASKS = ("affect", "expression", "landmarks", "pose")


def parameters() -> list[nn.Parameter]:
    """Return a shared matrix, whose memory format is not the default one, and a head for each task."""
    torch.manual_seed(0)
    shared = nn.Parameter(torch.randn(2, 3, 2, 2).to(memory_format=torch.channels_last))
    return [shared, *(nn.Parameter(1 + 0.3 * torch.randn(2)) for _ in TASKS)]


def task_losses(parameters: list[nn.Parameter], faces: Tensor, count: int = 4) -> dict[str, Tensor]:
    """Return losses of tasks that pull the shared parameter apart, with a head each."""
    shared, *heads = parameters
    features = faces @ shared.flatten(1).T
    targets = (10.0, -10.0, 5.0, -15.0)
    return {
        task: (features @ head - target).square().mean()
        for task, head, target in zip(TASKS[:count], heads, targets, strict=False)
    }


def faces() -> Tensor:
    return torch.randn(8, 12, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_task_gradients__are_those_of_each_task_alone(count: int) -> None:
    shared, *heads = parameters()
    losses = task_losses([shared, *heads], faces(), count)
    found = task_gradients(losses, [shared])
    sum(losses.values(), torch.zeros(())).backward()  # the graph is still there
    alone = {}
    for task in losses:
        own = parameters()
        task_losses(own, faces(), count)[task].backward()
        assert own[0].grad is not None
        alone[task] = own[0].grad.double().numpy().ravel()
    assert list(found.norms) == list(TASKS[:count])
    assert found.norms == pytest.approx({task: np.linalg.norm(g) for task, g in alone.items()}, rel=1e-4)
    pairs = list(combinations(TASKS[:count], 2))
    assert list(found.cosines) == pairs
    for (one, other), cosine in found.cosines.items():
        g, h = alone[one], alone[other]
        assert cosine == pytest.approx(g @ h / np.sqrt((g @ g) * (h @ h)), abs=1e-4)


def test_task_gradients__of_a_task_without_influence_is_0() -> None:
    shared, other = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3))
    losses = {"reaches": (shared * torch.tensor([3.0, 4.0, 0.0])).sum(), "misses": other.sum()}
    found = task_gradients(losses, [shared])
    assert found.norms == {"reaches": pytest.approx(5.0), "misses": 0.0}
    assert np.isnan(found.cosines["reaches", "misses"])


def test_task_gradients__of_a_task_without_targets_is_unknown() -> None:
    shared = nn.Parameter(torch.ones(2))
    found = task_gradients({"known": shared.sum(), "without": 0.0 * shared.sum()}, [shared])
    assert found.norms["known"] == pytest.approx(np.sqrt(2))
    assert np.isnan(found.norms["without"])
    assert np.isnan(found.cosines["known", "without"])


def test_metrics__names_pairs_only_of_more_than_two_tasks() -> None:
    shared, *heads = parameters()

    def names(count: int) -> set[str]:
        found = task_gradients(task_losses([shared, *heads], faces(), count), [shared]).metrics()
        return {name.removeprefix("train/grad_") for name in found} - {f"norm_{task}" for task in TASKS}

    assert names(1) == set()
    assert names(2) == {"cosine"}
    pairs = {"cosine_affect_expression", "cosine_affect_landmarks", "cosine_expression_landmarks"}
    assert names(3) == pairs
    assert len(names(4)) == 6


def conflict_free(count: int) -> ConflictFreeWeighting:
    return ConflictFreeWeighting(dict.fromkeys(TASKS[:count], 1.0))


def gradients_of(batches: list[Tensor], count: int = 3, scale: float = 1.0) -> list[Tensor]:
    own, weighting = parameters()[: 1 + count], conflict_free(count)
    weighting.before_step()
    backward = TaskBackward(weighting, own[:1], own[1:])
    for batch in batches:
        losses = task_losses(own, batch, count)
        backward.add({task: scale * loss / len(batches) for task, loss in losses.items()})
    backward.finish(torch.tensor(scale))
    return [p.grad / scale for p in own if p.grad is not None]


@pytest.mark.parametrize("count", [2, 3, 4])
def test_task_backward__combines_shared_parameters_and_leaves_heads(count: int) -> None:
    own = parameters()[: 1 + count]
    losses = task_losses(own, faces(), count)
    rows = [torch.autograd.grad(loss, own[0], retain_graph=True)[0].flatten() for loss in losses.values()]
    weighting = conflict_free(count)
    weighting.before_step()
    expected = weighting.combine_gradients(torch.stack(rows), torch.tensor(True))
    assert not torch.allclose(expected, torch.stack(rows).sum(dim=0)), "gradients conflict"
    found = gradients_of([faces()], count)
    torch.testing.assert_close(found[0].flatten(), expected, rtol=1e-4, atol=1e-5)
    assert found[0].stride() == own[0].stride() != torch.empty(own[0].shape).stride()
    heads = torch.autograd.grad(sum(losses.values(), torch.zeros(())), own[1:])
    torch.testing.assert_close(found[1:], list(heads), rtol=1e-4, atol=1e-5)


def test_task_backward__of_two_batches_is_that_of_one_large_batch() -> None:
    torch.testing.assert_close(gradients_of(list(faces().chunk(2))), gradients_of([faces()]))


def test_task_backward__averages_do_not_depend_on_the_loss_scale() -> None:
    found = []
    for scales in ([1.0, 1.0], [1024.0, 512.0]):
        own, weighting = parameters(), DualBalancingWeighting(TASKS)
        backward = TaskBackward(weighting, own[:1], own[1:])
        for scale in scales:
            losses = task_losses(own, faces())
            weighting.on_losses({task: loss.detach() for task, loss in losses.items()})
            backward.add({task: scale * weighting.factor(task) * loss for task, loss in losses.items()})
            backward.finish(torch.tensor(scale))
        found.append([p.grad / scale for p in own if p.grad is not None])
    torch.testing.assert_close(found[1], found[0])


def test_task_backward__without_shared_parameters_adds_those_of_the_heads() -> None:
    own = parameters()
    for weighting in (conflict_free(4), DualBalancingWeighting(TASKS)):
        backward = TaskBackward(weighting, [], own[1:])
        backward.add(task_losses(own, faces()))
        backward.finish(torch.tensor(1.0))
        heads = torch.autograd.grad(sum(task_losses(own, faces()).values(), torch.zeros(())), own[1:])
        torch.testing.assert_close([p.grad for p in own[1:]], list(heads))


def dual_balanced(batch: Tensor) -> list[Tensor]:
    """Return the gradients of the second of two steps, with one worker's faces."""
    own, weighting = parameters(), DualBalancingWeighting(TASKS)
    backward = TaskBackward(weighting, own[:1], own[1:])
    for sign in (1, -1):
        losses = task_losses(own, sign * batch)
        weighting.on_losses({task: mean_over_workers(loss) for task, loss in losses.items()})
        backward.add({task: weighting.factor(task) * loss for task, loss in losses.items()})
        backward.finish(torch.tensor(1.0))
    return [p.grad for p in own if p.grad is not None]


def worker(rank: int, folder: Path) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    half = faces().chunk(2)[rank]
    found = {"pcgrad": gradients_of([half], 4), "db_mtl": dual_balanced(half)}
    torch.save(found, folder / f"{rank}.pt")
    distributed.destroy_process_group()


def test_task_backward__of_two_workers_is_that_of_one_with_all_faces(tmp_path: Path) -> None:
    run_on_two_workers(worker, tmp_path)
    for rank in (0, 1):
        found = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        torch.testing.assert_close(found["pcgrad"], gradients_of([faces()], 4), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(found["db_mtl"], dual_balanced(faces()), rtol=1e-4, atol=1e-5)
