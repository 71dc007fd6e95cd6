"""Number of actors that a cluster has resources for."""

import pytest

from ray_jobs.tables.actor_pool import max_actors


@pytest.mark.parametrize(
    ("cpus", "gpus", "gpus_each", "actors"),
    [
        (8, 0, 0.0, 8),
        (8, 1, 0.25, 4),
        (3, 1, 0.25, 3),
        (16, 2, 0.6, 2),  # what is left of a GPU is no part of another
        (16, 2, 0.3, 6),
        (16, 2, 1.0, 2),
        (16, 0, 0.5, 1),  # waits for a GPU
    ],
)
def test_max_actors__shares_are_of_one_gpu(cpus: int, gpus: int, gpus_each: float, actors: int) -> None:
    assert max_actors(cpus, gpus, gpus_each) == actors
