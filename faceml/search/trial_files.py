"""Trials and their epochs as tables for other programs."""

import csv
import io
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from faceml.search.trial import Trial, ranked, setting_keys
from faceml.storage import atomic_file

TRIALS = "trials"
EPOCHS = "epochs"
FORMULA = re.compile(r"[=+\-@\t\r]")
"""How a text begins that a spreadsheet would calculate."""


def write_trials(trials: Sequence[Trial], folder: Path) -> None:
    """Write the trials of a search, best first, and their epochs, each file whole or not at all.

    * `trials.parquet`, `trials.csv`: a row for each trial: `trial`, its settings by their dotted keys, each a
      column of its own type (null where a setting does not apply), `metric`, `best_score`, `best_epoch`,
      `last_score`, `epochs`, `max_epochs`, `outcome` (`finished`, `stopped` or `failed`) and `error`.
    * `epochs.parquet`: a row for each trial and epoch: `trial`, `epoch` and every metric.

    A sheet has a byte order mark, without which spreadsheets take UTF-8 for something else.

    Args:
        trials: Of one search.
        folder: Made if it is not there.
    """
    write_table(trials_table(trials), folder / TRIALS)
    _write_parquet(epochs_table(trials), folder / EPOCHS)


def write_table(table: pa.Table, path: Path) -> None:
    """Write a table as Parquet and as a sheet, `path` with `.parquet` and with `.csv`.

    Args:
        table: Of numbers and texts.
        path: Without an ending.
    """
    _write_parquet(table, path)
    with atomic_file(path.with_name(f"{path.name}.csv")) as partial:
        partial.write_bytes(_sheet(table).encode("utf-8-sig"))


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
    """Return numbers with null for those without a value."""
    return pa.array([None if v is None or math.isnan(v) else float(v) for v in values], pa.float64())


def setting_column(values: list[Any]) -> pa.Array:
    """Return the values of a setting as the narrowest type that holds them all; else as text."""
    given = [value for value in values if value is not None]
    for kind, arrow in ((bool, pa.bool_()), (int, pa.int64()), (float, pa.float64()), (str, pa.string())):
        # True is an integer to Python, and 1 a real number to everyone.
        fits = (int, float) if kind is float else kind
        if all(isinstance(v, fits) and (kind is bool or not isinstance(v, bool)) for v in given):
            return pa.array(values, arrow)
    return pa.array([None if value is None else str(value) for value in values], pa.string())


def _write_parquet(table: pa.Table, path: Path) -> None:
    with atomic_file(path.with_name(f"{path.name}.parquet")) as partial:
        pq.write_table(table, partial, compression="zstd")


def _sheet(table: pa.Table) -> str:
    """Return a table as CSV (RFC 4180); a missing value is an empty cell."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(table.column_names)
    writer.writerows([_cell(value) for value in row.values()] for row in table.to_pylist())
    return text.getvalue()


def _cell(value: Any) -> Any:
    """Return a value for a spreadsheet: text on one line, and never a formula."""
    if not isinstance(value, str):
        return value
    line = " ".join(value.split())
    return f"'{line}" if FORMULA.match(line) else line


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _best_epoch(trial: Trial) -> int | None:
    """Return the first epoch with the best score."""
    return next((r["epoch"] for r in trial.records if r[trial.metric] == trial.best_score), None)


def _outcome(trial: Trial) -> str:
    if trial.error is not None:
        return "failed"
    return "finished" if trial.finished else "stopped"
