"""Files written whole or not at all: a temporary name first, then a rename."""

import os
import secrets
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

PARTIAL_SUFFIX = ".partial"
"""How the temporary names end; they begin with a dot."""


class AtomicPath:
    """Give a temporary path beside `path`; on a clean exit it replaces `path`, on an error it is removed.

    The bytes are on the disk before they get their name, which therefore never stands for an empty or half
    a file after a power cut.

    Example:
        >>> with AtomicPath(folder / "summary.json") as partial:
        ...     partial.write_text("{}")
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        # Readers that glob for the suffix must not see the partial file, nor two writers each other's, who
        # may be processes of the same number on two machines.
        self._partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}{PARTIAL_SUFFIX}")

    def __enter__(self) -> Path:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return self._partial

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with ExitStack() as cleanup:
            cleanup.callback(self._partial.unlink, missing_ok=True)
            if kind is None:
                with self._partial.open("rb") as file:
                    os.fsync(file.fileno())
                self._partial.replace(self.path)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8 to `path`, whole or not at all; parent folders are made."""
    with AtomicPath(path) as partial:
        partial.write_text(text, encoding="utf-8")
