"""Progress of long jobs: a bar on a terminal, log lines elsewhere."""

import logging
import time
from datetime import timedelta
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from faceml.page.tables import plain_console

LINE_INTERVAL_S = 10.0

logger = logging.getLogger(__name__)


class ProgressReport:
    """Show the progress of a job.

    Args:
        what: Name of the job, such as `extract`.
        total: Total units of work.
        console: Console of the bar; stderr by default, because stdout is for results.
    """

    def __init__(self, what: str, total: int, console: Console | None = None) -> None:
        self._what = what
        self._total = total
        self._done = 0
        self._console = console or plain_console(stderr=True)
        self._last_line_s = time.monotonic()
        self._first: tuple[int, float] | None = None
        self._task: TaskID | None = None
        self._bar = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            console=self._console,
        )

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._bar.start()
            self._task = self._bar.add_task(self._what, total=self._total, note="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._bar.stop()

    def advance_to(self, done: int, note: str = "") -> None:
        """Set the progress to `done` units, with a short note such as the current metrics."""
        self._done, now_s = done, time.monotonic()
        self._first = self._first or (done, now_s)
        if self._task is not None:
            self._bar.update(self._task, completed=done, note=note)
        elif done >= self._total or now_s - self._last_line_s >= LINE_INTERVAL_S:
            self._last_line_s = now_s
            logger.info("%s %d/%d%s %s", self._what, done, self._total, self._time_left(now_s), note)

    def _time_left(self, now_s: float) -> str:
        """Return the remaining time at the mean speed so far, empty if unknown."""
        done, since_s = self._first or (0, now_s)
        if self._done <= done or self._done >= self._total:
            return ""
        left_s = (self._total - self._done) * (now_s - since_s) / (self._done - done)
        return f", {timedelta(seconds=round(left_s))} left,"

    def advance(self, units: int, note: str = "") -> None:
        """Add `units` to the progress."""
        self.advance_to(self._done + units, note)
