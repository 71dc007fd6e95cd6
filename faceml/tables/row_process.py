"""Rows of images that may crash their detector: the native code runs in a process of its own.

A detector that crashes or hangs takes its process with it. The image that it was at is tried again in a new
process, and in the end gets a row that says what it does; the images before and after it are extracted.
"""

import logging
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe
from types import TracebackType
from typing import Any, Self

from faceml.errors import StoppedError
from faceml.storage import StoredFile
from faceml.tables.row_maker import (
    Failed,
    Row,
    RowSettings,
    RowsMade,
    RowsWanted,
    row_without_image,
)
from faceml.tables.schema import Status

logger = logging.getLogger(__name__)

ROWS_PER_MESSAGE = 32
"""Of images that have done nothing wrong; after a death they are made again, one at a time."""

MAX_LOST_IN_A_ROW = 20
"""So many images one after the other that crash the detector say that something else is wrong."""


MOST_STARTS = 3
"""A process may be killed while it starts; one that dies each time has another reason."""


class ExtractorProcess:
    """Run `faceml.tables.row_process_main` in a child process and start it anew when needed.

    Args:
        settings: Of what makes the rows.
        max_attempts: Times that an image may end the process until its row says so.
        images_per_process: Images after which a new process takes over, for native memory that leaks.

    Attributes:
        decode_s: Seconds that the processes spent on decoding so far.
        detect_s: Seconds that they spent in the detector so far.
    """

    def __init__(
        self, settings: RowSettings, max_attempts: int = 2, images_per_process: int = 20_000
    ) -> None:
        self._settings = settings
        self._max_attempts = max_attempts
        self._images_per_process = images_per_process
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection[Any, Any] | None = None
        self._images_seen = 0
        self.decode_s = self.detect_s = 0.0

    def __enter__(self) -> Self:
        self._connected()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    @property
    def pid(self) -> int:
        """Number of the present process, 0 if there is none."""
        return self._process.pid if self._process else 0

    def rows(self, files: Sequence[StoredFile]) -> Iterator[Row]:
        """Yield the row of each file, in their order.

        Raises:
            StoppedError: The process does not start, the storage gives no answer, image after image crashes
                the detector, or what makes rows of several images fails.
        """
        position, lost, suspects_end = 0, 0, 0
        attempts = Counter[int]()
        while position < len(files):
            is_suspect = position < suspects_end
            rows_per_message = 1 if is_suspect or self._max_attempts == 1 else ROWS_PER_MESSAGE
            room = self._images_per_process - self._images_seen
            end = min(position + room, suspects_end if is_suspect else len(files))
            for row in self._rows_until_death(RowsWanted(files[position:end], rows_per_message)):
                lost = 0
                position += 1
                yield row
            if position == end:
                if self._images_seen >= self._images_per_process:
                    self._stop()
                continue
            status = self._bury()
            if rows_per_message > 1:  # one of these did it: from here on, an image at a time
                suspects_end = min(position + rows_per_message, end)
                logger.warning("%s or one of the next: %s", files[position].path, status)
                continue
            attempts[position] += 1
            logger.warning("%s: %s, attempt %d", files[position].path, status, attempts[position])
            if attempts[position] + is_suspect >= self._max_attempts:
                lost += 1
                if lost == MAX_LOST_IN_A_ROW:
                    raise StoppedError(
                        f"{lost} images in a row crash the detector, the last is {files[position].path}. "
                        "Its messages are in the worker's log."
                    )
                yield row_without_image(files[position], status)
                position += 1

    def _rows_until_death(self, wanted: RowsWanted) -> Iterator[Row]:
        """Yield rows until all are there or the process is dead."""
        connection = self._connected()
        with suppress(ConnectionError):
            connection.send(wanted)
        awaited = len(wanted.files)
        while awaited:
            message: RowsMade | Failed | None = _receive(connection)
            if message is None:
                return
            if isinstance(message, Failed):
                raise StoppedError(message.message)
            awaited -= len(message.rows)
            self._images_seen += len(message.rows)
            self.decode_s += message.decode_s
            self.detect_s += message.detect_s
            yield from message.rows

    def _connected(self) -> "Connection[Any, Any]":
        """Return the connection to a process that is ready, a new one if there is none."""
        for _ in range(MOST_STARTS):
            if self._connection is not None or self._has_started():
                break
        if self._connection is None:
            raise StoppedError("The detector's process does not start. Its messages are in the worker's log.")
        return self._connection

    def _has_started(self) -> bool:
        """Start a process, and say whether it is ready for images."""
        self._connection, theirs = Pipe()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "faceml.tables.row_process_main", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                # What a submitted job imports from is known to this process alone.
                env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
        with suppress(ConnectionError):
            self._connection.send(self._settings)
        self._images_seen = 0
        answer = _receive(self._connection)
        if answer == "ready":
            return True
        self._stop()
        if isinstance(answer, Failed):
            raise StoppedError(answer.message)
        return False

    def _bury(self) -> Status:
        """Clear up after a process that ended while at an image, and say how it ended."""
        return "timed_out" if self._stop() == -signal.SIGALRM else "crashed"

    def _stop(self) -> int:
        """End the process, and return its exit status, negative if a signal ended it."""
        if self._connection is not None:
            self._connection.close()  # which tells the process to end, if it still listens
            self._connection = None
        status = 0
        if self._process is not None:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(GRACE_S)
            self._process.kill()
            status = self._process.wait()
            self._process = None
        return status


GRACE_S = 5.0
"""Time for a process to close its detector."""


def _receive(connection: "Connection[Any, Any]") -> Any:
    """Return the next message, None if the other side is gone."""
    with suppress(EOFError, ConnectionError):
        return connection.recv()
    return None
