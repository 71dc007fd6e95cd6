"""The end of work that cannot go on, for a reason that is neither a mistake in the settings nor in faceml."""

import errno
from pathlib import Path
from types import TracebackType
from typing import Self

from faceml.config import ConfigError

# A disk, a user's quota, and the longest file that a file system or a process may have.
NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class StoppedError(RuntimeError):
    """Why the work stopped, in one line; what was finished before stays."""

    def __init__(self, message: str) -> None:
        # PyTorch raises an error of a loader's process again with the text of its traceback as the message.
        super().__init__(message.rpartition(f"{type(self).__name__}: ")[2].strip())


class UnreachableError(StoppedError):
    """A store cannot be reached, after all attempts: no fault of what was being done with it."""


class StoppedByFullDisk:
    """Raise `StoppedError` in place of what says that there is no space left, which names no folder.

    Args:
        folder: Where the block writes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        cause = error
        while cause is not None:  # PyTorch says something of its own when a write fails
            if isinstance(cause, OSError) and cause.errno in NO_SPACE:
                raise StoppedError(
                    f"{self._folder}: no space left to write ({cause.strerror}). Make room there; the same "
                    "command goes on from here."
                ) from error
            cause = cause.__context__


class StoppedByOutage:
    """Raise `UnreachableError` in place of what says that a store cannot be reached, after all attempts.

    Args:
        place: What is looked for.
    """

    def __init__(self, place: str) -> None:
        self._place = place

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, OSError):
            raise UnreachableError(
                f"{self._place}: cannot be reached ({' '.join(str(error).split())}). The same command goes "
                "on from what is there."
            ) from error


class StopNoted:
    """Catch what stops the work and keep its message, so that it can travel as a value.

    Attributes:
        message: One line, None if nothing stopped the block.
    """

    message: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if isinstance(error, StoppedError | ConfigError | OSError):
            self.message = " ".join(str(error).split())
        return self.message is not None
