"""Final errors of a training's workers, and the translation of Ray Train's errors."""

from typing import Any

import ray.train
from ray.exceptions import OutOfMemoryError, RayActorError

from faceml.config import ConfigError
from faceml.errors import StoppedError, UnreachableError, flatten_message, translate_errors

FINAL = (StoppedError, ConfigError)
"""Errors that would recur after a restart of the workers."""

DIED = (RayActorError, OutOfMemoryError)
"""Errors of a dead Ray process; the message of the latter is a page of memory statistics."""


class FinalErrors(ray.train.UserCallback):
    """End a training at final errors at once; after other errors Ray Train restarts the workers."""

    def after_exception(self, run_context: Any, worker_exceptions: dict[int, Exception]) -> None:
        """Raise a worker's final error: Ray Train does not retry after an error of a callback."""
        for error in worker_exceptions.values():
            if isinstance(error, FINAL):
                raise error


def translate_training_errors() -> translate_errors[Exception]:
    """Raise `StoppedError` with the reason in one line in place of errors of Ray Train.

    Errors that are a defect of faceml are raised unchanged, with their traceback.
    """

    def translate(error: Exception) -> StoppedError | None:
        causes = _causes(error)
        for cause in causes:
            if isinstance(cause, (*FINAL, OSError)):
                return StoppedError(flatten_message(cause))
        if causes and all(isinstance(cause, DIED) for cause in causes):
            return StoppedError(
                "Ray's workers died: out of memory, or for another reason, which is in Ray's logs. The same "
                "command resumes from the last checkpoint; if memory is short, set fewer "
                "data.loader_processes."
            )
        return None

    return translate_errors(Exception, translate, keep_cause=False)


def translate_worker_outage() -> translate_errors[Exception]:
    """Raise a worker's `UnreachableError` in place of the error of Ray Train that wraps it."""

    def translate(error: Exception) -> UnreachableError | None:
        return next((cause for cause in _causes(error) if isinstance(cause, UnreachableError)), None)

    return translate_errors(Exception, translate, keep_cause=False)


def _causes(error: Exception) -> list[BaseException]:
    """Return the errors that an error of Ray Train wraps."""
    if isinstance(error, ray.train.ControllerError):
        return [error.controller_failure]
    if isinstance(error, ray.train.WorkerGroupError):
        # Ray Train reports a dead worker as a failed health check, with the error in an attribute.
        return [getattr(e, "health_check_failure", e) for e in error.worker_failures.values()]
    return [error] if isinstance(error, DIED) else []
