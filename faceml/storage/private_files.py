"""Files of a cache that only their user may read, each written by one process while others wait."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from faceml.storage.atomic import make_folder


@contextmanager
def hold_lock(file: Path) -> Iterator[None]:
    """Hold a lock that one process of this machine has at a time, in a folder for this user only.

    Args:
        file: The lock, a file; it is created with its folder, and stays.
    """
    make_folder(file.parent)
    file.parent.chmod(0o700)
    with file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def private_file(file: Path) -> Path:
    """Create a file that no other user may read, and return its path."""
    file.touch(mode=0o600)
    return file
