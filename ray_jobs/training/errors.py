"""Which errors of a training's workers are final, and what is said of those that Ray Train gives up at."""

from types import TracebackType
from typing import Any, Self

import ray.train
from ray.exceptions import OutOfMemoryError, RayActorError

from faceml.config import ConfigError
from faceml.storage import StoppedError, UnreachableError

FINAL = (StoppedError, ConfigError)
"""They come again however often the workers start again."""

DIED = (RayActorError, OutOfMemoryError)
"""A process of Ray's is gone; the latter says over a page how full the memory was."""


class FinalErrors(ray.train.UserCallback):
    """End a training at once at errors that are final; after others Ray Train starts its workers again."""

    def after_exception(self, run_context: Any, worker_exceptions: dict[int, Exception]) -> None:
        """Raise a worker's error that is final: out of a callback Ray Train does not try again."""
        for error in worker_exceptions.values():
            if isinstance(error, FINAL):
                raise error


class OneReason:
    """Raise `StoppedError` in place of what Ray Train makes of an error.

    A mistake of faceml keeps its traceback.
    """

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        causes = _causes(error)
        for cause in causes:
            if isinstance(cause, (*FINAL, OSError)):
                raise StoppedError(" ".join(str(cause).split())) from None
        if causes and all(isinstance(cause, DIED) for cause in causes):
            raise StoppedError(
                "Ray's workers died, for want of memory or for a reason that Ray's logs name. The same "
                "command goes on from the last checkpoint."
            ) from None


class OutageAsItself:
    """Raise what a worker says of a store that it cannot reach in place of what Ray Train makes of it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for cause in _causes(error):
            if isinstance(cause, UnreachableError):
                raise cause from None


def _causes(error: BaseException | None) -> list[BaseException]:
    """Return what is behind an error of Ray Train."""
    if isinstance(error, ray.train.ControllerError):
        return [error.controller_failure]
    if isinstance(error, ray.train.WorkerGroupError):
        # A worker that is gone shows as a health check that failed, for this reason.
        return [getattr(e, "health_check_failure", e) for e in error.worker_failures.values()]
    return [error] if isinstance(error, DIED) else []
