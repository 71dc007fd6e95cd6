"""The log lines of a process: for people, or each a JSON object that says where it comes from."""

import json
import logging
import socket
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Literal

LogFormat = Literal["text", "json"]

logger = logging.getLogger(__name__)


def set_up_log(
    log_format: LogFormat = "text", job: str = "", run: str | Path | None = None, rank: int | None = None
) -> None:
    """Write log lines to stderr, which of a worker is a file among Ray's logs.

    Args:
        log_format: Of all lines from now on.
        job: Such as `train`.
        run: Folder of the run's results.
        rank: Of a worker that trains.
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
    """Say whether lines on stderr are JSON objects, among which nothing else is wanted."""
    return _json_lines() is not None


def include_loggers(*names: str) -> None:
    """Let loggers that print in their own way, as Ray's do, write JSON objects too if all others do."""
    formatter = _json_lines()
    for name in names if formatter else ():
        for handler in logging.getLogger(name).handlers:
            if isinstance(handler, logging.StreamHandler):
                handler.setFormatter(formatter)


class JsonLines(logging.Formatter):
    """Make a JSON object of each record.

    Args:
        origin: What every line says of the process.
    """

    def __init__(self, origin: dict[str, str | int]) -> None:
        super().__init__()
        self._origin = origin

    def format(self, record: logging.LogRecord) -> str:
        """Return time (UTC), level, logger, message, the origin, and the traceback if there is one."""
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


def _text_lines(node: str, rank: int | None) -> logging.Formatter:
    """Return lines of a driver with their time; a worker's say where it is too."""
    where = "" if rank is None else f"{node.replace('%', '%%')} rank {rank}: "
    return logging.Formatter(f"%(asctime)s {where}%(message)s", datefmt="%H:%M:%S")


def _json_lines() -> JsonLines | None:
    formatters = (handler.formatter for handler in logging.getLogger().handlers)
    return next((formatter for formatter in formatters if isinstance(formatter, JsonLines)), None)


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Log what ends the process, in place of Python, which would print it."""
    logger.critical("%s: %s", kind.__name__, error, exc_info=(kind, error, trace))
