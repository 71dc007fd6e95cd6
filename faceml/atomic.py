"""Files written whole or not at all: a temporary name first, then a rename."""

import os
from pathlib import Path
from types import TracebackType


class AtomicPath:
    """Give a temporary path beside `path`; on a clean exit it replaces `path`, on an error it is removed.

    Example:
        >>> with AtomicPath(folder / "summary.json") as partial:
        ...     partial.write_text("{}")
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        # Readers that glob for the suffix must not see the partial file, nor two writers each other's.
        self._partial = path.with_name(f".{path.name}.{os.getpid()}.partial")

    def __enter__(self) -> Path:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return self._partial

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._partial.replace(self.path)
        else:
            self._partial.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8 to `path`, whole or not at all; parent folders are made."""
    with AtomicPath(path) as partial:
        partial.write_text(text, encoding="utf-8")
