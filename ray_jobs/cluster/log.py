"""Log format of a process: plain text, or a JSON object per line."""

import json
import logging
import socket
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Literal

from faceml.page import printable

LogFormat = Literal["text", "json"]

logger = logging.getLogger(__name__)


def set_up_log(
    log_format: LogFormat = "text", job: str = "", run: str | Path | None = None, rank: int | None = None
) -> None:
    """Write log lines to stderr; Ray redirects a worker's stderr to a file in its log folder.

    Args:
        log_format: Format of all following lines.
        job: Name of the job, such as `train`.
        run: Run folder.
        rank: Rank of a training worker; None in other processes.
    """
    node = socket.gethostname()
    origin: dict[str, str | int] = {"job": job, "run": str(run), "node": node}
    origin |= {} if rank is None else {"rank": rank}
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines(origin) if log_format == "json" else _text_lines(node, rank))
    root = logging.getLogger()
    for before in root.handlers:
        if getattr(before, "stream", None) in (sys.stderr, sys.__stderr__):
            root.removeHandler(before)
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    if log_format == "json":
        logging.captureWarnings(capture=True)
        sys.excepthook = _log_uncaught


def writes_json() -> bool:
    """Return whether log lines are JSON objects; nothing else may then be written to stderr."""
    return _json_lines() is not None


def include_loggers(*names: str) -> None:
    """Give the JSON format, if it is in use, to loggers with handlers of their own, such as Ray's."""
    formatter = _json_lines()
    for name in names if formatter else ():
        for handler in logging.getLogger(name).handlers:
            if isinstance(handler, logging.StreamHandler):
                handler.setFormatter(formatter)


class JsonLines(logging.Formatter):
    """Formatter that writes each record as a JSON object.

    Args:
        origin: Fields of the process, added to every line.
    """

    def __init__(self, origin: dict[str, str | int]) -> None:
        super().__init__()
        self._origin = origin

    def format(self, record: logging.LogRecord) -> str:
        """Return time (UTC), level, logger, message, origin, and the traceback of an exception as JSON."""
        fields: dict[str, str | int] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **self._origin,
        }
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        return json.dumps(fields)


class _TextLines(logging.Formatter):
    """Formatter that keeps our messages on one line each, whatever the names of files in them contain."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - of the base class
        if record.name.startswith(("faceml.", "ray_jobs.")):
            record.message = printable(record.message)
        return super().formatMessage(record)


def _text_lines(node: str, rank: int | None) -> logging.Formatter:
    """Return a formatter that prefixes the time, and for a worker also its node and rank."""
    where = "" if rank is None else f"{node.replace('%', '%%')} rank {rank}: "
    return _TextLines(f"%(asctime)s {where}%(message)s", datefmt="%H:%M:%S")


def _json_lines() -> JsonLines | None:
    formatters = (handler.formatter for handler in logging.getLogger().handlers)
    return next((formatter for formatter in formatters if isinstance(formatter, JsonLines)), None)


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Log an uncaught exception, which Python would print as plain text."""
    logger.critical("%s: %s", kind.__name__, error, exc_info=(kind, error, trace))
