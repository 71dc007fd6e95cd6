"""What a search found: a leaderboard of trials."""

from dataclasses import dataclass
from typing import Any

from rich.table import Table


@dataclass(frozen=True)
class Trial:
    """One trial of a search.

    Attributes:
        name: Short, unique in the search.
        settings: The dotted keys that were searched, and this trial's values.
        records: Metrics of its epochs, in order.
        max_epochs: Epochs it would have had at most.
        error: Why it failed; None if it did not.
    """

    name: str
    settings: dict[str, Any]
    records: list[dict[str, Any]]
    max_epochs: int
    error: str | None = None

    @property
    def best_accuracy(self) -> float:
        """Highest validation accuracy of its epochs, 0 to 1; -1 without any."""
        return max((record["val/accuracy"] for record in self.records), default=-1.0)

    @property
    def stopped_early(self) -> bool:
        """Whether the scheduler ended it before its last epoch."""
        return self.error is None and len(self.records) < self.max_epochs

    @property
    def outcome(self) -> str:
        """`failed`, `finished`, or after which epoch it was stopped."""
        if self.error:
            return f"failed: {self.error}"
        return f"stopped after epoch {len(self.records)}" if self.stopped_early else "finished"

    def as_json(self) -> dict[str, Any]:
        """Return what `summary.json` holds of it."""
        return {
            "name": self.name,
            "settings": self.settings,
            "best_accuracy": self.best_accuracy if self.records else None,
            "epochs": len(self.records),
            "outcome": self.outcome,
        }


def ranked(trials: list[Trial]) -> list[Trial]:
    """Return trials by their best validation accuracy, the highest first; failed ones last."""
    return sorted(trials, key=lambda trial: (trial.error is not None, -trial.best_accuracy))


def leaderboard(trials: list[Trial]) -> tuple[list[str], list[list[str]]]:
    """Return titles and cells of the leaderboard: a row for each trial, the best one first."""
    keys = list(dict.fromkeys(key for trial in trials for key in trial.settings))
    rows = [
        [
            str(rank),
            *(shown(trial.settings.get(key, "")) for key in keys),
            f"{trial.best_accuracy:.1%}" if trial.records else "",
            f"{len(trial.records)}/{trial.max_epochs}",
            trial.outcome,
        ]
        for rank, trial in enumerate(ranked(trials), start=1)
    ]
    return ["rank", *keys, "accuracy", "epochs", "outcome"], rows


def leaderboard_table(trials: list[Trial]) -> Table:
    """Return the trials, ranked, for the terminal."""
    table = Table(title="Leaderboard by validation accuracy", title_justify="left")
    titles, rows = leaderboard(trials)
    for title in titles:
        table.add_column(title, justify="right" if title in ("rank", "accuracy", "epochs") else "left")
    for row, trial in zip(rows, ranked(trials), strict=True):
        style = "bold" if row[0] == "1" else "dim" if trial.outcome != "finished" else ""
        table.add_row(*row, style=style)
    return table


def shown(value: Any) -> str:
    """Return a setting as a person writes it: three digits of a float, the last part of nothing else."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)
