"""What a search found, as tables for the terminal and for the report."""

import math
from collections.abc import Sequence

import numpy as np
from rich.table import Table

from faceml.metrics.differences import Interval, mean_interval
from faceml.reporting.html import DataTable
from faceml.reporting.numbers import INTERVAL
from faceml.reporting.quality_tables import terminal_table
from faceml.reporting.trial_comparison import Comparison, categorical_keys, setting_values
from faceml.reporting.trial_groups import MARGIN, group_seeds
from faceml.reporting.trial_verdicts import listed, needed_replicates, written_p_value
from faceml.reporting.tuning import SEED, Trial, setting_name, shown_settings

COMPARED = {"matched": "same settings", "tuned": "own best settings"}


def values_data_table(trials: Sequence[Trial], key: str) -> DataTable:
    """Return the mean of every value of a setting, over everything and with its best settings."""
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
                score.write(float(np.mean([t.best_score for t in finished])) if finished else None),
                score.write_margin(seeds_interval(finished)),
                score.write(best.mean),
                score.write_margin(best.interval),
                str(len(best.scores)),
                shown_settings(others),
            ]
        )
    means, best_title = f"mean {score.label}", "best mean"
    return DataTable(
        title=f"Each {setting_name(key)}: mean over all its finished trials, and with its best settings",
        header=[setting_name(key), "finished", means, MARGIN, best_title, MARGIN, "seeds", "best settings"],
        rows=rows,
    )


def values_table(trials: Sequence[Trial], key: str) -> Table:
    """Return the mean of every value of a setting, for the terminal."""
    return terminal_table(values_data_table(trials, key))


def answer_tables(trials: Sequence[Trial]) -> list[Table]:
    """Return a table of the values of each setting with named values, for the terminal."""
    return [values_table(trials, key) for key in categorical_keys(trials)]


def comparisons_data_table(comparisons: Sequence[Comparison], title: str) -> DataTable:
    """Return every comparison as a row."""
    score = comparisons[0].score
    return DataTable(
        title=title,
        header=[
            "difference",
            "compared",
            score.unit.strip() or score.label,
            INTERVAL,
            "Holm's p",
            "by last epoch",
            "replicates",
            "needed",
        ],
        rows=[
            [
                f"{c.value} − {c.baseline}",
                compared(c),
                score.write_difference(c.difference.mean),
                score.write_limits(c.difference.interval),
                written_p_value(c.adjusted_p).removeprefix("= "),
                "–" if c.last_difference is None else score.write_difference(c.last_difference),
                "1 pair" if c.pairs == 1 else f"{listed(c.difference.counts)} {c.replicates}",
                "–"
                if c.resolved
                else needed_replicates(c).removeprefix("about ").replace("more than", ">") or "–",
            ]
            for c in comparisons
        ],
        highlighted=frozenset(number for number, c in enumerate(comparisons) if c.resolved),
    )


def compared(comparison: Comparison) -> str:
    """Return how two values were compared: `same settings, by epoch 2`."""
    until = "" if comparison.epoch is None else f", by epoch {comparison.epoch}"
    return COMPARED[comparison.way] + until


def seeds_interval(trials: Sequence[Trial]) -> Interval | None:
    """Return the 95 % interval of the mean over seeds, each of which counts with the mean of its trials."""
    scores: dict[str, list[float]] = {}
    for trial in trials:
        scores.setdefault(str(trial.settings.get(SEED)), []).append(trial.best_score)
    return mean_interval([float(np.mean(of_seed)) for of_seed in scores.values()])
