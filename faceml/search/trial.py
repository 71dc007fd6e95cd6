"""Trials of a search, their ranking and their settings as text."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from faceml.metrics import Score
from faceml.search.scores import ACCURACY

SEED = "seed"
"""The setting that repeated trials differ in."""
BASELINE = "fixed"
"""The loss weighting that others are compared with."""


@dataclass(frozen=True)
class Trial:
    """One trial of a search.

    Attributes:
        name: Short, unique in the search.
        settings: Dotted keys that were searched, with this trial's values; without those that do not apply.
        records: Metrics of its epochs, in order.
        max_epochs: Number of epochs unless it is stopped; fewer if `training.patience_epochs` ended it.
        error: Reason of its failure; None if it did not fail.
        score: Metric that trials are compared by.
    """

    name: str
    settings: dict[str, Any]
    records: list[dict[str, Any]]
    max_epochs: int
    error: str | None = None
    score: Score = ACCURACY

    @property
    def metric(self) -> str:
        """Name of the metric in records."""
        return self.score.metric

    @property
    def best_score(self) -> float:
        """Best value of the metric over its epochs; NaN without any."""
        return self.best_score_until(self.max_epochs)

    @property
    def best_accuracy(self) -> float | None:
        """Highest expression accuracy of its epochs, 0 to 1; None without any."""
        values = [record[ACCURACY.metric] for record in self.records if ACCURACY.metric in record]
        return max(values, default=None)

    @property
    def last_score(self) -> float:
        """Value of the metric after its last epoch; NaN without any."""
        value = self.records[-1][self.metric] if self.records else None
        return math.nan if value is None else float(value)

    @property
    def epochs(self) -> int:
        """Its last epoch; 0 without any."""
        return int(self.records[-1]["epoch"]) if self.records else 0

    @property
    def stopped_early(self) -> bool:
        """Whether the scheduler ended it before its last epoch."""
        return self.error is None and self.epochs < self.max_epochs

    @property
    def finished(self) -> bool:
        """Whether it had all its epochs."""
        return self.error is None and self.epochs >= self.max_epochs

    @property
    def outcome(self) -> str:
        """`failed`, `finished`, or after which epoch it was stopped."""
        if self.error:
            return f"failed: {self.error}"
        return f"stopped after epoch {self.epochs}" if self.stopped_early else "finished"

    def best_score_until(self, epoch: int) -> float:
        """Return the best value of the metric over its epochs up to one; NaN without any."""
        values = (record[self.metric] for record in self.records if record["epoch"] <= epoch)
        return self.score.best(value for value in values if value is not None and math.isfinite(value))

    def as_json(self) -> dict[str, Any]:
        """Return the trial as it is written to `summary.json`."""
        return {
            "name": self.name,
            "settings": self.settings,
            "metric": self.metric,
            "best_score": None if math.isnan(self.best_score) else self.best_score,
            "best_accuracy": self.best_accuracy,
            "epochs": self.epochs,
            "outcome": self.outcome,
        }


def ranked(trials: Sequence[Trial]) -> list[Trial]:
    """Return trials by their best score, the best one first; failed ones last."""

    def place(trial: Trial) -> tuple[bool, bool, float]:
        missing = math.isnan(trial.best_score)
        return trial.error is not None, missing, 0.0 if missing else -trial.score.direction * trial.best_score

    return sorted(trials, key=place)


def setting_keys(trials: Sequence[Trial]) -> list[str]:
    """Return the dotted keys that any of the trials has, in the order of the search."""
    return list(dict.fromkeys(key for trial in trials for key in trial.settings))


def setting_name(key: str) -> str:
    """Return the readable name of a dotted key: `learning rate`, or `weighting` for `weighting.kind`."""
    section, _, last = key.rpartition(".")
    if section and last in ("kind", "name"):
        name = section
    else:  # the weighting has a learning rate too
        name = key if last == "learning_rate" and section != "optimizer" else last
    return name.replace("_", " ").replace(".", " ")


def format_setting(value: Any) -> str:
    """Return a value as text, floats with three significant digits."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def format_settings(settings: dict[str, Any]) -> str:
    """Return settings on one line: `learning rate 0.001, weighting fixed`."""
    return ", ".join(f"{setting_name(key)} {format_setting(value)}" for key, value in settings.items())


def outcomes(trials: Sequence[Trial]) -> str:
    """Return the numbers of trials that finished, were stopped and failed: `5 finished, 2 stopped early`."""
    counts = {
        "finished": sum(trial.finished for trial in trials),
        "stopped early": sum(trial.stopped_early for trial in trials),
        "failed": sum(trial.error is not None for trial in trials),
    }
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count or name == "finished")


def ordered_values(trials: Sequence[Trial], key: str) -> list[Any]:
    """Return the values of a setting: numbers by size, others by name with `fixed` first."""
    values = {identity(t.settings[key]): t.settings[key] for t in trials if key in t.settings}.values()
    if all(isinstance(value, int | float) for value in values):
        return sorted(values)
    return sorted(values, key=lambda value: (value != BASELINE, str(value)))


def identity(value: Any) -> float | str:
    """Return a hashable key that is the same for equal values of a setting."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number else str(value)
