"""Whether ways of training tell people apart unequally well, beyond the chance of people and of seeds.

Shape letters: A arms, S seeds, R rounds of a bootstrap.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from faceml.metrics.verification import (
    Floats,
    ScoredPairs,
    bootstrap_interval,
    verification_accuracy,
    weights_of_resampled_people,
)

ROUNDS = 1000


class Estimate(NamedTuple):
    """A figure and its 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def is_decided(self) -> bool:
        """Whether the interval leaves 0 out."""
        return self.low > 0 or self.high < 0


class ArmComparison(NamedTuple):
    """How much more accurate the first arm is than the second, as a share."""

    arm: str
    other: str
    difference: Estimate


class ArmStudy(NamedTuple):
    """Accuracy of each arm, and of every two arms the difference."""

    accuracies: dict[str, Estimate]
    comparisons: list[ArmComparison]


def compare_arms(
    arms: Mapping[str, Sequence[ScoredPairs]], rounds: int = ROUNDS, confidence: float = 0.95, seed: int = 0
) -> ArmStudy:
    """Compare verification accuracies, means over seeds.

    Intervals are those of `bootstrap_interval`, of a bootstrap that draws people anew, the same for all arms,
    and with them seeds, for each arm its own. Differences of S
    seeds are stretched by √(S / (S - 1)), as the spread of so few drawn again is that much too small; of one
    seed, intervals have no part of seeds. For all differences together to hold, each interval is widened to
    the confidence 1 - (1 - c) / (number of differences) (Bonferroni).

    Args:
        arms: For each the same pairs, scored by the network of each seed.
        rounds: R.
        confidence: c of each accuracy, and of all differences together.
        seed: Of the draws.
    """
    rng = np.random.default_rng(seed)
    some_pairs = next(iter(arms.values()))[0]
    exact = {
        name: float(np.mean([verification_accuracy(pairs) for pairs in runs])) for name, runs in arms.items()
    }
    drawn: dict[str, list[float]] = {name: [] for name in arms}
    for _ in range(rounds):
        weights = weights_of_resampled_people(some_pairs, rng)
        for name, runs in arms.items():
            of_seeds = np.array([verification_accuracy(pairs, weights) for pairs in runs])
            again = of_seeds[rng.integers(len(runs), size=len(runs))].mean()
            stretch = np.sqrt(len(runs) / (len(runs) - 1)) if len(runs) > 1 else 1.0
            drawn[name].append(float(of_seeds.mean() + stretch * (again - of_seeds.mean())))
    samples = {name: np.array(values) for name, values in drawn.items()}
    names = list(arms)
    couples = [(a, b) for place, a in enumerate(names) for b in names[place + 1 :]]
    together = 1 - (1 - confidence) / max(1, len(couples))
    return ArmStudy(
        {name: _estimate(exact[name], samples[name], confidence) for name in names},
        [
            ArmComparison(a, b, _estimate(exact[a] - exact[b], samples[a] - samples[b], together))
            for a, b in couples
        ],
    )


def images_to_reach(images: Sequence[int], accuracies: Sequence[float], target: float) -> float | None:
    """Return after how many images an accuracy is reached, on the line between two measurements.

    Args:
        images: Seen at each measurement, rising.
        accuracies: Then.
        target: To be reached for the first time.

    Returns:
        None if it never is; the first measurement's images if it is there already.
    """
    reached = next((place for place, accuracy in enumerate(accuracies) if accuracy >= target), None)
    if reached is None or reached == 0:
        return None if reached is None else float(images[0])
    before, after = accuracies[reached - 1], accuracies[reached]
    share = (target - before) / (after - before)
    return images[reached - 1] + share * (images[reached] - images[reached - 1])


def _estimate(value: float, samples: Floats, confidence: float) -> Estimate:
    return Estimate(value, *bootstrap_interval(value, samples, confidence))
