"""The end of work that cannot go on, for a reason that is neither a mistake in the settings nor in faceml."""

from types import TracebackType
from typing import Self

from faceml.config.config_error import ConfigError


class StoppedError(RuntimeError):
    """Why the work stopped, in one line; what was finished before stays."""


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
