"""Intervals of verification metrics, by a bootstrap over people."""

import numpy as np
import pytest

from faceml.metrics import ScoredPairs, weights_of_resampled_people
from faceml.training.verification import verification_intervals, verification_metrics

ROUNDS = 200


def drawn_pairs(people: int, rng: np.random.Generator) -> ScoredPairs:
    """Return ten pairs of each person, and as many of two people of a fold; some people are harder."""
    own = np.arange(people).repeat(10)
    other = (own // 10) * 10 + (own + 1 + rng.integers(0, 9, len(own))) % 10
    hard = rng.normal(0, 0.5, people)
    scores = np.concatenate([rng.normal(2, 1, len(own)) - hard[own], rng.normal(0, 1, len(own))])
    shown = np.concatenate([np.column_stack([own, own]), np.column_stack([own, other])])
    same, folds = np.arange(len(scores)) < len(own), np.concatenate([own // 10, own // 10])
    return ScoredPairs(scores, same, folds, shown)


def test_verification_intervals__of_each_metric_that_has_a_value() -> None:
    """Recomputed for TAR from its definition: the share of genuine pairs above the threshold for FAR 1 %."""
    pairs = drawn_pairs(100, np.random.default_rng(0))
    found, values = verification_intervals(pairs, ROUNDS), verification_metrics(pairs)
    assert set(found) == {"accuracy", "equal_error_rate", "tar_at_far_1e-2"}, "1,000 impostors"
    assert np.isnan(values["tar_at_far_1e-3"])
    for name, (low, high) in found.items():
        assert 0 <= low < values[name] < high <= 1

    def true_accept_rate(weights: np.ndarray) -> float:
        order = np.argsort(-pairs.scores)
        false = np.cumsum((weights * ~pairs.same)[order]) / weights[~pairs.same].sum()
        accepted = order[false <= 0.01]
        return float((weights * pairs.same)[accepted].sum() / weights[pairs.same].sum())

    assert true_accept_rate(np.ones(len(pairs.scores))) == pytest.approx(values["tar_at_far_1e-2"])
    rng = np.random.default_rng(0)
    drawn = [true_accept_rate(weights_of_resampled_people(pairs, rng)) for _ in range(ROUNDS)]
    margin = 1.96 * np.std(drawn, ddof=1)
    low, high = found["tar_at_far_1e-2"]
    assert (high - low) / 2 == pytest.approx(margin, rel=1e-3)


def test_verification_intervals__of_few_people_leave_out_resamples_of_one_person() -> None:
    pairs = drawn_pairs(20, np.random.default_rng(1))
    few = ScoredPairs(*(column[(pairs.people < 2).all(axis=1)] for column in pairs))
    few = few._replace(folds=np.arange(len(few.scores)) % 2)
    found = verification_intervals(few, ROUNDS)
    assert all(np.isfinite(limits).all() for limits in found.values())
