"""Comparison of the verification accuracies of training arms, with uncertainty from people and seeds.

Shape letters: A arms, S seeds, R rounds of a bootstrap.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from faceml.metrics import Floats, ScoredPairs, verification_accuracy, weights_of_resampled_people
from faceml.statistics import Estimate

ROUNDS = 1000


class ArmComparison(NamedTuple):
    """Difference of the accuracies of two arms, first minus second, in [-1, 1].

    Attributes:
        arm: The first arm.
        other: The second arm.
        difference: The difference; with one seed its interval is that of the sampling of people alone.
        seeds: Number of seeds of the arm that has fewer.
    """

    arm: str
    other: str
    difference: Estimate
    seeds: int

    @property
    def resolved(self) -> bool:
        """Whether the interval excludes 0, of arms with several seeds."""
        return self.seeds > 1 and self.difference.is_resolved


class ArmStudy(NamedTuple):
    """Accuracy of each arm, and difference of each pair of arms."""

    accuracies: dict[str, Estimate]
    comparisons: list[ArmComparison]


def compare_arms(
    arms: Mapping[str, Sequence[ScoredPairs]],
    rounds: int = ROUNDS,
    confidence: float = 0.95,
    seed: int = 0,
    reference: str | None = None,
) -> ArmStudy:
    """Compare verification accuracies, means over seeds.

    The variance of a mean, and of a difference of two means, has two parts: that of people, from a bootstrap
    that resamples them equally for all arms (`weights_of_resampled_people`), and that of seeds, s²/S of each
    arm, which is unknown for a single seed: no difference from such an arm is significant. Intervals are
    Student's with the degrees of freedom of Satterthwaite 1946. Those of differences are Bonferroni-corrected
    to the confidence 1 - (1 - c) / (number of differences).

    Args:
        arms: Name of each arm with the same pairs, scored by the network of each seed.
        rounds: Number of bootstrap rounds R.
        confidence: Confidence c of each accuracy, and of all differences together.
        seed: Seed of the bootstrap.
        reference: The arm that all others are compared with; by default each two arms are compared.
    """
    rng = np.random.default_rng(seed)
    some_pairs = next(iter(arms.values()))[0]
    num_people = len(np.unique(some_pairs.people))
    of_seeds = {name: [verification_accuracy(pairs) for pairs in runs] for name, runs in arms.items()}
    drawn: dict[str, list[float]] = {name: [] for name in arms}
    for _ in range(rounds):
        weights = weights_of_resampled_people(some_pairs, rng)
        for name, runs in arms.items():
            drawn[name].append(float(np.mean([verification_accuracy(pairs, weights) for pairs in runs])))
    samples = {name: np.array(values) for name, values in drawn.items()}
    names = list(arms)
    couples = [
        (a, b)
        for place, a in enumerate(names)
        for b in names[place + 1 :]
        if reference is None or reference in (a, b)
    ]
    together = 1 - (1 - confidence) / max(1, len(couples))

    def estimate(value: float, of_people: Floats, arms_of_it: Sequence[str], level: float) -> Estimate:
        parts = [(float(np.var(of_people, ddof=1)), num_people - 1)]
        for name in arms_of_it:
            count = len(of_seeds[name])
            if count > 1:
                parts.append((float(np.var(of_seeds[name], ddof=1)) / count, count - 1))
        return Estimate(value, *student_interval(value, parts, level))

    mean = {name: float(np.mean(values)) for name, values in of_seeds.items()}
    accuracies = {name: estimate(mean[name], samples[name], [name], confidence) for name in names}
    return ArmStudy(
        {
            name: Estimate(found.value, max(0.0, found.low), min(1.0, found.high))
            for name, found in accuracies.items()
        },
        [
            ArmComparison(
                a,
                b,
                estimate(mean[a] - mean[b], samples[a] - samples[b], [a, b], together),
                min(len(of_seeds[a]), len(of_seeds[b])),
            )
            for a, b in couples
        ],
    )


def student_interval(
    value: float, parts: Sequence[tuple[float, int]], confidence: float = 0.95
) -> tuple[float, float]:
    """Compute value ± t·√(Σ v), t with (Σ v)² / Σ (v² / d) degrees of freedom (Satterthwaite 1946).

    Args:
        value: The estimate.
        parts: Independent components v of its variance, each with its degrees of freedom d.
        confidence: In (0, 1).
    """
    from scipy.special import stdtrit

    total = sum(variance for variance, _ in parts)
    if total == 0:
        return value, value
    freedom = total**2 / sum(variance**2 / degrees for variance, degrees in parts)
    margin = float(stdtrit(freedom, (1 + confidence) / 2)) * math.sqrt(total)
    return value - margin, value + margin


def images_to_reach(images: Sequence[int], accuracies: Sequence[float], target: float) -> float | None:
    """Compute after how many images an accuracy is reached, by linear interpolation between measurements.

    Args:
        images: Number of images seen at each measurement, increasing.
        accuracies: Accuracy at each measurement.
        target: Accuracy to reach for the first time.

    Returns:
        None if it is never reached; the images of the first measurement if that reaches it.
    """
    reached = next((place for place, accuracy in enumerate(accuracies) if accuracy >= target), None)
    if reached is None or reached == 0:
        return None if reached is None else float(images[0])
    before, after = accuracies[reached - 1], accuracies[reached]
    share = (target - before) / (after - before)
    return images[reached - 1] + share * (images[reached] - images[reached - 1])
