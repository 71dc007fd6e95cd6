"""Extraction in a child process, which isolates crashes of the native detector.

If the detector crashes or hangs, its process ends. The image is tried again in a new process; if that fails
too, its row gets the status `crashed` or `timed_out`. All other images are extracted.
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
from typing import Any, Literal, Self

from faceml.errors import StoppedError
from faceml.extraction.row_extractor import (
    ExtractedRows,
    ExtractionFailure,
    ExtractionRequest,
    Row,
    RowExtractorSettings,
    row_without_image,
)
from faceml.storage import StoredFile
from faceml.tables import Status

logger = logging.getLogger(__name__)

IMAGES_PER_MESSAGE = 32
"""After a crash the images of the lost message are extracted again, one at a time."""
MAX_CONSECUTIVE_CRASHES = 20
"""More images in a row that crash the detector have another cause than the images."""
MAX_STARTS = 3
"""Attempts to start a process, which may be killed for lack of memory while it starts."""
START_TIMEOUT_S = 300.0
"""Time for a process to import its modules and open its detector; one that hangs meanwhile is replaced."""
READ_TIMEOUT_S = 600.0
"""Time for reading the images of a message, besides the time that each may take in the detector."""
CLOSE_TIMEOUT_S = 5.0
"""Time for a process to close its detector."""


Late = Literal["late"]


class ExtractorProcess:
    """Run `faceml.extraction.extraction_server` in a child process, and restart it when needed.

    Args:
        settings: Settings of the row extractor.
        max_attempts: Attempts at an image that crashes or hangs the process.
        images_per_process: Images after which the process is replaced, because native memory leaks.

    Attributes:
        decode_s: Seconds that the processes spent on decoding so far.
        detect_s: Seconds that the processes spent in the detector so far.
    """

    def __init__(
        self, settings: RowExtractorSettings, max_attempts: int = 2, images_per_process: int = 20_000
    ) -> None:
        self._settings = settings
        self._max_attempts = max_attempts
        self._images_per_process = images_per_process
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection[Any, Any] | None = None
        self._images_done = 0
        self.decode_s = self.detect_s = 0.0

    def __enter__(self) -> Self:
        self._connect()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    @property
    def pid(self) -> int:
        """ID of the current process, 0 if there is none."""
        return self._process.pid if self._process else 0

    def extract_rows(self, files: Sequence[StoredFile]) -> Iterator[list[Row]]:
        """Yield the rows of each file, in the order of the files.

        Raises:
            StoppedError: The process does not start, the storage cannot be reached, many consecutive images
                crash the detector, or the computation of a batch of rows fails.
        """
        position, crashes, suspects_end = 0, 0, 0
        attempts = Counter[int]()
        while position < len(files):
            is_suspect = position < suspects_end
            images_per_message = 1 if is_suspect or self._max_attempts == 1 else IMAGES_PER_MESSAGE
            room = self._images_per_process - self._images_done
            end = min(position + room, suspects_end if is_suspect else len(files))
            for rows in self._request_rows(ExtractionRequest(files[position:end], images_per_message)):
                crashes = 0
                position += 1
                yield rows
            if position == end:
                if self._images_done >= self._images_per_process:
                    self._stop()
                continue
            status = self._stop_crashed()
            if images_per_message > 1:  # one of these images caused it: extract them one at a time
                suspects_end = min(position + images_per_message, end)
                logger.warning("%s or one of the next: %s", files[position].path, status)
                continue
            attempts[position] += 1
            logger.warning("%s: %s, attempt %d", files[position].path, status, attempts[position])
            if attempts[position] + is_suspect >= self._max_attempts:
                crashes += 1
                if crashes == MAX_CONSECUTIVE_CRASHES:
                    reason = (
                        f"take longer than timeout_s, {self._settings.timeout_s:g} s"
                        if status == "timed_out"
                        else "crash the detector"
                    )
                    remedy = (
                        "Raise timeout_s, or give the machine less other work."
                        if status == "timed_out"
                        else "Its messages are in the worker's log."
                    )
                    raise StoppedError(
                        f"{crashes} images in a row {reason}, the last is {files[position].path}. {remedy}"
                    )
                yield [row_without_image(files[position], status)]
                position += 1

    def _request_rows(self, request: ExtractionRequest) -> Iterator[list[Row]]:
        """Yield the rows of each file until all are received or the process ends."""
        connection = self._connect()
        longest_s = self._settings.timeout_s * (request.images_per_message + 1) + READ_TIMEOUT_S
        with suppress(ConnectionError):
            connection.send(request)
        missing = len(request.files)
        while missing:
            message: ExtractedRows | ExtractionFailure | Late | None = _receive(connection, longest_s)
            if message is None:
                return
            if message == "late":
                raise StoppedError(f"{self._settings.root}: no image could be read within {longest_s:.0f} s.")
            if isinstance(message, ExtractionFailure):
                raise StoppedError(message.message)
            missing -= len(message.rows)
            self._images_done += len(message.rows)
            self.decode_s += message.decode_s
            self.detect_s += message.detect_s
            yield from message.rows

    def _connect(self) -> "Connection[Any, Any]":
        """Return the connection to a process that is ready, and start one if needed."""
        for _ in range(MAX_STARTS):
            if self._connection is not None or self._start():
                break
        if self._connection is None:
            raise StoppedError("The detector's process does not start. Its messages are in the worker's log.")
        return self._connection

    def _start(self) -> bool:
        """Start a process, and return whether it is ready for images."""
        self._connection, server_end = Pipe()
        with server_end:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "faceml.extraction.extraction_server", str(server_end.fileno())],
                pass_fds=[server_end.fileno()],
                stdin=subprocess.DEVNULL,
                env=os.environ
                | {
                    # Ray changes sys.path in a submitted job's workers; a child process does not inherit it.
                    "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                    "OPENCV_IO_MAX_IMAGE_PIXELS": str(self._settings.max_pixels),
                },
            )
        with suppress(ConnectionError):
            self._connection.send(self._settings)
        self._images_done = 0
        answer = _receive(self._connection, START_TIMEOUT_S)
        if answer == "ready":
            return True
        self._stop()
        if isinstance(answer, ExtractionFailure):
            raise StoppedError(answer.message)
        return False

    def _stop_crashed(self) -> Status:
        """Release a process that ended during an image, and return the image's status."""
        return "timed_out" if self._stop() == -signal.SIGALRM else "crashed"

    def _stop(self) -> int:
        """Stop the process, and return its exit status, negative if a signal ended it."""
        if self._connection is not None:
            self._connection.close()  # the process ends at the end of its input
            self._connection = None
        status = 0
        if self._process is not None:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(CLOSE_TIMEOUT_S)
            self._process.kill()
            status = self._process.wait()
            self._process = None
        return status


def _receive(connection: "Connection[Any, Any]", timeout_s: float) -> Any:
    """Return the next message, None if the connection is closed, "late" if none comes in time."""
    with suppress(EOFError, ConnectionError):
        return connection.recv() if connection.poll(timeout_s) else "late"
    return None
