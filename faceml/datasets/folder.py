"""Listing the images below a folder."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path


def list_images(root: Path, extensions: Sequence[str]) -> list[str]:
    r"""List images below a folder as POSIX paths relative to it, sorted.

    Hidden files and folders are passed over; links to folders are not followed, so that no loop can occur. A
    name that is not UTF-8 is listed with its strange bytes as `\xNN`, which no file is called: its row will
    say `unreadable` instead of the listing failing.

    Args:
        root: The folder.
        extensions: Endings with their dot, such as `.jpg`; upper and lower case are the same.
    """
    return sorted(_walk(root, tuple(extension.lower() for extension in extensions)))


def _walk(root: Path, extensions: tuple[str, ...]) -> Iterator[str]:
    for folder, subfolders, files in os.walk(root):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        for name in files:
            if name.lower().endswith(extensions) and not name.startswith("."):
                path = (Path(folder) / name).relative_to(root).as_posix()
                yield os.fsencode(path).decode("utf-8", errors="backslashreplace")
