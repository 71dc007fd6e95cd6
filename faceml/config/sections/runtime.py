"""Sections on how a job runs: the detector's engine, storage, memory of queries and log lines."""

from importlib.util import find_spec
from typing import Annotated, Literal

from pydantic import AfterValidator

from faceml.config.base import AbsolutePath, Config, Positive


def require_engine(engine: str) -> str:
    """Return the name of a program that runs the detector's networks, if it is installed.

    Raises:
        ValueError: Its package is missing.
    """
    if engine == "litert" and find_spec("ai_edge_litert") is None:
        raise ValueError("litert needs the package ai-edge-litert: pip install 'faceml[litert]'")
    return engine


Engine = Annotated[Literal["mediapipe", "litert"], AfterValidator(require_engine)]


class StorageConfig(Config):
    """Storage of a job that can run on several nodes."""

    shared: bool = False
    """Whether local paths are the same folders on every node, as on a shared file system."""


class QueriesConfig(Config):
    """Memory of the job's queries over tables, which may be larger than memory."""

    memory_gib: Positive = 1.0
    """Largest size of the buffers of a query, GiB. What exceeds it is moved to temporary files."""
    spill_folder: AbsolutePath | None = None
    """Local folder of the temporary files, which need up to 250 bytes a row; they are removed afterwards.
    null: the temporary folder of the operating system, which `TMPDIR` sets."""


class LoggingConfig(Config):
    """Log lines on stderr, and of workers in Ray's log files."""

    format: Literal["text", "json"] = "text"
    """`json`: one object per line with time, level, logger, message, job, run, node, and worker rank."""
