"""How a job says what it does."""

from typing import Literal

from faceml.config.base import Config


class LoggingConfig(Config):
    """Lines on stderr, and of workers in Ray's log files; they change nothing of the results."""

    format: Literal["text", "json"] = "text"
    """`json`: each line an object with time, level, logger, message, job, run, node, and a worker's rank."""
