"""Batches of P people with K images each."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from faceml.datasets.identity_sampling import PKSampler


@st.composite
def people_and_batches(draw: st.DrawFn) -> tuple[list[int], int, int, int]:
    """Labels in any order, P, K and W that fit."""
    counts = draw(st.lists(st.integers(1, 12), min_size=2, max_size=30))
    workers = draw(st.integers(1, min(3, len(counts))))
    people = draw(st.integers(1, len(counts) // workers))
    labels = [7 * person for person, count in enumerate(counts) for _ in range(count)]
    return draw(st.permutations(labels)), people, draw(st.integers(1, 6)), workers


def drawn(labels: list[int], p: int, k: int, workers: int, epoch: int = 0) -> list[np.ndarray]:
    """For each worker its draws of an epoch, of shape (batches, P, K)."""
    shares = []
    for rank in range(workers):
        sampler = PKSampler(labels, p, k, workers, rank, seed=5)
        sampler.set_epoch(epoch)
        draws = list(sampler)
        assert len(draws) == len(sampler)
        shares.append(np.array(draws).reshape(-1, p, k))
    return shares


@given(made=people_and_batches(), epoch=st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_pk_sampler__a_step_has_p_people_on_each_worker_and_nobody_twice(
    made: tuple[list[int], int, int, int], epoch: int
) -> None:
    labels, p, k, workers = made
    shares = drawn(labels, p, k, workers, epoch)
    assert len({share.shape for share in shares}) == 1, "all workers have the same number of steps"
    people = np.array(labels)[np.stack(shares, axis=1)]  # (steps, W, P, K)
    assert (people == people[..., :1]).all(), "K images of one person"
    for step in people[..., 0].reshape(len(people), -1):
        assert len(set(step)) == workers * p


@given(made=people_and_batches(), epoch=st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_pk_sampler__an_epoch_visits_everybody_and_is_about_as_long_as_the_images_are_many(
    made: tuple[list[int], int, int, int], epoch: int
) -> None:
    labels, p, k, workers = made
    shares = drawn(labels, p, k, workers, epoch)
    visits = Counter(np.array(labels)[np.concatenate(shares)[..., 0].ravel()].tolist())
    people = len(set(labels))
    passes = max(1, round(len(labels) / (people * k)))
    assert visits.keys() == set(labels)
    assert all(passes <= number <= 2 * passes for number in visits.values()), (
        "once a pass, twice where it fills up"
    )
    steps = passes * -(-people // (p * workers))
    assert sum(visits.values()) == steps * p * workers


@given(made=people_and_batches(), epoch=st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_pk_sampler__an_image_comes_again_only_when_all_of_that_person_came(
    made: tuple[list[int], int, int, int], epoch: int
) -> None:
    labels, p, k, workers = made
    seen = Counter(np.concatenate(drawn(labels, p, k, workers, epoch)).ravel().tolist())
    for person in set(labels):
        numbers = [seen[image] for image, label in enumerate(labels) if label == person]
        assert max(numbers) - min(numbers) <= 1


def test_pk_sampler__repeats_the_order_of_a_seed_and_an_epoch_and_no_other() -> None:
    labels = [person for person in range(20) for _ in range(6)]
    orders = {
        (seed, epoch): tuple(_order(PKSampler(labels, 4, 3, seed=seed), epoch))
        for seed in (0, 1)
        for epoch in (0, 1)
    }
    assert len(set(orders.values())) == 4
    assert orders[1, 1] == tuple(_order(PKSampler(labels, 4, 3, seed=1), 1))


def _order(sampler: PKSampler, epoch: int) -> list[int]:
    sampler.set_epoch(epoch)
    return list(sampler)


def test_pk_sampler__too_few_people_are_refused() -> None:
    with pytest.raises(ValueError, match="3 people, but a step has 2 on each of 2 workers"):
        PKSampler([0, 1, 2], 2, 2, num_replicas=2)
