"""Simulated searches whose true scores are known."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from ray.tune.schedulers import TrialScheduler

from faceml.search.trial import Trial

EPOCHS = 8
KIND = "weighting.kind"


class Setting(NamedTuple):
    """A setting of an arm: its true score in points, and the standard deviation of a training."""

    score: float
    deviation: float = 1.0


Arms = Mapping[str, Sequence[Setting]]


def equal_settings(count: int, deviation: float = 1.0) -> list[Setting]:
    return [Setting(70.0, deviation)] * count


LAMBDAS = [Setting(score, 0.5) for score in (70, 70, 69, 64, 55)]
"""Fixed weights: the best two of five are as good as a learned weighting of 70 points."""

WITHOUT_DIFFERENCE: dict[str, Arms] = {
    "five λ": {"fixed": LAMBDAS, "uncertainty": [Setting(70, 0.5)]},
    "λ close to each other": {
        "fixed": [Setting(70 - n / 2) for n in range(5)],
        "uncertainty": [Setting(70)],
    },
    "one against one": {"fixed": equal_settings(1), "uncertainty": equal_settings(1)},
    "eight against one": {"fixed": equal_settings(8), "uncertainty": equal_settings(1)},
    "four against four": {"fixed": equal_settings(4), "uncertainty": equal_settings(4)},
    "steady and unsteady": {"fixed": equal_settings(4, 0.3), "uncertainty": equal_settings(4, 3.0)},
    "a steady second": {
        "fixed": [Setting(70, 1.0), Setting(69.5, 0.01)],
        "uncertainty": [Setting(70, 0.01)],
    },
    "collapsed": {
        "fixed": [Setting(70), *[Setting(36.7, 0.0)] * 4],
        "uncertainty": [Setting(70)],
    },
    "three values": {name: equal_settings(2) for name in ("fixed", "uncertainty", "dwa")},
}
"""Arms of which the best settings are equally good."""


def searches(
    arms: Arms,
    seeds: int,
    number: int,
    rng: np.random.Generator,
    *,
    of_seed: float = 1.0,
    of_arm: float = 0.0,
    images: int | None = None,
) -> Iterator[list[Trial]]:
    """Yield searches that ran to their end.

    Args:
        arms: Settings of each value: learning rates common to all, or an own setting of the only value with
            several.
        seeds: Number of seeds.
        number: Number of searches.
        rng: Random numbers.
        of_seed: Standard deviation of a seed's effect on all trials, in points.
        of_arm: Standard deviation of a seed's effect on the trials of one arm, in points.
        images: Number of validation images, which an accuracy is a multiple of 1 / images of.
    """
    is_own = len({len(settings) for settings in arms.values()}) > 1
    key = "weighting.lambda_landmarks" if is_own else "optimizer.learning_rate"
    for _ in range(number):
        luck = rng.normal(0, of_seed, seeds)
        found = []
        for arm, settings in arms.items():
            own = rng.normal(0, of_arm, seeds)
            for place, setting in enumerate(settings):
                drawn = setting.score + luck + own + rng.normal(0, setting.deviation, seeds)
                scores = drawn / 100 if images is None else np.round(drawn / 100 * images) / images
                for seed, score in enumerate(scores):
                    choice = {} if is_own and len(settings) == 1 else {key: 10.0**-place}
                    chosen = {KIND: arm, "seed": seed} | choice
                    found.append(trial(chosen, [float(score)] * EPOCHS))
        yield found


def trial(settings: dict[str, object], scores: Sequence[float]) -> Trial:
    records = [{"epoch": epoch, "val/accuracy": score} for epoch, score in enumerate(scores, start=1)]
    return Trial("-".join(map(str, settings.values())), dict(settings), records, EPOCHS)


class _Running(NamedTuple):
    """A trial as a scheduler of Ray Tune knows it."""

    trial_id: str


def stopped_searches(
    number: int,
    seeds: int,
    rng: np.random.Generator,
    scheduler: Callable[[], TrialScheduler],
    *,
    early: float = 0.0,
    deviations: tuple[float, float] = (1.0, 1.0),
) -> Iterator[list[Trial]]:
    """Yield searches of two weightings with six learning rates, of which a scheduler stopped trials.

    All trials run side by side.

    Args:
        number: Number of searches.
        seeds: Number of seeds.
        rng: Random numbers.
        scheduler: Makes the scheduler of a search.
        early: Lead of `uncertainty` before the first epoch, in points; it fades, both weightings end equal.
        deviations: Standard deviation of a training with `fixed` and with `uncertainty`.
    """
    epochs = np.arange(1, EPOCHS + 1)
    for _ in range(number):
        running, found = scheduler(), list[tuple[_Running, Trial]]()
        for rate, of_rate in enumerate(rng.normal(0, 2, 6)):
            for kind, deviation, lead in zip(("fixed", "uncertainty"), deviations, (0, early), strict=True):
                for seed in range(seeds):
                    end = 65 + of_rate + rng.normal(0, deviation)
                    scores = end - (20 - lead) * np.exp(-epochs / 2) + rng.normal(0, 0.3, EPOCHS)
                    settings = {KIND: kind, "optimizer.learning_rate": rate, "seed": seed}
                    found.append((_Running(str(len(found))), trial(settings, (scores / 100).tolist())))
        for one, _ in found:
            running.on_trial_add(None, one)  # type: ignore[arg-type]
        reached = {one: EPOCHS for one, _ in found}
        for epoch in range(EPOCHS):
            for one, of_it in found:
                if reached[one] > epoch:
                    record = of_it.records[epoch] | {"training_iteration": epoch + 1}
                    if running.on_trial_result(None, one, record) == TrialScheduler.STOP:  # type: ignore[arg-type]
                        reached[one] = epoch + 1
        yield [replace(of_it, records=of_it.records[: reached[one]]) for one, of_it in found]
