"""Filter of the lines that native libraries write to stderr."""

import os
import sys
import tempfile
from collections.abc import Sequence
from threading import RLock
from types import TracebackType
from typing import Self


class StderrFilter:
    """Hold back what is written to file descriptor 2 inside the block, then write all but harmless lines.

    Native libraries write their log directly to file descriptor 2, often at a level that cannot be set; with
    many processes their start-up messages would hide warnings. If the block fails, every line is written.
    Blocks of several threads run one after the other, because all threads share the descriptor.

    Args:
        harmless: A line that contains one of these texts is dropped.

    Attributes:
        dropped: The lines that were dropped.
    """

    _descriptor_lock = RLock()

    def __init__(self, harmless: Sequence[str]) -> None:
        self._harmless = [text.encode() for text in harmless]
        self.dropped: list[bytes] = []

    def __enter__(self) -> Self:
        self._descriptor_lock.acquire()
        sys.stderr.flush()
        self._held = tempfile.TemporaryFile()
        self._stderr = os.dup(2)
        os.dup2(self._held.fileno(), 2)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        sys.stderr.flush()
        os.dup2(self._stderr, 2)
        os.close(self._stderr)
        self._held.seek(0)
        for line in self._held:
            if kind is None and any(text in line for text in self._harmless):
                self.dropped.append(line)
            else:
                os.write(2, line)
        self._held.close()
        self._descriptor_lock.release()
