"""Intervals of verification metrics, by a bootstrap over people."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score, roc_curve
from sklearn.model_selection import KFold

from faceml.datasets import VerificationPairs
from faceml.metrics import ScoredPairs, weights_of_resampled_people
from faceml.training.verification.measures import (
    evaluation_metrics,
    group_accuracies,
    identification,
    verification_intervals,
    verification_metrics,
)
from faceml.training.verification.scoring import score_pairs

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


def test_evaluation_metrics__are_those_of_a_training_and_more() -> None:
    pairs = drawn_pairs(100, np.random.default_rng(0))
    found, values = evaluation_metrics(pairs), verification_metrics(pairs)
    np.testing.assert_equal({name: found[name] for name in values}, values)
    false, true, _ = roc_curve(pairs.same, pairs.scores)
    assert found["tar_at_far_1e-1"] == pytest.approx(true[false <= 0.1].max())
    assert found["area_under_curve"] == pytest.approx(roc_auc_score(pairs.same, pairs.scores))
    intervals = verification_intervals(pairs, ROUNDS, measure=evaluation_metrics)
    assert intervals.keys() >= {"accuracy", "tar_at_far_1e-1", "area_under_curve"}
    assert intervals["accuracy"] == verification_intervals(pairs, ROUNDS)["accuracy"]


def test_group_accuracies__are_shares_with_intervals_over_people() -> None:
    """Half the people are always right: the interval is that of a share of 50 people, not of their pairs."""
    pairs = drawn_pairs(50, np.random.default_rng(0))
    right = pairs.people[:, 0] % 2 == 0
    groups = {"genuine": pairs.same, "of the first people": pairs.same & (pairs.people[:, 0] < 10)}
    found = group_accuracies(pairs, right, groups, rounds=1000)
    assert found["genuine"].value == 0.5
    assert (found["genuine"].high - found["genuine"].low) / 2 == pytest.approx(
        1.96 * np.sqrt(0.25 / 50), rel=0.1
    )
    few = found["of the first people"]
    assert few.high - few.low > 2 * (found["genuine"].high - found["genuine"].low) - 0.05


def test_verification_intervals__of_few_people_leave_out_resamples_of_one_person() -> None:
    pairs = drawn_pairs(20, np.random.default_rng(1))
    few = ScoredPairs(*(column[(pairs.people < 2).all(axis=1)] for column in pairs))
    few = few._replace(folds=np.arange(len(few.scores)) % 2)
    found = verification_intervals(few, ROUNDS)
    assert all(np.isfinite(limits).all() for limits in found.values())


def pairs_without_names(number: int) -> VerificationPairs:
    """Return pairs of images 2n and 2n + 1, as insightface's files have them, in ten consecutive folds."""
    same = np.arange(number) // 3 % 2 == 0
    folds = np.arange(number) * 10 // number
    return VerificationPairs(np.arange(2 * number).reshape(-1, 2), same, folds, np.zeros(number, bool))


def test_score_pairs__of_images_in_one_folder_are_a_bootstrap_over_pairs() -> None:
    rng, pairs = np.random.default_rng(0), pairs_without_names(600)
    embeddings = rng.normal(size=(1200, 4))
    embeddings[1::2] += 2 * embeddings[::2] * pairs.same[:, None]
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    scored = score_pairs(embeddings, pairs, np.zeros(1200, dtype=np.int64))
    assert scored.num_people is None

    weights = weights_of_resampled_people(scored, np.random.default_rng(5))
    drawn = np.random.default_rng(5).integers(600, size=600)
    np.testing.assert_array_equal(weights, np.bincount(drawn, minlength=600))
    # The accuracies of the ten folds have nearly one threshold, so that the accuracy is nearly a proportion.
    low, high = verification_intervals(scored, ROUNDS)["accuracy"]
    accuracy = verification_metrics(scored)["accuracy"]
    assert (high - low) / 2 == pytest.approx(1.96 * np.sqrt(accuracy * (1 - accuracy) / 600), rel=0.25)


def accuracy_as_insightface_computes_it(embeddings: np.ndarray, same: np.ndarray) -> float:
    """Return the mean over ten folds, each at the threshold of the squared distance best for the others."""
    distances = ((embeddings[0::2] - embeddings[1::2]) ** 2).sum(axis=1)
    thresholds = np.arange(0, 4, 0.001)
    right = (distances[None] < thresholds[:, None]) == same[None]
    accuracies = []
    for others, held_out in KFold(10, shuffle=False).split(distances):
        best = np.argmax(right[:, others].mean(axis=1))
        accuracies.append(right[best, held_out].mean())
    return float(np.mean(accuracies))


@pytest.mark.parametrize("number", [600, 1003])
def test_verification_accuracy__is_that_of_insightface(number: int) -> None:
    """Best thresholds are intervals, of which both choose another point: a few pairs may differ."""
    rng, pairs = np.random.default_rng(1), pairs_without_names(number)
    embeddings = rng.normal(size=(2 * number, 16))
    embeddings[1::2] += 1.5 * embeddings[::2] * pairs.same[:, None]
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    scored = score_pairs(embeddings, pairs, np.zeros(2 * number, dtype=np.int64))
    accuracy = verification_metrics(scored)["accuracy"]
    assert 0.8 < accuracy < 0.99
    assert accuracy == pytest.approx(accuracy_as_insightface_computes_it(embeddings, pairs.same), abs=0.005)


def test_identification__without_people_is_not_a_number() -> None:
    assert np.isnan(list(identification(np.zeros((0, 4)), np.zeros(0, dtype=np.int64)).values())).all()
    assert np.isnan(list(identification(np.eye(3), np.arange(3)).values())).all()
