"""Groups of trials that differ only in their seed."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from faceml.metrics import Score
from faceml.search.trial import SEED, Trial
from faceml.statistics import Interval, mean_interval

MARGIN = "± at 95\N{NO-BREAK SPACE}%"


@dataclass(frozen=True)
class TrialGroup:
    """A configuration that was tried with one or more seeds.

    Its mean is over the trials that finished, without stopped and failed ones. If a scheduler stopped some
    seeds of a configuration, the mean of the others is optimistic.

    Attributes:
        settings: Settings without the seed.
        trials: Trials with these settings, at least one, all with the same metric.
    """

    settings: dict[str, Any]
    trials: list[Trial]

    @property
    def score(self) -> Score:
        """Metric that configurations are compared by."""
        return self.trials[0].score

    @cached_property
    def scores(self) -> list[float]:
        """Best scores of the trials that finished, without NaN."""
        scores = [trial.best_score for trial in self.trials if trial.finished]
        return [score for score in scores if not math.isnan(score)]

    @property
    def mean(self) -> float:
        """Mean of the scores; NaN without any."""
        return float(np.mean(self.scores)) if self.scores else math.nan

    @property
    def interval(self) -> Interval | None:
        """Student's 95 % interval of the mean over seeds; None for fewer than two."""
        return mean_interval(self.scores)

    @property
    def best_so_far(self) -> float:
        """Best score of the trials that did not fail; NaN without any."""
        scores = [trial.best_score for trial in self.trials if trial.error is None]
        return self.score.best(score for score in scores if not math.isnan(score))


def settings_key(settings: dict[str, Any]) -> str:
    """Return settings as JSON with sorted keys, the same for equal settings in any order."""
    return json.dumps(settings, sort_keys=True, default=str)


def without_seed(trial: Trial) -> dict[str, Any]:
    """Return the settings of a trial without its seed."""
    return {key: value for key, value in trial.settings.items() if key != SEED}


def group_seeds(trials: Sequence[Trial]) -> list[TrialGroup]:
    """Return groups of trials that differ only in their seed, by their mean, the best one first.

    Groups with a failed trial come after: the mean of the others may be that of favourable seeds. Groups
    without any finished trial come last, by their best score so far.
    """
    groups: dict[str, list[Trial]] = {}
    for trial in trials:
        groups.setdefault(settings_key(without_seed(trial)), []).append(trial)

    def place(group: TrialGroup) -> tuple[bool, bool, bool, float]:
        value = group.mean if group.scores else group.best_so_far
        missing, has_failed = math.isnan(value), any(trial.error for trial in group.trials)
        return not group.scores, has_failed, missing, 0.0 if missing else -group.score.direction * value

    return sorted((TrialGroup(without_seed(members[0]), members) for members in groups.values()), key=place)


def has_repeats(trials: Sequence[Trial]) -> bool:
    """Return whether any configuration was tried more than once."""
    return len({settings_key(without_seed(trial)) for trial in trials}) < len(trials)
