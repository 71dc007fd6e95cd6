"""What a search found, as tables for the terminal and for the report."""

import math
from collections.abc import Sequence

import numpy as np
from rich.table import Table

from faceml.page import INTERVAL, DataTable, terminal_table
from faceml.search import (
    MARGIN,
    SEED,
    Comparison,
    Trial,
    categorical_keys,
    group_seeds,
    listed,
    needed_replicates,
    outcomes,
    ranked,
    setting_keys,
    setting_name,
    setting_values,
    shown,
    shown_settings,
    written_p_value,
)
from faceml.statistics import Interval, mean_interval

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


def leaderboard(trials: Sequence[Trial]) -> tuple[list[str], list[list[str]]]:
    """Return titles and cells of the leaderboard: a row for each trial, the best one first."""
    keys = setting_keys(trials)
    rows = [
        [
            str(rank),
            *(shown(trial.settings.get(key, "")) for key in keys),
            trial.score.write(trial.best_score) if trial.records else "",
            f"{trial.epochs}/{trial.max_epochs}",
            trial.outcome,
        ]
        for rank, trial in enumerate(ranked(trials), start=1)
    ]
    return ["rank", *map(setting_name, keys), trials[0].score.label, "epochs", "outcome"], rows


def leaderboard_table(trials: Sequence[Trial]) -> Table:
    """Return the trials, ranked, for the terminal."""
    label = trials[0].score.label
    table = Table(title=f"Leaderboard by validation {label}", title_justify="left")
    titles, rows = leaderboard(trials)
    for title in titles:
        table.add_column(title, justify="right" if title in ("rank", label, "epochs") else "left")
    for row, trial in zip(rows, ranked(trials), strict=True):
        style = "bold" if row[0] == "1" else "" if trial.finished else "dim"
        table.add_row(*row, style=style)
    return table


def group_leaderboard(trials: Sequence[Trial]) -> DataTable:
    """Return a row for each configuration, the best mean first."""
    groups = group_seeds(trials)
    keys = [key for key in setting_keys(trials) if key != SEED]
    score = trials[0].score
    rows = [
        [
            str(rank),
            *(shown(group.settings.get(key, "")) for key in keys),
            score.write(group.mean),
            score.write_margin(group.interval),
            str(len(group.scores)),
            outcomes(group.trials),
        ]
        for rank, group in enumerate(groups, start=1)
    ]
    return DataTable(
        title=f"Leaderboard by mean validation {score.label} over seeds",
        header=["rank", *map(setting_name, keys), score.label, MARGIN, "seeds", "outcome"],
        rows=rows,
        highlighted=frozenset({0}),
        dimmed=frozenset(number for number, group in enumerate(groups) if not group.scores),
    )


def group_leaderboard_table(trials: Sequence[Trial]) -> Table:
    """Return a row for each configuration, for the terminal."""
    return terminal_table(group_leaderboard(trials))
