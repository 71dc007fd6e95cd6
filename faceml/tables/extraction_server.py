"""Child process that runs a row extractor: `python -m faceml.tables.extraction_server FD`.

Its parent is `faceml.tables.extractor_process`, which restarts it after a crash of native code.
"""

import os
import signal
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Self

import cv2

from faceml.config import ConfigError
from faceml.storage import ReadFailure, StoppedError, StorageFolder, StoredFile
from faceml.tables.row_extractor import (
    ExtractedRows,
    ExtractionFailure,
    ExtractionRequest,
    RowExtractor,
    RowExtractorSettings,
)

REPORTED_ERRORS = (OSError, ConfigError, StoppedError)
"""Errors whose message is sent to the parent, such as that of a store that cannot be reached."""
REMOTE_READERS = 8
"""Concurrent reads from an object store; at 50 ms each they keep up with a detector that takes 10 ms."""


def main(descriptor: int) -> None:
    """Extract rows for the parent process until it closes the connection."""
    cv2.setNumThreads(1)  # one such process runs on each core
    with Connection(descriptor) as parent, suppress(EOFError):
        settings: RowExtractorSettings = parent.recv()
        with ExitStack() as stack:
            with _ReportErrors(parent, REPORTED_ERRORS):
                extractor = stack.enter_context(settings.open())
            parent.send("ready")
            with _ReportErrors(parent, REPORTED_ERRORS, f"{settings.root}: "):
                root = StorageFolder(settings.root)
                while True:
                    _extract(extractor, root, parent.recv(), settings, parent)


def _extract(
    extractor: RowExtractor,
    root: StorageFolder,
    request: ExtractionRequest,
    settings: RowExtractorSettings,
    parent: Connection,
) -> None:
    decode_s, detect_s, detections = extractor.decode_s, extractor.detect_s, list[Any]()
    for number, (file, data) in enumerate(_read_files(root, request.files, settings), start=1):
        with _Alarm(settings.timeout_s):
            detections.append(extractor.detect(file, data))
        if len(detections) == request.rows_per_message or number == len(request.files):
            # An error here does not depend on the images, and would occur again with others.
            with _ReportErrors(parent, (Exception,)), _Alarm(settings.timeout_s * len(detections)):
                rows = extractor.compute_rows(detections)
            parent.send(ExtractedRows(rows, extractor.decode_s - decode_s, extractor.detect_s - detect_s))
            decode_s, detect_s, detections = extractor.decode_s, extractor.detect_s, []


class _Alarm:
    """End the process when a block takes too long.

    The signal has no handler, so that it ends the process even while native code holds the interpreter lock.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __enter__(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, self._seconds)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _read_files(
    root: StorageFolder, files: Sequence[StoredFile], settings: RowExtractorSettings
) -> Iterator[tuple[StoredFile, bytes | ReadFailure]]:
    """Yield each file with its bytes; several files of an object store are read in advance."""
    max_bytes, links = settings.max_bytes, settings.follow_links
    if root.is_local:
        for file in files:
            yield file, root.read(file.path, max_bytes, links)
        return
    with ThreadPoolExecutor(REMOTE_READERS) as readers:
        ahead: deque[tuple[StoredFile, Future[bytes | ReadFailure]]] = deque()
        for file in files:
            ahead.append((file, readers.submit(root.read, file.path, max_bytes, links)))
            if len(ahead) > REMOTE_READERS:
                first, data = ahead.popleft()
                yield first, data.result()
        for first, data in ahead:
            yield first, data.result()


class _ReportErrors:
    """Send the parent the message of an error that ends the block.

    Args:
        parent: Connection to the parent process.
        kinds: Classes of the errors that are sent.
        prefix: Start of the message.
    """

    def __init__(self, parent: Connection, kinds: tuple[type[Exception], ...], prefix: str = "") -> None:
        self._parent = parent
        self._kinds = kinds
        self._prefix = prefix

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        is_disconnected = isinstance(error, ConnectionError)  # the parent ended
        if isinstance(error, self._kinds) and not is_disconnected:
            self._parent.send(ExtractionFailure(self._prefix + " ".join(str(error).split())))


if __name__ == "__main__":
    with suppress(ConnectionError):
        main(int(sys.argv[1]))
    os._exit(0)  # does not wait for native threads
