"""Tables of a search: values of a setting, their comparisons, and leaderboards."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from faceml.page import INTERVAL, DataTable
from faceml.search import (
    MARGIN,
    SEED,
    Comparison,
    Trial,
    categorical_keys,
    format_p_value,
    format_setting,
    format_settings,
    group_seeds,
    has_repeats,
    needed_replicates,
    outcomes,
    ranked,
    setting_keys,
    setting_name,
    setting_values,
)
from faceml.statistics import Interval, mean_interval

COMPARED = {"matched": "average over the same settings", "tuned": "own best settings"}


def result_tables(trials: Sequence[Trial]) -> list[DataTable]:
    """Return the tables for the terminal: values of each setting with named values, and a leaderboard."""
    leaderboard = group_leaderboard(trials) if has_repeats(trials) else trial_leaderboard(trials)
    return [*(values_table(trials, key) for key in categorical_keys(trials)), leaderboard]


def values_table(trials: Sequence[Trial], key: str) -> DataTable:
    """Return the mean of every value of a setting, over all settings and with its best settings."""
    score = trials[0].score
    rows = []
    for value in setting_values(trials, key):
        of_value = [trial for trial in trials if str(trial.settings.get(key)) == value]
        finished = [trial for trial in of_value if trial.finished and not math.isnan(trial.best_score)]
        best = group_seeds(of_value)[0]
        others = {name: setting for name, setting in best.settings.items() if name != key}
        rows.append(
            [
                value,
                f"{len(finished)} of {len(of_value)}",
                score.format(float(np.mean([t.best_score for t in finished])) if finished else None),
                score.format_margin(seeds_interval(finished)),
                score.format(best.mean),
                score.format_margin(best.interval),
                str(len(best.scores)),
                format_settings(others),
            ]
        )
    means, best_title = f"mean {score.label}", "best mean"
    return DataTable(
        title=f"Each {setting_name(key)}: mean over all its finished trials, and with its best settings",
        header=[setting_name(key), "finished", means, MARGIN, best_title, MARGIN, "seeds", "best settings"],
        rows=rows,
    )


def comparisons_table(comparisons: Sequence[Comparison], title: str) -> DataTable:
    """Return a row for each comparison."""
    score = comparisons[0].score
    unit = score.unit.strip() or score.label
    return DataTable(
        title=title,
        header=[
            *("difference", "compared", unit, INTERVAL),
            *("Holm's p", "by last epoch", "seeds", "needed"),
        ],
        rows=[
            [
                f"{c.value} − {c.baseline}",
                compared(c),
                score.format_difference(c.difference.mean),
                score.format_limits(c.difference.interval),
                format_p_value(c.adjusted_p).removeprefix("= "),
                "–" if c.last_difference is None else score.format_difference(c.last_difference),
                str(c.difference.count),
                "–"
                if c.resolved
                else needed_replicates(c).removeprefix("about ").replace("more than", ">") or "–",
            ]
            for c in comparisons
        ],
        highlighted=frozenset(number for number, c in enumerate(comparisons) if c.resolved),
    )


def compared(comparison: Comparison) -> str:
    """Return how two values were compared: `own best settings, at epoch 2`."""
    until = "" if comparison.epoch is None else f", at epoch {comparison.epoch}"
    return COMPARED[comparison.way] + until


def seeds_interval(trials: Sequence[Trial]) -> Interval | None:
    """Return the 95 % interval of the mean over seeds; the value of a seed is the mean of its trials."""
    scores = pd.Series([trial.best_score for trial in trials], dtype=float)
    seeds = [str(trial.settings.get(SEED)) for trial in trials]
    return mean_interval(scores.groupby(seeds).mean().tolist())


def trial_leaderboard(trials: Sequence[Trial], title: str = "Leaderboard") -> DataTable:
    """Return a row for each trial, the best one first."""
    trials, keys, label = ranked(trials), setting_keys(trials), trials[0].score.label
    return DataTable(
        title=f"{title} by best validation {label}",
        header=["rank", *map(setting_name, keys), label, "epochs", "outcome"],
        rows=[
            [
                str(rank),
                *(format_setting(trial.settings.get(key, "")) for key in keys),
                trial.score.format(trial.best_score) if trial.records else "",
                f"{trial.epochs}/{trial.max_epochs}",
                trial.outcome,
            ]
            for rank, trial in enumerate(trials, start=1)
        ],
        highlighted=frozenset({0}),
        dimmed=frozenset(number for number, trial in enumerate(trials) if not trial.finished),
    )


def group_leaderboard(trials: Sequence[Trial]) -> DataTable:
    """Return a row for each configuration, the best mean first."""
    groups, score = group_seeds(trials), trials[0].score
    keys = [key for key in setting_keys(trials) if key != SEED]
    return DataTable(
        title=f"Leaderboard by mean validation {score.label} over seeds",
        header=["rank", *map(setting_name, keys), score.label, MARGIN, "seeds", "outcome"],
        rows=[
            [
                str(rank),
                *(format_setting(group.settings.get(key, "")) for key in keys),
                score.format(group.mean),
                score.format_margin(group.interval),
                str(len(group.scores)),
                outcomes(group.trials),
            ]
            for rank, group in enumerate(groups, start=1)
        ],
        highlighted=frozenset({0}),
        dimmed=frozenset(number for number, group in enumerate(groups) if not group.scores),
    )
