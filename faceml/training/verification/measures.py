"""Metrics of scored pairs with their intervals, and identification by embeddings.

Shape letters: N pairs or images, D embedding dimensions.
"""

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from faceml.metrics import (
    Curve,
    ScoredPairs,
    area_under_curve,
    bootstrap_interval,
    equal_error_rate,
    identification_rates,
    roc_curve,
    true_accepts_at,
    verification_accuracy,
    weights_of_resampled_people,
)
from faceml.statistics import Estimate
from faceml.training.observer import Metrics

FALSE_ACCEPT_RATES = (1e-2, 1e-3, 1e-4)
EVALUATED_RATES = (1e-1, *FALSE_ACCEPT_RATES)
"""False accept rates of an evaluation."""
RANKS = (1, 5)


def verification_metrics(pairs: ScoredPairs, weights: npt.NDArray[np.float64] | None = None) -> Metrics:
    """Return accuracy, equal error rate and TAR at FAR by name; NaN where there are too few pairs.

    Args:
        pairs: Scored pairs.
        weights: Weights of the pairs; equal by default.
    """
    return _measure(pairs, weights, FALSE_ACCEPT_RATES)[0]


def evaluation_metrics(pairs: ScoredPairs, weights: npt.NDArray[np.float64] | None = None) -> Metrics:
    """Return the metrics of `verification_metrics`, TAR at a FAR of 0.1, and the area under the ROC curve."""
    found, curve = _measure(pairs, weights, EVALUATED_RATES)
    return found | {"area_under_curve": area_under_curve(curve)}


def _measure(
    pairs: ScoredPairs, weights: npt.NDArray[np.float64] | None, rates: Sequence[float]
) -> tuple[Metrics, Curve]:
    curve, impostors = roc_curve(pairs, weights), int((~pairs.same).sum())
    at = {rate: true_accepts_at(curve, rate, impostors) for rate in rates}
    found = {
        "accuracy": verification_accuracy(pairs, weights),
        "equal_error_rate": equal_error_rate(curve),
        **{true_accept_name(rate): math.nan if value is None else value for rate, value in at.items()},
    }
    return found, curve


def true_accept_name(rate: float) -> str:
    """Return the name of the true accept rate at a false accept rate, such as `tar_at_far_1e-3`."""
    return f"tar_at_far_{rate:.0e}".replace("e-0", "e-")


def verification_intervals(
    pairs: ScoredPairs,
    rounds: int = 500,
    confidence: float = 0.95,
    seed: int = 0,
    measure: Callable[..., Metrics] = verification_metrics,
) -> dict[str, tuple[float, float]]:
    """Return confidence intervals of the verification metrics by a bootstrap over people, in [0, 1].

    Resamples that have no pair of the same person, or none of different people, are left out. A metric that
    is NaN has no interval.

    Args:
        pairs: Scored pairs.
        rounds: Number of resamples.
        confidence: Confidence level, in (0, 1).
        seed: Seed of the bootstrap.
        measure: `verification_metrics` or `evaluation_metrics`.
    """
    rng = np.random.default_rng(seed)
    weights = [weights_of_resampled_people(pairs, rng) for _ in range(rounds)]
    drawn = [
        measure(pairs, drawn) for drawn in weights if drawn[pairs.same].any() and drawn[~pairs.same].any()
    ]
    found = {}
    for name, value in measure(pairs).items():
        if not np.isnan(value):
            samples = np.array([metrics[name] for metrics in drawn])
            low, high = bootstrap_interval(value, samples, confidence)
            found[name] = max(0.0, low), min(1.0, high)
    return found


def identification(embeddings: npt.NDArray[np.float64], people: npt.NDArray[np.int64]) -> Metrics:
    """Identify all images by a gallery of the first image of each person who has several.

    Returns:
        `top_1` and `top_5`, the shares of the probes identified at these ranks; NaN without probes.
    """
    names, first, counts = np.unique(people, return_index=True, return_counts=True)
    gallery = first[counts > 1]
    probes = np.setdiff1d(np.flatnonzero(np.isin(people, names[counts > 1])), gallery)
    if not len(probes):
        return {f"top_{rank}": float("nan") for rank in RANKS}
    rates = identification_rates(
        embeddings[gallery], people[gallery], embeddings[probes], people[probes], RANKS
    )
    return {f"top_{rank}": rate for rank, rate in rates.items()}


def group_accuracies(
    pairs: ScoredPairs,
    right: npt.NDArray[np.bool_],
    groups: Mapping[str, npt.NDArray[np.bool_]],
    rounds: int = 500,
    seed: int = 0,
) -> dict[str, Estimate]:
    """Return the accuracy in groups of pairs with its interval, by a bootstrap over people.

    Args:
        pairs: Scored pairs.
        right: Whether a pair is classified correctly, bool of shape (N,).
        groups: Mask of each group by its name, bool of shape (N,), at least one pair each.
        rounds: Number of resamples; those without a pair of a group are left out for it.
        seed: Seed of the bootstrap.
    """
    rng = np.random.default_rng(seed)
    drawn: dict[str, list[float]] = {name: [] for name in groups}
    for _ in range(rounds):
        weights = weights_of_resampled_people(pairs, rng)
        for name, group in groups.items():
            total = weights[group].sum()
            if total:
                drawn[name].append(float(weights[group] @ right[group] / total))
    found = {}
    for name, group in groups.items():
        value = float(right[group].mean())
        low, high = bootstrap_interval(value, np.array(drawn[name]))
        found[name] = Estimate(value, max(0.0, low), min(1.0, high))
    return found
