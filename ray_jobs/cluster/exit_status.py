"""Exit statuses of commands: 0 done, 1 the job failed, 2 wrong command or configuration, 130, 143 signals."""

import logging
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType, TracebackType
from typing import Self

from faceml.config import ConfigError
from faceml.errors import StoppedError, translate_errors
from ray_jobs.cluster.log import writes_json

logger = logging.getLogger(__name__)

SIGNALS = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}
"""Signals that end a command: of the terminal, and of Kubernetes, SLURM or `ray job stop`."""


class SignalExit(SystemExit):
    """Exit at a signal, with status 128 + its number.

    Args:
        number: Number of the signal, one of `SIGNALS`.
        message: What to do next, in one line.
    """

    def __init__(self, number: int, message: str = "") -> None:
        super().__init__(128 + number)
        name = SIGNALS[signal.Signals(number)]
        self.message = message or f"Stopped by {name}. The same command continues from what is finished."


def exit_at_errors() -> translate_errors[ConfigError | StoppedError | SignalExit]:
    """Log the message of an error, and exit: with status 2 at a `ConfigError`, 1 at a `StoppedError`.

    At a signal, exit with the status of `SignalExit`.
    """
    return translate_errors((ConfigError, StoppedError, SignalExit), _log_and_exit)


def _log_and_exit(error: ConfigError | StoppedError | SignalExit) -> SystemExit:
    message = error.message if isinstance(error, SignalExit) else str(error)
    if writes_json():
        logger.error("%s", message)
    else:
        print(message, file=sys.stderr)  # noqa: T201 - rich would wrap the line
    if isinstance(error, SignalExit):
        return SystemExit(error.code)
    return SystemExit(2 if isinstance(error, ConfigError) else 1)


class interrupt_at_signals:  # noqa: N801 - used as `contextlib.suppress` is
    """Context manager that ends its block at a signal; a second signal ends the process at once.

    The first one raises `KeyboardInterrupt`, the only exception of a signal handler that Ray lets pass
    unchanged. Whatever error then leaves the block, it is replaced by `SignalExit`.
    """

    def __enter__(self) -> Self:
        self._received: int | None = None
        self._handlers = ExitStack()
        self._handlers.enter_context(keep_signal_handlers())
        for number in SIGNALS:
            signal.signal(number, self._interrupt)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._handlers.close()
        has_succeeded = error is None or (isinstance(error, SystemExit) and not error.code)
        if self._received is not None and not has_succeeded:
            raise SignalExit(
                self._received, error.message if isinstance(error, SignalExit) else ""
            ) from error

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        self._received = number
        for each in SIGNALS:
            signal.signal(each, signal.SIG_DFL)
        raise KeyboardInterrupt


@contextmanager
def keep_signal_handlers() -> Iterator[None]:
    """Restore the signal handlers that the block replaces, as Ray does when it connects.

    Ray's native handler of SIGTERM prints a stack trace and aborts the process.
    """
    with ExitStack() as cleanup:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                cleanup.callback(signal.signal, number, signal.getsignal(number))
        yield
