"""Tables of the configurations, comparisons and importances of a search, as Parquet and CSV files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from faceml.search.comparison import Comparison
from faceml.search.importance import can_measure_importance, measure_importance
from faceml.search.seed_groups import TrialGroup, group_seeds
from faceml.search.trial import SEED, Trial, setting_keys
from faceml.search.trial_files import number_column, setting_column, write_table
from faceml.search.verdicts import find_answers, verdict

CONFIGURATIONS = "configurations"
COMPARISONS = "comparisons"
IMPORTANCE = "importance"


def write_answers(trials: Sequence[Trial], folder: Path) -> None:
    """Write the results of a search as Parquet and as CSV, each file whole or not at all.

    * `configurations`: a row for each configuration, the best mean first: its settings, `mean` and its 95 %
      interval over seeds (`low`, `high`), `seeds` that ran to their end, `trials`, and their `names`.
    * `comparisons`: a row for each pair of values of a setting and each way of comparing them: `difference`,
      its 95 % interval, p-values, numbers of seeds and settings, and the `verdict` in words.
    * `importance`: a row for each setting and its `share`; not written without Optuna.

    Args:
        trials: Trials of one search.
        folder: Folder to write to; created if it does not exist.
    """
    write_table(configurations_table(trials), folder / CONFIGURATIONS)
    write_table(comparisons_table(trials), folder / COMPARISONS)
    if can_measure_importance():
        found = measure_importance(trials)
        rows = {
            "setting": pa.array([importance.key for importance in found], pa.string()),
            "within": pa.array([importance.within for importance in found], pa.string()),
            "share": number_column([importance.share for importance in found]),
        }
        write_table(pa.table(rows), folder / IMPORTANCE)


def configurations_table(trials: Sequence[Trial]) -> pa.Table:
    """Return a row for each configuration, the best mean first."""
    groups = group_seeds(trials)
    keys = [key for key in setting_keys(trials) if key != SEED]
    limits = [group.interval or (None, None) for group in groups]
    return pa.table(
        {
            **{key: setting_column([group.settings.get(key) for group in groups]) for key in keys},
            "metric": pa.array([group.score.metric for group in groups], pa.string()),
            "mean": number_column([group.mean for group in groups]),
            "low": number_column([low for low, _ in limits]),
            "high": number_column([high for _, high in limits]),
            "seeds": _counts([len(group.scores) for group in groups]),
            "trials": _counts([len(group.trials) for group in groups]),
            "names": pa.array([_names(group) for group in groups], pa.string()),
        }
    )


def comparisons_table(trials: Sequence[Trial]) -> pa.Table:
    """Return a row for each pair of values of a setting and each way of comparing them."""
    found = [c for a in find_answers(trials) for c in (*a.tuned, *a.matched)]
    limits = [c.difference.interval or (None, None) for c in found]

    def texts(values: Sequence[Any]) -> pa.Array:
        return pa.array(list(values), pa.string())

    return pa.table(
        {
            "setting": texts([c.key for c in found]),
            "value": texts([c.value for c in found]),
            "baseline": texts([c.baseline for c in found]),
            "compared": texts([c.way for c in found]),
            "until_epoch": _counts([c.epoch for c in found]),
            "metric": texts([c.score.metric for c in found]),
            "difference": number_column([c.difference.mean for c in found]),
            "low": number_column([low for low, _ in limits]),
            "high": number_column([high for _, high in limits]),
            "p_value": number_column([c.difference.p_value for c in found]),
            "holm_p": number_column([c.adjusted_p for c in found]),
            "last_epoch_difference": number_column([c.last_difference for c in found]),
            "seeds": _counts([c.difference.count for c in found]),
            "settings": _counts([c.choices[0] for c in found]),
            "baseline_settings": _counts([c.choices[1] for c in found]),
            "failed_trials": _counts([c.failed for c in found]),
            "needed": _counts([c.needed for c in found]),
            "verdict": texts([_verdict(c) for c in found]),
        }
    )


def _verdict(comparison: Comparison) -> str:
    return verdict(comparison).replace("\N{NO-BREAK SPACE}", " ")


def _names(group: TrialGroup) -> str:
    return " ".join(trial.name for trial in group.trials)


def _counts(values: Sequence[int | None]) -> pa.Array:
    return pa.array(list(values), pa.int32())
