"""Outages and refusals of a store that end a search."""

from typing import Any

import ray.tune
from ray.exceptions import RayTaskError

from faceml.config import ConfigError
from faceml.errors import UnreachableError, catch_errors


class StopAtOutage(catch_errors[UnreachableError | ConfigError], ray.tune.Stopper):
    """Catch errors of a store, and end the search at Ray Tune's next step.

    Ray Tune attributes an error of a callback or searcher to the trial and marks it as failed, although the
    same command could continue it later.
    """

    def __init__(self) -> None:
        super().__init__(UnreachableError, ConfigError)

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """End no trial by itself."""
        return False

    def stop_all(self) -> bool:
        """Return whether to end the search."""
        return self.error is not None

    def raise_caught(self) -> None:
        """Raise the error that was caught, if any, after Ray Tune has ended."""
        if self.error is not None:
            raise self.error


def raise_outage(error: BaseException | None) -> None:
    """Raise the error that ended a trial if it is an outage.

    Args:
        error: Error that Ray Tune caught, None if it is not known.

    Raises:
        UnreachableError: A store could not be reached.
    """
    cause = error.cause if isinstance(error, RayTaskError) else error
    if isinstance(cause, UnreachableError):
        raise cause
