"""Errors that stop a command, and the context managers that translate or catch errors."""

from collections.abc import Callable
from contextlib import ContextDecorator
from types import TracebackType
from typing import Generic, Self, TypeVar

AnyError = TypeVar("AnyError", bound=BaseException)


class StoppedError(RuntimeError):
    """Work cannot continue, for a reason outside of the configuration; finished results are kept.

    Args:
        message: The reason and the remedy, in one line.
    """

    def __init__(self, message: str) -> None:
        # PyTorch raises an error of a loader's process again with the text of its traceback as the message.
        super().__init__(message.rpartition(f"{type(self).__name__}: ")[2].strip())


class UnreachableError(StoppedError):
    """A store cannot be reached, after all attempts."""


class translate_errors(ContextDecorator, Generic[AnyError]):  # noqa: N801 - used as `contextlib.suppress` is
    """Raise another error in place of an error of the block.

    Args:
        kinds: Types of the errors to translate; all others pass unchanged.
        translate: Called with the error. Returns the error to raise in its place, or None to let it pass.
        keep_cause: Whether tracebacks show the original error as the cause.

    Example:
        >>> with translate_errors(yaml.YAMLError, lambda error: ConfigError(f"{file}: {error}")):
        ...     yaml.safe_load(text)
    """

    def __init__(
        self,
        kinds: type[AnyError] | tuple[type[AnyError], ...],
        translate: Callable[[AnyError], BaseException | None],
        *,
        keep_cause: bool = True,
    ) -> None:
        self._kinds = kinds
        self._translate = translate
        self._keep_cause = keep_cause

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        translated = self._translate(error) if isinstance(error, self._kinds) else None
        if translated is not None:
            raise translated from (error if self._keep_cause else None)


class catch_errors(Generic[AnyError]):  # noqa: N801 - used as `contextlib.suppress` is
    """End the block at an error of the given types, and keep the error as a value.

    Args:
        kinds: Types of the errors to catch; all others pass.

    Attributes:
        error: The first error that was caught, None if there is none.

    Example:
        >>> with catch_errors(OSError) as caught:
        ...     content = file.read_bytes()
        >>> if caught.error is not None:
        ...     logger.warning("%s", caught.message)
    """

    def __init__(self, *kinds: type[AnyError]) -> None:
        self._kinds = kinds
        self.error: AnyError | None = None

    @property
    def message(self) -> str | None:
        """Message of the error on one line, None if there is no error."""
        return None if self.error is None else flatten_message(self.error)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if not isinstance(error, self._kinds):
            return False
        self.error = self.error or error
        return True


def flatten_message(error: BaseException) -> str:
    """Return the message of an error on one line."""
    return " ".join(str(error).split())
