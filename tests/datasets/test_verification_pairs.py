"""Properties of drawn verification pairs."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from faceml.config.config_error import ConfigError
from faceml.datasets.verification_pairs import draw_pairs

COUNTS = st.lists(st.integers(1, 7), min_size=8, max_size=40).filter(
    lambda counts: sum(c > 1 for c in counts) > 3
)


@settings(max_examples=60)
@given(COUNTS, st.integers(2, 400), st.integers(0, 5))
def test_draw_pairs__keeps_its_promises(counts: list[int], number: int, seed: int) -> None:
    people = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    pairs = draw_pairs(people.tolist(), number, seed)
    shown = people[pairs.images]
    assert (pairs.images[:, 0] != pairs.images[:, 1]).all()
    assert ((shown[:, 0] == shown[:, 1]) == pairs.same).all()
    assert len({tuple(sorted(pair)) for pair in pairs.images.tolist()}) == len(pairs.images)
    several = sum(count > 1 for count in counts)
    assert set(pairs.folds.tolist()) <= set(range(min(10, several // 2)))
    for fold in set(pairs.folds.tolist()):
        inside = pairs.folds == fold
        assert pairs.same[inside].sum() * 2 == inside.sum()
        assert not set(shown[inside].ravel().tolist()) & set(shown[~inside].ravel().tolist())
    again = draw_pairs(people.tolist(), number, seed)
    assert (again.images == pairs.images).all()


def test_draw_pairs__as_many_as_wanted_and_evenly_over_people() -> None:
    people = np.repeat(np.arange(40), [20] * 20 + [4] * 20).tolist()
    pairs = draw_pairs(people, 400)
    assert pairs.same.sum() == 200
    assert len(pairs.same) == 400
    of_each = np.bincount(np.array(people)[pairs.images[pairs.same, 0]], minlength=40)
    # Twenty of each fold's four people; nobody with many images has more than the others need to leave.
    assert of_each.min() >= 5
    assert of_each.max() <= 7


def test_draw_pairs__too_few_people_are_refused() -> None:
    with pytest.raises(ConfigError, match="3 people have two images or more"):
        draw_pairs([0, 0, 1, 1, 2, 2, 3, 4], 10)
