"""The process in which images meet the native detector: `python -m faceml.landmarks.extractor_main FD`.

It may crash or hang without harm to the process that started it, see `faceml.landmarks.extractor_process`.
"""

import os
import signal
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Self

import cv2

from faceml.config.config_error import ConfigError
from faceml.images import DecodeLimits
from faceml.landmarks.extractor import LandmarkExtractor
from faceml.landmarks.mediapipe_detector import MediaPipeDetector
from faceml.landmarks.rows import ExtractorSettings, RowMade, RowsWanted, StorageFailed
from faceml.storage import ReadFailure, StorageFolder, StoredFile

REMOTE_READERS = 8
"""Files of an object store on their way at once: at 50 ms each they keep up with a detector of 10 ms."""


def main(descriptor: int) -> None:
    """Make rows of the images that the parent names, until it closes the connection."""
    cv2.setNumThreads(1)  # there is one of these processes for each core
    with Connection(descriptor) as parent, suppress(EOFError), _TellParentOfStorage(parent):
        settings: ExtractorSettings = parent.recv()
        root = StorageFolder(settings.root)
        with MediaPipeDetector(
            settings.model_path, settings.max_faces, settings.min_detection_confidence
        ) as detector:
            extractor = LandmarkExtractor(
                detector,
                DecodeLimits(settings.max_bytes, settings.max_pixels),
                reduce=settings.reduce,
                store_mesh=settings.store_mesh,
                embed=settings.embed,
            )
            parent.send("ready")
            while True:
                _make_rows(extractor, root, parent.recv(), settings, parent)


def _make_rows(
    extractor: LandmarkExtractor,
    root: StorageFolder,
    wanted: RowsWanted,
    settings: ExtractorSettings,
    parent: Connection,
) -> None:
    made: list[RowMade] = []
    for file, data in _contents(root, wanted.files, settings):
        decode_s, detect_s = extractor.decode_s, extractor.detect_s
        # Nobody handles the alarm: it ends the process even when native code holds the interpreter's lock.
        signal.setitimer(signal.ITIMER_REAL, settings.timeout_s)
        row = extractor.row(file, data)
        signal.setitimer(signal.ITIMER_REAL, 0)
        made.append(RowMade(row, extractor.decode_s - decode_s, extractor.detect_s - detect_s))
        if len(made) == wanted.rows_per_message:
            parent.send(made)
            made = []
    if made:
        parent.send(made)


def _contents(
    root: StorageFolder, files: Sequence[StoredFile], settings: ExtractorSettings
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


class _TellParentOfStorage:
    """Send the parent the message of a storage error that ends the block."""

    def __init__(self, parent: Connection) -> None:
        self._parent = parent

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        gone = isinstance(error, ConnectionError)  # the parent itself, whom nothing can be told
        if isinstance(error, OSError | ConfigError) and not gone:
            self._parent.send(StorageFailed(" ".join(str(error).split())))


if __name__ == "__main__":
    with suppress(ConnectionError):
        main(int(sys.argv[1]))
    os._exit(0)  # native threads that are still running must not keep the process from ending
