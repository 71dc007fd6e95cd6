"""The trials of a search in the order in which they begin, drawn ahead of time or as results come in."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from faceml.config import Settings


@dataclass(frozen=True)
class Suggestion:
    """Settings to try.

    Attributes:
        trial: Name of the trial.
        settings: Dotted keys with their values.
    """

    trial: str
    settings: Settings


class Plan(Protocol):
    """Suggests one trial after the other, the same ones when the search is continued."""

    total: int
    """Trials in all."""

    def suggest(self) -> Suggestion | None:
        """Return the next one; None if there is no other."""
        ...

    def tell(self, trial: str, value: float | None) -> None:
        """Hear of a trial's best metric, None if it failed."""
        ...


class ListPlan:
    """Settings that were chosen before, whatever comes of them.

    Args:
        variants: In the order in which they begin.
    """

    def __init__(self, variants: Sequence[Settings]) -> None:
        self.total = len(variants)
        self._suggestions = iter(
            [Suggestion(trial_name(number), settings) for number, settings in enumerate(variants)]
        )

    def suggest(self) -> Suggestion | None:
        """Return the next settings."""
        return next(self._suggestions, None)

    def tell(self, trial: str, value: float | None) -> None:
        """Change nothing."""


def trial_name(number: int) -> str:
    """Return the name of the trial of a number, from 0."""
    return f"trial_{number:05}"
