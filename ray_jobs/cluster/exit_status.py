"""Exit statuses of commands that stop at an error."""

import logging
import sys

from faceml.config import ConfigError
from faceml.errors import StoppedError, translate_errors
from ray_jobs.cluster.log import writes_json

logger = logging.getLogger(__name__)


def exit_at_errors() -> translate_errors[ConfigError | StoppedError]:
    """Log the message of an error, and exit: with status 2 at a `ConfigError`, 1 at a `StoppedError`."""
    return translate_errors((ConfigError, StoppedError), _log_and_exit)


def _log_and_exit(error: ConfigError | StoppedError) -> SystemExit:
    if writes_json():
        logger.error("%s", error)
    else:
        print(error, file=sys.stderr)  # noqa: T201 - rich would wrap the line
    return SystemExit(2 if isinstance(error, ConfigError) else 1)
