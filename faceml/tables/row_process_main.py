"""The process in which images meet the native detector: `python -m faceml.tables.row_process_main FD`.

It may crash or hang without harm to the process that started it, see `faceml.tables.row_process`.
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
from typing import Any

import cv2

from faceml.errors import flatten_message, translate_errors
from faceml.storage import REPORTABLE_ERRORS, ReadFailure, StorageFolder, StoredFile
from faceml.tables.row_maker import Failed, RowMaker, RowSettings, RowsMade, RowsWanted

REMOTE_READERS = 8
"""Files of an object store on their way at once: at 50 ms each they keep up with a detector of 10 ms."""


def main(descriptor: int) -> None:
    """Make rows of the images that the parent names, until it closes the connection."""
    cv2.setNumThreads(1)  # there is one of these processes for each core
    with Connection(descriptor) as parent, suppress(EOFError):
        settings: RowSettings = parent.recv()
        with ExitStack() as stack:
            with _report_to(parent, REPORTABLE_ERRORS):
                maker = stack.enter_context(settings.open())
            parent.send("ready")
            with _report_to(parent, REPORTABLE_ERRORS, f"{settings.root}: "):
                root = StorageFolder(settings.root)
                while True:
                    _make_rows(maker, root, parent.recv(), settings, parent)


def _make_rows(
    maker: RowMaker, root: StorageFolder, wanted: RowsWanted, settings: RowSettings, parent: Connection
) -> None:
    decode_s, detect_s, seen = maker.decode_s, maker.detect_s, list[Any]()
    for number, (file, data) in enumerate(_contents(root, wanted.files, settings), start=1):
        with _Alarm(settings.timeout_s):
            seen.append(maker.look(file, data))
        if len(seen) == wanted.rows_per_message or number == len(wanted.files):
            # A mistake in here is no image's: it would come again with others.
            with _report_to(parent, (Exception,)), _Alarm(settings.timeout_s * len(seen)):
                rows = maker.rows(seen)
            parent.send(RowsMade(rows, maker.decode_s - decode_s, maker.detect_s - detect_s))
            decode_s, detect_s, seen = maker.decode_s, maker.detect_s, []


class _Alarm:
    """End the process when a block takes too long.

    Nobody handles the alarm, so that it does even when native code holds the interpreter's lock.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __enter__(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, self._seconds)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _contents(
    root: StorageFolder, files: Sequence[StoredFile], settings: RowSettings
) -> Iterator[tuple[StoredFile, bytes | ReadFailure]]:
    """Yield each file with its bytes; those of an object store are read ahead, a few files at a time."""
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


def _report_to(
    parent: Connection, kinds: tuple[type[Exception], ...], prefix: str = ""
) -> translate_errors[Exception]:
    """Send the parent process the message of an error of the block; the error itself passes.

    Args:
        parent: Connection to the parent.
        kinds: Types of the errors.
        prefix: Beginning of the message.
    """

    def report(error: Exception) -> None:
        if not isinstance(error, ConnectionError):  # which means that the parent itself is gone
            parent.send(Failed(prefix + flatten_message(error)))

    return translate_errors(kinds, report)


if __name__ == "__main__":
    with suppress(ConnectionError):
        main(int(sys.argv[1]))
    os._exit(0)  # native threads that are still running must not keep the process from ending
