"""Child process that runs a row extractor: `python -m faceml.extraction.extraction_server FD`.

Its parent is `faceml.extraction.extractor_process`, which restarts it after a crash of native code.
"""

import os
import resource
import signal
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any

import cv2

from faceml.errors import flatten_message, translate_errors
from faceml.extraction.row_extractor import (
    ExtractedRows,
    ExtractionFailure,
    ExtractionRequest,
    RowExtractor,
    RowExtractorSettings,
)
from faceml.storage import REPORTABLE_ERRORS, ReadFailure, StorageRoots, StoredFile

REMOTE_READERS = 8
"""Concurrent reads from an object store; at 50 ms each they keep up with a detector that takes 10 ms."""

# WebP takes most, of the formats that are decoded: between 16 and 24 bytes with the detector's copies.
BYTES_PER_PIXEL = 32
BYTES_PER_IMAGE = 256 * 2**20
"""Memory for an image beside that for its file and its pixels: buffers of decoder and detector."""
MEMORY_IN_USE = Path("/proc/self/statm")


def main(descriptor: int) -> None:
    """Extract rows for the parent process until it closes the connection."""
    cv2.setNumThreads(1)  # one such process runs on each core
    with Connection(descriptor) as parent, suppress(EOFError):
        settings: RowExtractorSettings = parent.recv()
        with ExitStack() as stack:
            with _report_errors(parent, REPORTABLE_ERRORS):
                extractor = stack.enter_context(settings.open())
            parent.send("ready")
            with _report_errors(parent, REPORTABLE_ERRORS, f"{settings.root}: "):
                roots = StorageRoots(settings.root)
                while True:
                    _extract(extractor, roots, parent.recv(), settings, parent)


def _extract(
    extractor: RowExtractor,
    roots: StorageRoots,
    request: ExtractionRequest,
    settings: RowExtractorSettings,
    parent: Connection,
) -> None:
    decode_s, detect_s, detections = extractor.decode_s, extractor.detect_s, list[Any]()
    num_bytes = BYTES_PER_IMAGE + settings.max_bytes + BYTES_PER_PIXEL * settings.max_pixels
    for number, (file, data) in enumerate(_read_files(roots, request.files, settings), start=1):
        with _Alarm(settings.timeout_s), _MemoryLimit(num_bytes):
            detections.append(extractor.detect(file, data))
        if len(detections) == request.images_per_message or number == len(request.files):
            # An error here does not depend on the images, and would occur again with others.
            with _report_errors(parent, (Exception,)), _Alarm(settings.timeout_s * len(detections)):
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


class _MemoryLimit:
    """Limit the memory that a block allocates; on Linux only.

    A file that makes a decoder allocate more than any accepted image is undecodable, or ends this process,
    not others of the machine.
    """

    def __init__(self, num_bytes: int) -> None:
        self._num_bytes = num_bytes
        self._before = resource.getrlimit(resource.RLIMIT_DATA)

    def __enter__(self) -> None:
        _, hard = self._before
        if MEMORY_IN_USE.exists():
            pages = int(MEMORY_IN_USE.read_text(encoding="utf-8").split()[5])  # data and stack
            allowed = pages * resource.getpagesize() + self._num_bytes
            soft = allowed if hard == resource.RLIM_INFINITY else min(allowed, hard)
            resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        resource.setrlimit(resource.RLIMIT_DATA, self._before)


def _read_files(
    roots: StorageRoots, files: Sequence[StoredFile], settings: RowExtractorSettings
) -> Iterator[tuple[StoredFile, bytes | ReadFailure]]:
    """Yield each file with its bytes; several files of an object store are read in advance."""
    max_bytes, links = settings.max_bytes, settings.follow_links
    if roots.is_local:
        for file in files:
            yield file, roots.read(file.path, max_bytes, links)
        return
    with ThreadPoolExecutor(REMOTE_READERS) as readers:
        ahead: deque[tuple[StoredFile, Future[bytes | ReadFailure]]] = deque()
        for file in files:
            ahead.append((file, readers.submit(roots.read, file.path, max_bytes, links)))
            if len(ahead) > REMOTE_READERS:
                first, data = ahead.popleft()
                yield first, data.result()
        for first, data in ahead:
            yield first, data.result()


def _report_errors(
    parent: Connection, kinds: tuple[type[Exception], ...], prefix: str = ""
) -> translate_errors[Exception]:
    """Send the parent the message of an error that ends the block; the error propagates.

    Args:
        parent: Connection to the parent process.
        kinds: Classes of the errors that are sent.
        prefix: Start of the message.
    """

    def report(error: Exception) -> None:
        if not isinstance(error, ConnectionError):  # otherwise the parent ended
            parent.send(ExtractionFailure(prefix + flatten_message(error)))

    return translate_errors(kinds, report)


if __name__ == "__main__":
    with suppress(ConnectionError):
        main(int(sys.argv[1]))
    os._exit(0)  # does not wait for native threads
