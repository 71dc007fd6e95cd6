"""Whom a training tells how it goes, beside its run folder."""

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Protocol, Self

Record = Mapping[str, Any]


class Tracking(Protocol):
    """Is open while a training runs; one that cannot go on says so by how the block ends."""

    def __enter__(self) -> Self:
        """Begin, or go on with what an interrupted training began."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End, with or without an error."""
        ...

    def tell(self, records: Sequence[Record]) -> None:
        """Hear the records of all epochs until now."""
        ...

    def finish(self, summary: Record) -> None:
        """Hear the summary, once the run folder is complete."""
        ...


class NoTracking:
    """Tell nobody."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def tell(self, records: Sequence[Record]) -> None:
        """Ignore the records."""

    def finish(self, summary: Record) -> None:
        """Ignore the summary."""
