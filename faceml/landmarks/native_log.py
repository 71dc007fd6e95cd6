"""Keeping the harmless chatter of native libraries off the terminal, without hiding what is not."""

import os
import sys
import tempfile
from collections.abc import Sequence
from types import TracebackType
from typing import Self


class NativeLogFilter:
    """Hold what native code writes to stderr inside the block, then pass on all but harmless lines.

    Native libraries log straight to file descriptor 2, often reading no level from the environment; with many
    processes their greetings bury what matters. If the block fails, every line is passed on.

    Args:
        harmless: A line with one of these in it is dropped.
    """

    def __init__(self, harmless: Sequence[str]) -> None:
        self._harmless = [text.encode() for text in harmless]

    def __enter__(self) -> Self:
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
            if kind is not None or not any(text in line for text in self._harmless):
                os.write(2, line)
        self._held.close()
