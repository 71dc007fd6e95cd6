"""Draws of each face, and their division among workers."""

import numpy as np
from hypothesis import given, settings, strategies as st

from faceml.datasets.sampling import ClassSampler, Sampling

LABELS = st.lists(st.integers(0, 7), min_size=1, max_size=120)
SAMPLING = st.sampled_from(["natural", "balanced", "sqrt"])


@settings(deadline=None, max_examples=60)
@given(LABELS, SAMPLING, st.integers(1, 4), st.integers(0, 9))
def test_class_sampler__workers_share_the_draw_of_one(
    labels: list[int], sampling: Sampling, workers: int, epoch: int
) -> None:
    def drawn(replicas: int, rank: int) -> list[int]:
        sampler = ClassSampler(labels, sampling, replicas, rank, seed=3)
        sampler.set_epoch(epoch)
        assert len(sampler) == len(list(sampler))
        return list(sampler)

    parts = [drawn(workers, rank) for rank in range(workers)]
    together = [index for step in zip(*parts, strict=True) for index in step]
    assert together == drawn(1, 0)[: len(labels) // workers * workers]


@settings(deadline=None, max_examples=60)
@given(LABELS, SAMPLING, st.integers(0, 9))
def test_class_sampler__gives_each_class_its_share_and_repeats_evenly(
    labels: list[int], sampling: Sampling, seed: int
) -> None:
    draws = np.bincount(list(ClassSampler(labels, sampling, seed=seed)), minlength=len(labels))
    present = sorted(set(labels))
    sizes = {label: labels.count(label) for label in present}
    weight = {c: {"natural": n, "balanced": 1, "sqrt": n**0.5}[sampling] for c, n in sizes.items()}
    for label in present:
        of_class = draws[np.asarray(labels) == label]
        assert abs(of_class.sum() - len(labels) * weight[label] / sum(weight.values())) < 1 + 1e-6
        assert of_class.max() - of_class.min() <= 1


def test_class_sampler__another_epoch_is_another_order() -> None:
    sampler = ClassSampler([0, 1] * 50, "balanced")
    first = list(sampler)
    assert list(sampler) == first
    sampler.set_epoch(1)
    assert list(sampler) != first
