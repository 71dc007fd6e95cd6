"""Tables of trials and of their epochs, as Parquet and CSV files."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from faceml.search.trial import Trial, ranked, setting_keys
from faceml.storage import atomic_file

TRIALS = "trials"
EPOCHS = "epochs"
FORMULA = re.compile(r"[=+\-@\t\r]")
"""First character of a text that a spreadsheet evaluates."""
SETTING_TYPES = {
    "boolean": pa.bool_(),
    "empty": pa.bool_(),
    "integer": pa.int64(),
    "floating": pa.float64(),
    "mixed-integer-float": pa.float64(),
}
"""Column types of settings by what pandas infers of their values; all others are written as text."""


def write_trials(trials: Sequence[Trial], folder: Path) -> None:
    """Write the trials of a search, best first, and their epochs, each file whole or not at all.

    * `trials.parquet`, `trials.csv`: a row for each trial: `trial`, its settings by their dotted keys, each a
      column of its own type (null where a setting does not apply), `metric`, `best_score`, `best_epoch`,
      `last_score`, `epochs`, `max_epochs`, `outcome` (`finished`, `stopped` or `failed`) and `error`.
    * `epochs.parquet`: a row for each trial and epoch: `trial`, `epoch` and every metric.

    CSV files begin with a byte order mark, without which spreadsheets do not read them as UTF-8.

    Args:
        trials: Trials of one search.
        folder: Folder to write to; created if it does not exist.
    """
    write_table(trials_table(trials), folder / TRIALS)
    _write_parquet(epochs_table(trials), folder / EPOCHS)


def write_table(table: pa.Table, path: Path) -> None:
    """Write a table as Parquet and as CSV (RFC 4180), `path` with `.parquet` and with `.csv`.

    Args:
        table: Table of numbers and texts; missing values become empty cells of the CSV file.
        path: Path without a suffix.
    """
    _write_parquet(table, path)
    frame = table.to_pandas(types_mapper=pd.ArrowDtype)
    for name in frame.select_dtypes(pd.ArrowDtype(pa.string())):
        frame[name] = frame[name].map(_cell, na_action="ignore")
    with atomic_file(path.with_name(f"{path.name}.csv")) as partial:
        frame.to_csv(partial, index=False, encoding="utf-8-sig", lineterminator="\r\n")


def trials_table(trials: Sequence[Trial]) -> pa.Table:
    """Return a row for each trial, the best one first."""
    trials = ranked(trials)
    return pa.table(
        {
            "trial": pa.array([trial.name for trial in trials], pa.string()),
            **{
                key: setting_column([trial.settings.get(key) for trial in trials])
                for key in setting_keys(trials)
            },
            "metric": pa.array([trial.metric for trial in trials], pa.string()),
            "best_score": number_column([trial.best_score for trial in trials]),
            "best_epoch": pa.array([_best_epoch(trial) for trial in trials], pa.int32()),
            "last_score": number_column([trial.last_score for trial in trials]),
            "epochs": pa.array([trial.epochs for trial in trials], pa.int32()),
            "max_epochs": pa.array([trial.max_epochs for trial in trials], pa.int32()),
            "outcome": pa.array([_outcome(trial) for trial in trials], pa.string()),
            "error": pa.array([trial.error for trial in trials], pa.string()),
        }
    )


def epochs_table(trials: Sequence[Trial]) -> pa.Table:
    """Return a row for each trial and epoch with every metric that is a number."""
    rows = [(trial.name, record) for trial in ranked(trials) for record in trial.records]
    found = dict.fromkeys(key for _, record in rows for key, value in record.items() if _is_number(value))
    return pa.table(
        {
            "trial": pa.array([name for name, _ in rows], pa.string()),
            "epoch": pa.array([record["epoch"] for _, record in rows], pa.int32()),
            **{
                name: number_column([record.get(name) for _, record in rows])
                for name in found
                if name != "epoch"
            },
        }
    )


def number_column(values: Sequence[float | None]) -> pa.Array:
    """Return a column of numbers, null for None and NaN."""
    return pa.array(values, pa.float64(), from_pandas=True)


def setting_column(values: Sequence[Any]) -> pa.Array:
    """Return the values of a setting as a column of the narrowest type that holds them all, or of text."""
    kind = SETTING_TYPES.get(pd.api.types.infer_dtype(values, skipna=True))
    texts = (None if value is None else str(value) for value in values)
    return pa.array(texts, pa.string()) if kind is None else pa.array(values, kind)


def _write_parquet(table: pa.Table, path: Path) -> None:
    with atomic_file(path.with_name(f"{path.name}.parquet")) as partial:
        pq.write_table(table, partial, compression="zstd")


def _cell(text: str) -> str:
    """Return a text for a spreadsheet: on one line, and never a formula."""
    line = " ".join(text.split())
    return f"'{line}" if FORMULA.match(line) else line


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _best_epoch(trial: Trial) -> int | None:
    """Return the first epoch with the best score, None without any."""
    return next((r["epoch"] for r in trial.records if r[trial.metric] == trial.best_score), None)


def _outcome(trial: Trial) -> str:
    if trial.error is not None:
        return "failed"
    return "finished" if trial.finished else "stopped"
