"""Progress of a search: a live table on a terminal, log lines elsewhere."""

import logging
import math
import time
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Any, Literal, Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from faceml.metrics import Score
from faceml.page import LINE_INTERVAL_S, plain_console
from faceml.search import format_settings

MOST_ENDED_SHOWN = 8
"""Maximum number of rows of finished trials, the latest ones; running and failed trials are all shown."""

Status = Literal["running", "ended", "failed"]

logger = logging.getLogger(__name__)


@dataclass
class _Row:
    settings: str
    status: Status = "running"
    epoch: int = 0
    value: float | None = None
    best: float | None = None
    reason: str = ""


class TrialBoard:
    """Show the progress of the trials of a search.

    Args:
        total: Number of all trials, including those that ended before an interruption.
        max_epochs: Maximum number of epochs of a trial.
        score: Metric that trials are compared by.
        console: Console of the table; stderr by default, because stdout is for results.
    """

    def __init__(
        self,
        total: int,
        max_epochs: int,
        score: Score,
        console: Console | None = None,
    ) -> None:
        self._total = total
        self._max_epochs = max_epochs
        self._score = score
        self._console = console or plain_console(stderr=True)
        self._rows: dict[str, _Row] = {}
        self._began_s = self._last_line_s = time.monotonic()
        self._units_before = 0
        self._live = Live(
            get_renderable=self._render, console=self._console, refresh_per_second=2, redirect_stderr=False
        )

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def ended_before(self, trial: str, settings: dict[str, Any], best: float | None, reason: str) -> None:
        """Add a trial that ended before the search was interrupted; it does not count for the speed."""
        status: Status = "failed" if reason else "ended"
        self._rows[trial] = _Row(format_settings(settings), status, self._max_epochs, best, best, reason)
        self._units_before += self._max_epochs

    def started(self, trial: str, settings: dict[str, Any]) -> None:
        """Show a trial as running, when it starts or is restarted."""
        self._rows.setdefault(trial, _Row(format_settings(settings))).status = "running"

    def epoch_ended(self, trial: str, epoch: int, value: float) -> None:
        """Show the metric of a trial after an epoch."""
        row = self._rows[trial]
        row.epoch, row.value = epoch, value
        if not math.isnan(value) and (row.best is None or self._is_better(value, row.best)):
            row.best = value
        now_s = time.monotonic()
        if not self._console.is_terminal and now_s - self._last_line_s >= LINE_INTERVAL_S:
            self._last_line_s = now_s
            logger.info("%s", self.headline)

    def ended(self, trial: str, reason: str = "") -> None:
        """Show a trial as ended, with a reason if it failed."""
        row = self._rows[trial]
        row.status, row.reason = ("failed" if reason else "ended"), reason
        if not self._console.is_terminal:
            status = f"failed: {reason}" if reason else f"ended after epoch {row.epoch}"
            logger.info("%s %s, %s; %s", trial, status, self._value(row.best), row.settings)
            logger.info("%s", self.headline)
            self._last_line_s = time.monotonic()

    @property
    def headline(self) -> str:
        """One line with the numbers of trials, the best one so far and the remaining time."""
        of = {status: self._count(status) for status in ("running", "ended", "failed")}
        parts = [f"{of['ended'] + of['failed']} of {self._total} trials ended, {of['running']} running"]
        if of["failed"]:
            parts.append(f"{of['failed']} failed")
        best = self.best_trial
        if best is not None:
            parts.append(f"best {self._value(self._rows[best].best)} ({best})")
        left_s = self._seconds_left()
        if left_s is not None:
            parts.append(f"about {timedelta(seconds=round(left_s))} left")
        return ", ".join(parts)

    @property
    def best_trial(self) -> str | None:
        """Name of the best trial so far."""
        reached = {name: row.best for name, row in self._rows.items() if row.best is not None}
        sign = self._score.direction
        return max(reached, key=lambda name: sign * reached[name], default=None)

    def _is_better(self, value: float, other: float) -> bool:
        return self._score.direction * (value - other) > 0

    def _count(self, status: str) -> int:
        return sum(row.status == status for row in self._rows.values())

    def _seconds_left(self) -> float | None:
        """Estimate the remaining time from the mean time of an epoch; skipped epochs count as done."""
        units = sum(row.epoch if row.status == "running" else self._max_epochs for row in self._rows.values())
        done = units - self._units_before
        left = self._total * self._max_epochs - units
        return None if done == 0 or left == 0 else left * (time.monotonic() - self._began_s) / done

    def _value(self, value: float | None) -> str:
        return f"{self._score.label} {self._score.format(value)}"

    def _render(self) -> Group:
        table = Table(box=None, padding=(0, 2, 0, 0))
        metric = self._score.metric
        for title in ("trial", "status", "epoch", metric, "best", "settings"):
            table.add_column(title, justify="right" if title in ("epoch", metric, "best") else "left")
        ended = [name for name, row in self._rows.items() if row.status == "ended"]
        shown = set(ended[-MOST_ENDED_SHOWN:]) | {self.best_trial}
        for name, row in self._rows.items():
            if row.status != "ended" or name in shown:
                style = "bold green" if name == self.best_trial else _STYLES[row.status]
                table.add_row(
                    name,
                    row.status,
                    f"{row.epoch}/{self._max_epochs}",
                    self._score.format(row.value),
                    self._score.format(row.best),
                    row.reason or row.settings,
                    style=style,
                )
        return Group(table, Text(self.headline, style="bold"))


_STYLES: dict[Status, str] = {"running": "", "ended": "dim", "failed": "red"}
