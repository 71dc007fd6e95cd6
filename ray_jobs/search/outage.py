"""The end of a search whose run folder cannot be reached any more, or refuses."""

from typing import Any

import ray.tune
from ray.exceptions import RayTaskError

from faceml.config import ConfigError
from faceml.errors import UnreachableError, catch_errors


class StopAtOutage(catch_errors[UnreachableError | ConfigError], ray.tune.Stopper):
    """Keep the errors of a store that a block raises, and let Ray Tune end at its next turn.

    Ray Tune takes an error of a callback or searcher for one of the trial, which would count as failed for
    good, although the same command could go on with it.
    """

    def __init__(self) -> None:
        super().__init__(UnreachableError, ConfigError)

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """End no trial by itself."""
        return False

    def stop_all(self) -> bool:
        """Return whether to end."""
        return self.error is not None

    def tell(self) -> None:
        """Raise what was kept, if there is anything, once Ray Tune has ended."""
        if self.error is not None:
            raise self.error


def raise_outage(error: BaseException | None) -> None:
    """Raise what a trial died of if that is an outage.

    Args:
        error: What Ray Tune caught, if it knows.

    Raises:
        UnreachableError: A store could not be reached.
    """
    cause = error.cause if isinstance(error, RayTaskError) else error
    if isinstance(cause, UnreachableError):
        raise cause
